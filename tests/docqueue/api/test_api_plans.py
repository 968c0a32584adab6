"""What the pages of the API read, over many live items and many more finished ones: by indexes, never a whole table."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from django.db import connection

from docqueue import store
from docqueue.models import QueueItem
from tests.docqueue.helpers import rows
from tests.docqueue.test_listing_plans import crowd  # noqa: F401 - a fixture
from tests.docqueue.test_plans import EXPLAIN, read

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]
BIG = ("docqueue_item", "docqueue_history", "docqueue_any_item")
PATHS = [
    "items/{dead}", "items/{done}", "items/{dead}/status", "items/{done}/explain", "items/{pending}/explain",
    "items/{dead}/attempts", "items?status=dead&error_code=none", "items?q=d7", "dead-letters", "dead-letters?queue=q5",
    "dead-letters?queue=none", "dead-letters?error_code=none", "dead-letters?operation=none",
    "dead-letters?fingerprint=none", "dead-letters/groups", "queues", "queues/q5", "queue/stats", "queue/limits",
    "workers", "schedules", "batches", "batches/{batch}", "health/queue",
]  # fmt: skip


class Kept:
    """The statements of a request about big tables."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, Any]] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if any(name in sql for name in BIG) and not sql.startswith(("SAVEPOINT", "RELEASE")):
            self.statements.append((sql, params))
        return execute(sql, params, many, context)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_reads_big_tables_by_their_indexes(crowd, person, path):  # noqa: F811
    first = QueueItem.objects.order_by("id")[0].pk
    [batch] = rows("insert into docqueue_batch (name, created_at) values ('', now()) returning id")
    known = {"dead": first + 4, "pending": first + 5, "done": first // 2, "batch": batch["id"]}
    by_index = {store.sql(name) for name in store.BY_INDEX}
    ann, kept = person(staff=True), Kept()
    began = time.perf_counter()
    with connection.execute_wrapper(kept):
        answer = ann.get("/api/v1/" + path.format(**known))
    if os.environ.get("LISTED_LIVE"):
        times = [time.perf_counter() - began]
        for _ in range(19):
            began = time.perf_counter()
            ann.get("/api/v1/" + path.format(**known))
            times.append(time.perf_counter() - began)
        print(f"{path}: p95 {sorted(times)[18] * 1000:.0f} ms")
    assert answer.status_code in (200, 503), answer.content
    for sql, params in kept.statements:
        with connection.cursor() as cursor:
            if sql in by_index:
                cursor.execute(store.BY_INDEX_LOCALLY)  # as `store.run` does
            cursor.execute(EXPLAIN + sql, params)
            plan = read(cursor)
            cursor.execute(store.AS_IT_CAME)
        for node in plan.nodes:
            whole = node["Node Type"] == "Seq Scan" and str(node.get("Relation Name")).startswith(BIG)
            looked = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            assert not (whole and looked > 0), (sql, node)
