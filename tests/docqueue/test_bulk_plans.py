"""How a bulk operation reads: a stretch of the table by its key, never the whole of it, wherever it has come to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from docqueue import history, store
from docqueue.bulk import KINDS, parameters
from docqueue.maintenance.bulk import SLICE, STRETCH
from tests.docqueue.helpers import T0, rows
from tests.docqueue.test_plans import EXPLAIN, Plan, read

COUNT = 200_000
LOAD = """
insert into docqueue_item (queue, priority, position, status, operation, payload, metadata, max_attempts,
    timeout_seconds, died_at)
select 'q' || n %% 100, 0, n, case when n %% 2 = 0 then 'dead' else 'pending' end, 'test.noop', '{}', '{}', 5, 300,
    case when n %% 2 = 0 then %(at)s::timestamptz end
from generate_series(1, %(count)s) n
"""
FINISHED = """
insert into docqueue_history (id, queue, priority, status, operation, payload, metadata, attempt, max_attempts, crashes,
    enqueued_at, finished_at, claim_no)
select n, 'q' || n %% 100, 0, 'completed', 'test.noop', '{}', '{}', 1, 5, 0, %(at)s, %(at)s, 1
from generate_series(1, %(count)s) n
"""
FOUND = {"created_at": T0, "limit": SLICE, "stretch": STRETCH}


@pytest.fixture(scope="module")
def crowd(django_db_setup: None, django_db_blocker: Any) -> Iterator[int]:
    """Many live and finished items, committed for the length of the module. Returns the first live id."""
    with django_db_blocker.unblock():
        history.ensure("default", T0)
        try:
            with connection.cursor() as cursor:
                for load in (LOAD, FINISHED):
                    cursor.execute(load, {"count": COUNT, "at": T0})
                cursor.execute("analyze docqueue_item, docqueue_history")
            yield rows("select min(id) from docqueue_item")[0]["min"]
        finally:
            with connection.cursor() as cursor:
                cursor.execute("truncate docqueue_item, docqueue_history")
                cursor.execute("analyze docqueue_item, docqueue_history")
            connection.close()


def plan(name: str, settings: str = store.OWN_SETTINGS, **params: Any) -> Plan:
    """As in the session of a worker's duties."""
    with connection.cursor() as cursor:
        cursor.execute(settings)
        cursor.execute(EXPLAIN + store.sql(name), params)
        found = read(cursor)
        cursor.execute(store.AS_IT_CAME)
        return found


@pytest.mark.django_db
@pytest.mark.parametrize("queue", [None, "q7", "there is none"], ids=["all", "some", "none"])
def test_a_slice_reads_one_stretch_of_the_table(crowd: int, queue: str | None) -> None:
    found = parameters("discard", {"status": ["dead"], "queue": queue}, None)
    params = {**found, **FOUND, "reached": crowd + COUNT // 2, "last_id": crowd + COUNT}
    seen = plan("bulk_slice", **params)
    seen.assert_bounded(blocks=2 * STRETCH // 10, sorted_rows=SLICE)
    assert seen.indexes() == {"docqueue_item_pkey"}


@pytest.mark.django_db
@pytest.mark.parametrize("queue", [None, "q7", "there is none"], ids=["all", "some", "none"])
def test_a_slice_of_finished_items_reads_one_stretch_of_the_history(crowd: int, queue: str | None) -> None:
    found = parameters("purge", {"status": ["completed"], "queue": queue}, None)
    params = {**found, **FOUND, "reached": COUNT // 2, "last_id": COUNT}
    seen = plan("bulk_slice_finished", **params)
    assert seen.blocks <= 2 * STRETCH // 10
    scans = [n for n in seen.nodes if n["Node Type"] == "Seq Scan" and n["Actual Rows"] * n["Actual Loops"] > 0]
    assert not scans


@pytest.mark.django_db
@pytest.mark.parametrize("action", [action for action, kind in KINDS.items() if not kind.finished])
@pytest.mark.parametrize("queue", [None, "q7", "q8", "there is none"])
def test_counting_what_matches_reads_no_more_items_than_it_may_look_at(
    crowd: int, action: str, queue: str | None
) -> None:
    assert "bulk_count" in store.BY_INDEX
    found = parameters(action, {"status": list(KINDS[action].usual), "queue": queue}, None)
    seen = plan("bulk_count", store.BY_INDEX_LOCALLY, **found, stretch=5_000, now=T0)
    scans = [n for n in seen.nodes if n.get("Relation Name") == "docqueue_item"]
    read = sum((n["Actual Rows"] + n.get("Rows Removed by Filter", 0)) * n["Actual Loops"] for n in scans)
    assert read <= 5_000 + 1
    assert seen.blocks <= 5_000 + 200


@pytest.mark.django_db
@pytest.mark.parametrize("asked", [{}, {"queue": "there is none"}, {"document_id": "7"}], ids=str)
def test_counting_what_has_finished_reads_no_more_of_the_history_than_it_may_look_at(
    crowd: int, asked: dict[str, str]
) -> None:
    found = parameters("purge", {"status": ["completed"], **asked}, None)
    seen = plan("bulk_count_finished", "select 1", **found, stretch=5_000, now=T0)
    scans = [n for n in seen.nodes if str(n.get("Relation Name")).startswith("docqueue_history")]
    read = sum((n["Actual Rows"] + n.get("Rows Removed by Filter", 0)) * n["Actual Loops"] for n in scans)
    assert read <= 5_000 + 1
    assert seen.blocks <= 2_000


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("bulk_requeue", ["dead"]),
        ("cancel", ["dead"]),
        ("bulk_priority", ["pending"]),
        ("bulk_purge", ["completed"]),
    ],
)
def test_a_slice_changes_its_items_by_their_keys(crowd: int, name: str, statuses: list[str]) -> None:
    first = 1 if name == "bulk_purge" else crowd
    history.ensure("default", T0)
    ids = list(range(first + 1000, first + 2000))
    params = {"ids": ids, "statuses": statuses, "created_at": T0, "fair": False, "priority": 5, "now": T0}
    seen = plan(name, **params)
    for node in seen.nodes:
        big = node["Node Type"] == "Seq Scan" and str(node.get("Relation Name")).startswith("docqueue_")
        assert not (big and node["Actual Rows"] * node["Actual Loops"] > SLICE), node
    assert seen.blocks <= 60 * SLICE


@pytest.mark.django_db
def test_keys_are_promoted_one_by_one_also_where_the_statistics_know_of_no_holder(crowd: int) -> None:
    """As right after a bulk requeue of items with ordering keys: thousands hold one that did a second ago."""
    sql = """
        insert into docqueue_item (queue, priority, position, status, wait_reason, operation, ordering_key, holds_key,
            payload, metadata, max_attempts, timeout_seconds)
        select 'q', 0, n, case when n <= 5000 then 'pending' else 'waiting' end, case when n > 5000 then 'ordering' end,
            'test.noop', 'key' || n, n <= 5000, '{}', '{}', 5, 300
        from generate_series(1, 6000) n"""
    with connection.cursor() as cursor:
        cursor.execute(sql)
    keys = [f"key{n}" for n in range(5001, 6001)]
    seen = plan("promote_keys", keys=keys, lock_class=store.LOCK_CLASS, fair=False)
    assert max(n["Actual Rows"] * n["Actual Loops"] for n in seen.nodes) <= 10 * SLICE
