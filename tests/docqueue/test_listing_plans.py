"""How a list of items reads: a bounded number of them, by indexes, whatever the filter matches and wherever it is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from docqueue import history, store
from docqueue.listing import FOUND, WINDOW, ItemFilter, few_live
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from tests.docqueue.helpers import T0
from tests.docqueue.test_plans import EXPLAIN, Plan, read

pytestmark = pytest.mark.django_db

LIVE = int(os.environ.get("LISTED_LIVE", "60000"))
FINISHED = int(os.environ.get("LISTED_FINISHED", "120000"))
WEEKS = 4
LOAD = """
insert into docqueue_history (id, queue, priority, status, operation, document_id, payload, metadata, attempt,
    max_attempts, crashes, enqueued_at, finished_at, claim_no, batch_id)
select n, 'q' || n %% 10, 0, 'completed', 'test.noop', 'd' || n %% 50000, '{}', '{}', 1, 5, 0, %(at)s,
    %(at)s::timestamptz + make_interval(weeks => n * %(weeks)s / (%(finished)s + 1)), 1,
    case when n %% 100 = 0 then 1 end
from generate_series(1, %(finished)s) n
"""
LOAD_LIVE = """
insert into docqueue_item (id, queue, priority, position, status, operation, document_id, payload, metadata,
    max_attempts, timeout_seconds, died_at, ordering_key, holds_key)
select %(finished)s + n, 'q' || n %% 10, 0, n, case when n %% 5 = 0 then 'dead' else 'pending' end, 'test.noop',
    'd' || n %% 50000, '{}', '{}', 5, 300, case when n %% 5 = 0 then %(at)s::timestamptz end, null, false
from generate_series(1, %(live)s) n
"""


@pytest.fixture(scope="module")
def crowd(django_db_setup: None, django_db_blocker: Any) -> Iterator[int]:
    """Many live items over many more finished ones, committed for the length of the module. Returns how many."""
    with django_db_blocker.unblock():
        for week in range(WEEKS + 1):
            history.ensure("default", T0 + timedelta(weeks=week))
        given = {"live": LIVE, "finished": FINISHED, "weeks": WEEKS, "at": T0}
        try:
            with connection.cursor() as cursor:
                cursor.execute(LOAD, given)
                cursor.execute(LOAD_LIVE, given)
                cursor.execute("analyze docqueue_item, docqueue_history")
            yield LIVE + FINISHED
        finally:
            with connection.cursor() as cursor:
                cursor.execute("truncate docqueue_item, docqueue_history")
                cursor.execute("analyze docqueue_item, docqueue_history")
            connection.close()


class Explained:
    """Runs the statements of a list as `store.run` does, and keeps their plans."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plans: list[Plan] = []
        run = store.run

        def explained(using: str, name: str, params: Any) -> list[store.Row]:
            with connection.cursor() as cursor:
                cursor.execute(store.BY_INDEX_LOCALLY)
                cursor.execute(EXPLAIN + store.sql(name), params)
                self.plans.append(read(cursor))
            assert name in store.BY_INDEX
            return run(using, name, params)

        monkeypatch.setattr(store, "run", explained)


@pytest.fixture
def explained(monkeypatch: pytest.MonkeyPatch) -> Explained:
    return Explained(monkeypatch)


FILTERS = [
    ItemFilter(),
    ItemFilter(queue="q7"),
    ItemFilter(queue="there is none"),
    ItemFilter(statuses=[Status.COMPLETED]),
    ItemFilter(statuses=[Status.DEAD], error_code="nobody's"),
    ItemFilter(operation="test.noop", tenant="nobody"),
    ItemFilter(enqueued_before=T0),
    ItemFilter(document_id="d7"),
    ItemFilter(document_id="there is none"),
    ItemFilter(unique_key="there is none"),
    ItemFilter(batch_id=1),
    ItemFilter(batch_id=77),
    ItemFilter(text="7"),
    ItemFilter(text="there is none"),
]


@pytest.mark.parametrize("part", [None, 0.7, 0.3], ids=["newest", "further on", "in the history"])
@pytest.mark.parametrize("wanted", FILTERS, ids=lambda f: str({k: v for k, v in vars(f).items() if v}))
def test_a_page_reads_a_bounded_number_of_items_by_indexes(crowd, explained, wanted, part):
    before = None if part is None else int(crowd * part)
    began = time.perf_counter()
    page = DocumentQueueService().list_items(wanted, before=before)
    if os.environ.get("LISTED_LIVE"):
        print(f"{(time.perf_counter() - began) * 500:.0f} ms", sum(p.blocks for p in explained.plans), page.looked_at)
    assert page.looked_at <= WINDOW
    for plan in explained.plans:
        assert plan.blocks <= 3 * WINDOW
        for node in plan.nodes:
            big = str(node.get("Relation Name", "")).startswith(("docqueue_item", "docqueue_history"))
            done = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            assert not (node["Node Type"] == "Seq Scan" and big), node
            assert not big or done <= WINDOW + 1, node


LATE = """
insert into docqueue_item (queue, status, operation, payload, metadata, max_attempts, timeout_seconds, died_at)
select 'late', 'dead', 'test.noop', '{}', '{}', 5, 300, now() from generate_series(1, %(number)s)
"""


def test_whether_items_are_few_is_seen_without_passing_by_all_that_are_older(crowd, explained):
    with connection.cursor() as cursor:
        cursor.execute(LATE, {"number": LIVE // 2})
        cursor.execute("analyze docqueue_item")
    for asked in ({"statuses": [Status.DEAD], "queue": "late"}, {"queue": "late"}, {"statuses": [Status.WAITING]}):
        assert few_live("default", **asked) is None
    for plan in explained.plans:
        for node in plan.nodes:
            assert node.get("Rows Removed by Filter", 0) == 0, node
            assert node["Actual Rows"] * node["Actual Loops"] <= 3 * FOUND, node
