"""Years of use in a minute: docqueue's tables filled with what finished, waits for later and died; retention, timed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from docqueue import history
from docqueue.conf import get_settings

CHUNK = 1_000_000
EXPIRED = 1_000_000
RARE = "n %% 100000 = 0"
QUEUE = f"case when {RARE} then 'rare' else 'bench' end"
OPERATION = f"case when {RARE} then 'bench.rare' else 'bench.noop' end"
DOCUMENT = "(n %% 1000000)::text"
PAYLOAD = """jsonb_build_object('text', repeat('x', 180), 'n', n)"""
FINISHED = f"""
insert into {{table}} (id, queue, priority, status, operation, document_id, payload, metadata, attempt, max_attempts,
    crashes, enqueued_at, claimed_at, finished_at, worker_id, claim_no)
select n, {QUEUE}, 0, 'completed', {OPERATION}, {DOCUMENT}, {PAYLOAD}, '{{{{}}}}', 1, 5, 0, at, at, at, 1, 1
from (select n, %(first)s::timestamptz + (n %% 100000) * (%(last)s::timestamptz - %(first)s::timestamptz) / 100000 as at
    from generate_series(%(from)s::bigint, %(to)s::bigint) n) finished
"""
WAITING = f"""
insert into docqueue_item (queue, status, wait_reason, operation, document_id, payload, metadata, max_attempts,
    timeout_seconds, run_after, next_retry_at)
select {QUEUE}, 'waiting', 'delayed', {OPERATION}, {DOCUMENT}, {PAYLOAD}, '{{}}', 5, 300, at, at
from (select n, now() + interval '1 day' + n * interval '1 second' as at
    from generate_series(1, %(count)s::bigint) n) later
"""
DEAD = f"""
with dead as (
    insert into docqueue_item (queue, status, operation, document_id, payload, metadata, max_attempts, timeout_seconds,
        attempt, died_at, error_code, error_message, fingerprint)
    select {QUEUE}, 'dead', {OPERATION}, {DOCUMENT}, {PAYLOAD}, '{{}}', 5, 300, 5, now() - n * interval '1 second',
        'failed', 'it failed', left(md5((n %% 50)::text), 16)
    from generate_series(1, %(count)s::bigint) n
    returning id, queue, operation, document_id, died_at, error_message, fingerprint
)
insert into docqueue_attempt (item_id, attempt, claim_no, outcome, code, message, traceback, fingerprint, started_at,
    ended_at)
select id, 5, 5, 'failed', 'failed', error_message, '', fingerprint, died_at, died_at from dead
"""


def fill(finished: int, waiting: int, dead: int) -> None:
    """Put so many rows in place, the finished ones within the retention; an expired partition, not attached yet."""
    now = datetime.now(UTC)
    for weeks_ago in range(3):
        history.ensure("default", now - timedelta(weeks=weeks_ago))
    first = now - timedelta(days=get_settings().RETENTION_DAYS - 1)
    with connection.cursor() as cursor:
        # Indexes are made after the rows: many times faster, and what a year of use leaves is no different.
        cursor.execute(
            "select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index"
            " where indrelid = 'docqueue_history'::regclass"
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"drop index {name}")
        for start in range(1, finished + 1, CHUNK):
            span = {"from": start, "to": min(finished, start + CHUNK - 1), "first": first, "last": now}
            cursor.execute(FINISHED.format(table="docqueue_history"), span)
        for _, definition in indexes:
            cursor.execute(definition.replace(" ON ONLY ", " ON "))
        cursor.execute("select setval(pg_get_serial_sequence('docqueue_item', 'id'), %s)", [max(1, finished)])
        cursor.execute(WAITING, {"count": waiting})
        cursor.execute(DEAD, {"count": dead})
        _, lower, upper = history.week(now - timedelta(days=90))
        cursor.execute("create table bench_expired (like docqueue_history including all)")
        end = upper - timedelta(seconds=1)
        span = {"from": 1, "to": min(EXPIRED, finished), "first": lower, "last": end}
        cursor.execute(FINISHED.format(table="bench_expired"), span)
        cursor.execute(f"alter table bench_expired add check (finished_at >= '{lower}' and finished_at < '{upper}')")
        cursor.execute("vacuum (analyze) docqueue_history, docqueue_item, docqueue_attempt, bench_expired")


def retain() -> dict[str, Any]:
    """Attach the expired partition; drop it while a reader holds the history, which must not work, and then without."""
    import psycopg

    name, lower, upper = history.week(datetime.now(UTC) - timedelta(days=90))
    days = get_settings().RETENTION_DAYS
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute(f"alter table bench_expired rename to {name}")
        cursor.execute(
            f"alter table docqueue_history attach partition {name} for values from ('{lower}') to ('{upper}')"
        )
    parameters = {
        k: v for k, v in connection.get_connection_params().items() if k in ("host", "port", "user", "dbname")
    }
    with psycopg.connect(**parameters) as reader:
        reader.execute(f"select id from {name} limit 1")
        blocked, while_read = _timed(days)
    freed, after = _timed(days)
    return {"while_read": while_read, "while_read_s": blocked, "dropped": after, "dropped_s": freed}


def _timed(days: int) -> tuple[float, list[str]]:
    started = time.monotonic()
    dropped = history.drop_expired("default", days)
    return time.monotonic() - started, dropped
