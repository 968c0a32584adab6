"""How much the lists and the page of a queue read where there is very much: a bounded part, whatever is asked for."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from docqueue import history, snapshot
from docqueue.admin.base import WINDOW
from docqueue.maintenance import depths
from tests.docqueue.test_plans import EXPLAIN, read

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls"), pytest.mark.slow]

LIVE = int(os.environ.get("DESK_LIVE", "60000"))
FINISHED = int(os.environ.get("DESK_FINISHED", "60000"))
WEEKS = 4
SMALL = 2_000
LOAD = """
insert into docqueue_history (id, queue, priority, status, operation, document_id, payload, metadata, attempt,
    max_attempts, crashes, enqueued_at, claimed_at, finished_at, claim_no, tenant)
select n, 'q' || n %% 10, 0, 'completed', 'test.noop', 'd' || n %% 50000, '{}', '{}', 1, 5, 0, t.at, t.at, t.at, 1,
    't' || n %% 1000
from generate_series(1, %(finished)s) n
cross join lateral (
    select %(now)s::timestamptz - interval '4 weeks' * ((%(finished)s - n)::float8 / %(finished)s) as at
) t
"""
LOAD_LIVE = """
insert into docqueue_item (id, queue, priority, position, status, wait_reason, next_retry_at, operation, document_id,
    payload, metadata, max_attempts, timeout_seconds, died_at, enqueued_at, claimed_at, worker_id, claim_token, tenant,
    error_code, fingerprint)
select %(finished)s + n, case when n %% 20000 = 1 then 'rare' else 'q' || n %% 10 end, 0,
    case when n %% 10 not in (0, 1) then n end,
    case when n %% 5000 = 7 then 'in_progress' when n %% 10 = 0 then 'dead' when n %% 10 = 1 then 'waiting'
        else 'pending' end,
    case when n %% 10 = 1 then 'delayed' end,
    case when n %% 10 = 1 then %(now)s::timestamptz + interval '1 day' end,
    'test.noop', 'd' || n %% 50000, '{}', '{}', 5, 300,
    case when n %% 10 = 0 then t.at end, t.at,
    case when n %% 5000 = 7 then t.at end, case when n %% 5000 = 7 then 1 end, case when n %% 5000 = 7 then n end,
    't' || n %% 1000, case when n %% 10 = 0 then 'no' end, case when n %% 10 = 0 then 'f' || n %% 50 end
from generate_series(1, %(live)s) n
cross join lateral (
    select %(now)s::timestamptz - interval '1 day' * ((%(live)s - n)::float8 / %(live)s) as at
) t
"""


@pytest.fixture(scope="module")
def crowd(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Many live items over many finished ones, committed for the length of the module."""
    now = datetime.now(UTC)
    with django_db_blocker.unblock():
        for week in range(WEEKS + 1):
            history.ensure("default", now - timedelta(weeks=week))
        given = {"live": LIVE, "finished": FINISHED, "now": now}
        try:
            with connection.cursor() as cursor:
                cursor.execute(LOAD, given)
                cursor.execute(LOAD_LIVE, given)
                cursor.execute("analyze docqueue_item, docqueue_history")
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("truncate docqueue_item, docqueue_history, docqueue_depth")
                cursor.execute("analyze docqueue_item, docqueue_history")
            connection.close()


LISTS = {
    "queueitem": (
        "",
        "queue=rare",
        "queue=none",
        "queue=q3",
        "status=in_progress",
        "status=stuck",
        "status=not_started&age=1h",
        "status=dead",
        "wait_reason=delayed",
        "wait_reason=retry",
        "operation=test.gone",
        "tenant=t7",
        "tenant=nobody",
        "document_id=d17",
        "document_id=d0",
        "q=d17",
        "q=17",
        "age=1h&tenant=nobody",
    ),
    "deaditem": (
        "",
        "within=1h",
        "age=1h&queue=rare",
        "queue=rare",
        "tenant=nobody",
        "fingerprint=f0",
        "document_id=d10",
    ),
    "historyitem": ("", "within=1h", "age=7d&queue=q3", "queue=none", "tenant=nobody", "document_id=d17", "q=d17"),
}


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> int:
    """So many rows may be looked at in one place: few, where the tables are small, or else nothing would be shown."""
    if os.environ.get("DESK_LIVE"):
        return 2 * WINDOW
    for name in ("docqueue.admin.base.WINDOW", "docqueue.admin.searching.LOOKED_AT", "docqueue.stats.DEEP"):
        monkeypatch.setattr(name, SMALL)
    monkeypatch.setattr("docqueue.admin.rare.FEW", SMALL // 10)
    return 2 * SMALL


def check(client: Client, address: str, bound: int) -> None:
    """No statement of the page looks at more rows of the big tables."""
    client.get(address)
    began = time.perf_counter()
    with CaptureQueriesContext(connection) as seen:
        assert client.get(address).status_code == 200
    if os.environ.get("DESK_LIVE"):
        print(f"{(time.perf_counter() - began) * 1000:6.0f} ms {address}")
    asked = [q["sql"] for q in seen if "docqueue_item" in q["sql"] or "docqueue_history" in q["sql"]]
    assert asked
    for sql in asked:
        with connection.cursor() as cursor:
            cursor.execute(EXPLAIN + sql)
            plan = read(cursor)
        for node in plan.nodes:
            if str(node.get("Relation Name", "")).startswith(("docqueue_item", "docqueue_history")):
                rows = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
                assert rows <= bound, f"{rows} rows by {node['Node Type']} of {sql}"


@pytest.mark.parametrize(("model", "query"), [(model, query) for model, some in LISTS.items() for query in some])
def test_a_list_reads_a_bounded_part(admin_client: Client, crowd: None, bound: int, model: str, query: str) -> None:
    check(admin_client, f"/admin/docqueue/{model}/?{query}", bound)


@pytest.mark.parametrize("queue", ["rare", "q3", "none"])
def test_the_page_of_a_queue_reads_a_bounded_part(admin_client: Client, crowd: None, bound: int, queue: str) -> None:
    depths.run("default")
    snapshot.forget()
    check(admin_client, f"/admin/docqueue/queue/of/?queue={queue}", bound)
