"""A queue and its documents after years of use, small enough to fill in seconds and large enough to plan as then.

Each table holds many times what a page may look at (`BOUNDS`). Of all that lists are filtered by there is a value that
most rows have, and one that only the `FEW` oldest have: a walk from the newest down passes all others before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import NOT_PROVIDED, AutoField

from docqueue import history, listing, snapshot, stats, waited
from docqueue.admin import batches, searching
from docqueue.api import batches as api_batches
from docqueue.models import (
    Attempt,
    AuditEntry,
    Batch,
    BulkOperation,
    Checkpoint,
    Dependency,
    Depth,
    FailureGroup,
    FinishedTotal,
    HistoryItem,
    Key,
    Limit,
    Progress,
    QueueItem,
    Schedule,
    ScheduleTick,
    Worker,
)
from ingestion import people
from ingestion.admin import searching as ingestion_searching
from ingestion.api import base as ingestion_api
from ingestion.diagnostics import reading
from ingestion.models import Blob, Document, IngestFile, Intake, KmCall
from ingestion.summary import Summary

FEW = 10
COMMON, RARE = "desk.common", "desk.rare"
CAUSE, OTHER_CAUSE = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"
LARGE_BATCH, SMALL_BATCH = 1, 2
ITEMS, FINISHED, OTHERS = 12_000, 24_000, 12_000
HELD = 200
LARGE_INTAKE = 800
BURST = 6_000
"""So many have finished within some seconds, as those of a busy queue have."""
WEEKS = 3
DEAD = FINISHED + ITEMS
"""Below the first of the dead; those that wait have the ids before it."""
RUNNING = DEAD + ITEMS
PENDING = RUNNING + HELD

SMALL = {f"docqueue_{name}" for name in ("queue", "schedule", "depth", "finished_total", "resolution", "worker")}
"""Tables that stay small by themselves, or as a duty sums them up or deletes the rows of some days ago."""


WINDOW = 1_000
BOUNDS: list[tuple[Any, str, int]] = [
    (listing, "WINDOW", WINDOW),
    (listing, "FOUND", 300),
    (searching, "LOOKED_AT", WINDOW),
    (snapshot, "DEAD", WINDOW),
    (people, "LOOKED_AT", WINDOW),
    (ingestion_searching, "LOOKED_AT", WINDOW),
    (ingestion_api, "LOOKED_AT", WINDOW),
    (stats, "DEEP", 500),
    (stats, "FINISHED_EXACTLY", WINDOW),
    (waited, "SAMPLE", 300),
    (waited, "LEAST", 100),
    (waited, "LOOKED_AT", WINDOW),
    (batches, "COUNTED", WINDOW),
    (api_batches, "COUNTED", WINDOW),
    (reading, "MOST_CALLS", WINDOW),
    (reading, "MOST_DOCUMENTS", 20),
]
"""How far is looked for a page. As these tables are a part of a large queue's, so are these."""


def few(rare: str, common: str) -> str:
    """What the oldest rows have, and all others."""
    return f"case when n <= {FEW} then {rare} else {common} end"


NAME = few(f"'{RARE}'", f"'{COMMON}'")
BATCH = few(str(SMALL_BATCH), f"case when n % 2 = 0 then {LARGE_BATCH} end")
OLDER = f"now() - make_interval(secs => {OTHERS} - n)"


def put(model: Any, count: int, **given: str) -> None:
    """So many rows, each column the SQL that is given for it (`n`: the row's number), or the field's default."""
    columns, values = dict(given), []
    for field in model._meta.concrete_fields:
        fixed = field.null or isinstance(field, AutoField) or field.db_default is not NOT_PROVIDED
        if field.column not in given and not fixed:
            columns[field.column] = "%s"
            values.append(field.get_db_prep_save(field.get_default(), connection))
    shown = ", ".join(text if text == "%s" else text.replace("%", "%%") for text in columns.values())
    names = ", ".join(f'"{name}"' for name in columns)
    with connection.cursor() as cursor:
        sql = f"insert into {model._meta.db_table} ({names}) select {shown} from generate_series(1, {count}) n"
        cursor.execute(sql, values)


def fill_items() -> None:
    """Finished, waiting, dead, running and pending ones."""
    pace = f"case when n > {FINISHED - BURST} then 0.002 else {WEEKS * 604_800.0} / {FINISHED} end"
    past = f"now() - make_interval(secs => ({FINISHED} - n) * {pace})"
    each = {"queue": NAME, "priority": "0", "operation": NAME, "document_id": "'d' || n % 5000", "batch_id": BATCH}
    each |= {"max_attempts": "5", "attempt": "1"}
    put(HistoryItem, FINISHED, **each, id="n", status=few("'cancelled'", "'completed'"), enqueued_at=past,
        claimed_at=past, finished_at=past, claim_no="1", crashes="0", payload="'{}'", metadata="'{}'",
        unique_key="case when n % 3 = 0 then 'done' || n end")  # fmt: skip
    each |= {"timeout_seconds": "300", "tenant": few("'few'", "null"), "enqueued_at": "now() - interval '1 day'"}
    put(QueueItem, ITEMS, **each, id=f"{FINISHED} + n", status="'waiting'",
        wait_reason=few("'retry'", "case when n % 2 = 0 then 'concurrency' else 'delayed' end"), slot_limit="1",
        slot_key=f"case when n % 3 = 0 then '{COMMON}' || n else '{COMMON}' end",
        next_retry_at="now() + make_interval(secs => n)")  # fmt: skip
    put(QueueItem, ITEMS, **each, id=f"{DEAD} + n", status="'dead'", error_code=NAME, error_message="'it failed'",
        died_at=f"now() - make_interval(secs => {ITEMS} - n)",
        fingerprint=few(f"'{OTHER_CAUSE}'", f"'{CAUSE}'"))  # fmt: skip
    put(QueueItem, HELD, **each, id=f"{RUNNING} + n", status="'in_progress'", worker_id="1 + n % 5", claim_token="n",
        claimed_at="now()")  # fmt: skip
    put(QueueItem, ITEMS, **each, id=f"{PENDING} + n", status="'pending'", position="n",
        unique_key="case when n % 3 = 0 then 'key' || n end")  # fmt: skip


def fill_beside_items() -> None:
    """What is told of dead and pending ones."""
    put(Attempt, OTHERS, item_id=f"{DEAD} + n", attempt="1", claim_no="1", outcome=few("'crashed'", "'failed'"),
        ended_at="now()", code=NAME, fingerprint=f"'{CAUSE}'")  # fmt: skip
    put(AuditEntry, 3 * OTHERS, at="now()", actor=few("'few'", "'most'"), action="'requeue'",
        item_id=f"case when n % 3 > 0 then {DEAD} + n end",
        filter=f"case when n % 3 = 0 then jsonb_build_object('bulk', n, 'fingerprint', '{CAUSE}') else '{{}}' end"
    )  # fmt: skip
    put(FailureGroup, OTHERS, queue=NAME, operation=NAME, error_code=NAME, sample_id=f"{DEAD} + n", number="1",
        fingerprint=f"case n when 1 then '{OTHER_CAUSE}' when 2 then '{CAUSE}' else lpad(to_hex(n), 16, '0') end",
        first_at=OLDER, last_at=OLDER, counted_at="now()")  # fmt: skip
    put(Key, OTHERS, key="'key' || n", item_id=f"{PENDING} + n", lifetime="'finished'", created_at="now()")
    put(Dependency, OTHERS, child_id=f"{PENDING} + n", parent_id=f"{DEAD} + n")
    put(Checkpoint, OTHERS, item_id=f"{DEAD} + n", name="'step'", result="'1'", created_at="now()")
    put(Progress, OTHERS, item_id=f"{DEAD} + n", percent="1", updated_at="now()")


def fill_the_rest() -> None:
    """What the queue keeps of batches, bulk operations, workers, limits and ticks."""
    put(Depth, 1, queue="''", status="'finished'", number="1", counted_at="now() - interval '1 minute'")  # a duty does
    put(FinishedTotal, FEW, queue=f"'{RARE}'", at="now() - make_interval(secs => n)", worker_id="1", completed="1")
    put(Batch, OTHERS, id="n", name=NAME, created_at="now()", sealed_at="now()", finished_at="now()")
    put(BulkOperation, OTHERS, action=few("'purge'", "'requeue'"), state=few("'aborted'", "'done'"), actor="'most'",
        created_at="now()", finished_at="now()", last_id="1", total="1")  # fmt: skip
    put(Worker, 1_000, id="n", name="'w' || n", kind=few("'worker'", "'cron'"), hostname="'h'", pid="1",
        started_at="now()", heartbeat_at="now()", lease_expires_at=few("now() + interval '1 hour'", "now()"),
        lost_at=f"case when n = {FEW} then now() end", stopped_at=few("null", "now()"))  # fmt: skip
    put(Limit, OTHERS, key=f"{NAME} || n", rate="1", burst="1", failures_to_open="1", open_seconds="60",
        opened_at=few("now()", "null"))  # fmt: skip
    put(Schedule, FEW, id="n", name="'s' || n", operation=f"'{COMMON}'", interval_seconds="60")
    put(ScheduleTick, OTHERS, schedule_id=f"1 + n % {FEW}", tick_at=OLDER, item_id="n")


def fill_documents(owner: int, other: int) -> None:
    """Uploads, one of which has many files, and their documents; the other user has the newest few."""
    put(Blob, OTHERS, id="n", sha256="lpad(to_hex(n), 64, '0')", size="1", storage_key="'k' || n")
    ended = {"stage": few("'index_failed'", "'completed'"), "finished_at": "now()"}
    put(Intake, OTHERS, **ended, id="n", owner_id=str(owner), kind=few("'zip'", "'files'"), filename=NAME,
        status=few("'failed'", "'completed'"), created_at=OLDER,
        counts=f"'{json.dumps(Summary(total=1).as_dict())}'")  # fmt: skip
    put(Document, OTHERS, id="n", owner_id=f"case when n <= {OTHERS - FEW} then {owner} else {other} end", title=NAME,
        blob_id="n", type="'text'", text_status=few("'no_text'", "'ok'"), text_reason=few("'empty'", "''"),
        extractor="'text'", extractor_version="1", tags=f"array[{NAME}]", created_at=OLDER)  # fmt: skip
    put(IngestFile, OTHERS, **ended, id="n", ordinal="n",
        intake_id=f"case when n <= {OTHERS - LARGE_INTAKE} then n else {OTHERS} end",
        source_path=NAME, safe_name=NAME, blob_id="n", document_id="n",
        outcome=few("'failed'", "'completed'"), error_code=few(f"'{RARE}'", "''"))  # fmt: skip
    put(KmCall, OTHERS, started_at=OLDER, method=few("'delete'", "'put'"), status=few("500", "200"),
        code=few(f"'{RARE}'", "''"), document_ids="array[n]", total_seconds="1")  # fmt: skip


@contextmanager
def filled(owner: int, other: int) -> Iterator[None]:
    """The tables, full and analysed inside the block and empty after it."""
    for week in range(WEEKS + 1):
        history.ensure("default", datetime.now(UTC) - timedelta(weeks=week))
    try:
        _empty()  # the numbers of rows begin anew
        fill_items()
        fill_beside_items()
        fill_the_rest()
        fill_documents(owner, other)
        with connection.cursor() as cursor:
            cursor.execute(f"vacuum (analyze) {', '.join(tables())}")
        yield
    finally:
        _empty()
        with connection.cursor() as cursor:
            cursor.execute(f"analyze {', '.join(tables())}")


def _empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"truncate {', '.join(tables())} restart identity cascade")


def tables() -> list[str]:
    """Every table of the queue and of the documents."""
    models = [model for name in ("docqueue", "ingestion") for model in apps.get_app_config(name).get_models()]
    return sorted({model._meta.db_table for model in models if model._meta.managed})
