"""How PostgreSQL runs the hot statements over 130,000 and a million live items: by index, touching few pages.

With statistics that fit, with those of the empty table (as right after a bulk load), and without any; as a caller's
session plans them, and as a worker's own session does, once for all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from docqueue import history, outcomes, store
from docqueue.states import Status
from tests.docqueue.helpers import T0, rows

pytestmark = pytest.mark.django_db

COUNTS = {
    "pending": 100_000,
    "later": 10_000,
    "line": 18_000,
    "keys": 4_500,
    "running": 2_000,
    "workers": 20,
    "dead": 1_000,
}
MILLION = {name: count * 8 for name, count in COUNTS.items()} | {"workers": 20, "running": 2_000}
STATISTICS = ("fit", "of the empty table", "missing")

LOAD = """
insert into docqueue_item (queue, priority, position, status, wait_reason, operation, document_id, ordering_key,
    holds_key, payload, metadata, max_attempts, timeout_seconds, next_retry_at, worker_id, claim_token, died_at)
select 'q' || n %% 3, n %% 5 - 2, n, 'pending', null, 'test.noop', n, null, false,
    '{"page": 1}'::jsonb, '{}'::jsonb, 5, 300, null::timestamptz, null::bigint, null::bigint, null::timestamptz
from generate_series(1, %(pending)s) n
union all
select 'q0', 0, null, 'waiting', 'delayed', 'test.noop', n, null, false,
    '{}', '{}', 5, 300, now() + make_interval(secs => n - %(later)s / 2), null, null, null
from generate_series(1, %(later)s) n
union all
select 'q0', 0, case when n <= %(keys)s / 2 then n end, case when n <= %(keys)s / 2 then 'pending' else 'waiting' end,
    case when n > %(keys)s / 2 then 'ordering' end, 'test.noop', n, 'key' || n %% %(keys)s, n <= %(keys)s / 2,
    '{}', '{}', 5, 300, null, null, null, null
from generate_series(1, %(line)s) n
union all
select 'q1', 0, n, 'in_progress', null, 'test.noop', n, null, false,
    '{}', '{}', 5, 300, null, n %% %(workers)s + 1, n, null
from generate_series(1, %(running)s) n
union all
select 'q2', 0, n, 'dead', null, 'test.noop', n, null, false, '{}', '{}', 5, 300, null, null, null, now()
from generate_series(1, %(dead)s) n
"""
WORKER_ROWS = """
insert into docqueue_worker (id, name, kind, hostname, pid, queues, processes, started_at, heartbeat_at,
    lease_expires_at, lost_at, info)
select n, 'w', 'worker', 'h', 1, '{}', 1, now(), now(), now() + interval '1 hour',
    case when n <= 2 then now() end, '{}'
from generate_series(1, %(workers)s) n
"""
FORGET = """
select pg_clear_relation_stats(current_schema(), 'docqueue_item');
select pg_clear_attribute_stats(current_schema(), 'docqueue_item', attname, false)
from pg_attribute where attrelid = 'docqueue_item'::regclass and attnum > 0
"""


@pytest.fixture(
    scope="module",
    params=[
        *(pytest.param((COUNTS, kind), id=f"130,000, statistics {kind}") for kind in STATISTICS),
        *(
            pytest.param((MILLION, kind), id=f"a million, statistics {kind}", marks=pytest.mark.slow)
            for kind in STATISTICS
        ),
    ],
)
def crowd(request, django_db_setup, django_db_blocker) -> Iterator[dict[str, int]]:
    """The rows, committed for the length of the module; how many there are."""
    counts, statistics = request.param
    with django_db_blocker.unblock():
        try:
            with connection.cursor() as cursor:
                cursor.execute("analyze docqueue_item")
                cursor.execute("alter table docqueue_item set (autovacuum_enabled = false)")
                cursor.execute(WORKER_ROWS, counts)
                cursor.execute(LOAD, counts)
                if statistics == "fit":
                    cursor.execute("analyze docqueue_item")
                elif statistics == "missing":
                    if connection.pg_version < 180000:
                        pytest.skip("needs pg_clear_relation_stats")
                    cursor.execute(FORGET)
            yield counts
        finally:
            with connection.cursor() as cursor:
                cursor.execute("truncate docqueue_item, docqueue_worker")
                cursor.execute("alter table docqueue_item reset (autovacuum_enabled)")
                cursor.execute("analyze docqueue_item")
            connection.close()


class Plan:
    """What EXPLAIN ANALYZE said about one statement."""

    def __init__(self, top: dict[str, Any]) -> None:
        self.nodes = list(self._walk(top))
        self.blocks = top["Shared Hit Blocks"] + top["Shared Read Blocks"]

    def _walk(self, node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for child in node.get("Plans", []):
            yield from self._walk(child)

    def assert_bounded(self, blocks: int, sorted_rows: int = 1000) -> None:
        for node in self.nodes:
            where = f"{node['Node Type']} on {node.get('Relation Name')}"
            assert (node["Node Type"], node.get("Relation Name")) != ("Seq Scan", "docqueue_item"), where
            if "Sort" in node["Node Type"]:
                fed = sum(child["Actual Rows"] * child["Actual Loops"] for child in node["Plans"])
                assert fed <= sorted_rows, f"{where} of {fed} rows"
        assert self.blocks <= blocks, f"{self.blocks} pages touched"

    def loops(self, table: str) -> int:
        """How often the table was read."""
        return sum(node["Actual Loops"] for node in self.nodes if node.get("Relation Name") == table)

    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}


EXPLAIN = "explain (analyze, buffers, format json) "


UNUSED = {"fair": False, "dependencies": False}


def explain(name: str, **params: Any) -> Plan:
    with connection.cursor() as cursor:
        if name in store.BY_INDEX:
            cursor.execute(store.BY_INDEX_LOCALLY)  # as `store.run` does
        cursor.execute(EXPLAIN + store.sql(name), {"now": None, "lock_class": store.LOCK_CLASS, **UNUSED, **params})
        return read(cursor)


def explain_prepared(name: str, **params: Any) -> Plan:
    """As in a session of a worker's own: the plan that it makes once, for whatever parameters come."""
    text = store.sql(name)
    given = {key: value for key, value in {"now": None, **UNUSED, **params}.items() if f"%({key})s" in text}
    numbers = {key: f"${n}" for n, key in enumerate(given, 1)}
    text = re.sub(r"%\((\w+)\)s", lambda found: numbers[found[1]], text).replace("%%", "%")
    with connection.cursor() as cursor:
        cursor.execute(store.OWN_SETTINGS)  # the test's rollback takes them back
        cursor.execute(f"prepare hot as {text}")
        cursor.execute(f"{EXPLAIN} execute hot({', '.join(['%s'] * len(given))})", list(given.values()))
        plan = read(cursor)
        cursor.execute("deallocate hot")
        return plan


def read(cursor: Any) -> Plan:
    found = cursor.fetchone()[0]
    return Plan((json.loads(found) if isinstance(found, str) else found)[0]["Plan"])


EXPLAINS = pytest.mark.parametrize("explain", [explain, explain_prepared], ids=["caller's session", "own session"])


def step(plans: Any, count: int, done: int, **more: Any) -> Plan:
    """A worker's step in the lanes of a queue that has all the priorities."""
    history.ensure("default", T0)
    ended = running(done)
    params = {"ids": store.numbers(i for i, _ in ended), "tokens": store.numbers(t for _, t in ended), "results": None}
    starts = {"priorities": [2, 1, 0, -1, -2], "hints": [0] * 5, "fronts": [None] * 5, "tags": [0] * 5}
    params |= {"worker_id": 5, "token": 1, "queue": "q1", "limit": count, **starts, "now": T0}
    plan: Plan = plans("step", **params | more)
    return plan


@EXPLAINS
@pytest.mark.parametrize("count", [1, 100, 1000])
def test_a_step_reads_what_it_completes_and_the_front_of_its_lanes(crowd, explain, count):
    plan = step(explain, count, count)
    plan.assert_bounded(blocks=300 + 60 * count, sorted_rows=count)
    assert {"docqueue_item_lane", "docqueue_item_returned", "docqueue_item_pkey"} <= plan.indexes()
    assert plan.loops("docqueue_dependency") == 0, "nothing comes after others: nobody asks what comes after these"


@EXPLAINS
def test_a_step_of_a_deep_lane_starts_at_its_front(crowd, explain):
    fronts = {"priorities": [0], "hints": [crowd["pending"] - 2000], "fronts": ["docqueue_front_1"], "tags": [7]}
    step(explain, 100, 0, **fronts).assert_bounded(blocks=6_000, sorted_rows=0)


@EXPLAINS
def test_a_look_reads_one_row_a_lane(crowd, explain):
    lanes = [(queue, priority) for queue in ("q0", "q1") for priority in (2, 0, -2)]
    params = {
        "queues": [q for q, _ in lanes],
        "priorities": [p for _, p in lanes],
        "floors": [crowd["pending"] // 2] * 6,
        "worker_id": 0,
    }
    plan = explain("look", **params)
    plan.assert_bounded(blocks=400, sorted_rows=50)
    explain("look", queues=[], priorities=[], floors=[], worker_id=0).assert_bounded(blocks=100, sorted_rows=10)


def running(count: int) -> list[tuple[int, int]]:
    """Items in progress under living workers, with their fences."""
    sql = (
        "select id, claim_token from docqueue_item where status = 'in_progress' and worker_id > 2 order by id limit %s"
    )
    return [(r["id"], r["claim_token"]) for r in rows(sql, [count])]


def test_a_claim_reads_the_front_of_its_lane_in_order_and_sorts_nothing(crowd):
    plan = explain("claim", worker_id=5, token=1, limit=100, queue="q1")
    plan.assert_bounded(blocks=4_000, sorted_rows=0)
    assert {"docqueue_item_lane", "docqueue_item_returned"} <= plan.indexes()


def test_a_claim_of_one_item_touches_few_pages(crowd):
    explain("claim", worker_id=5, token=1, limit=1, queue="q1").assert_bounded(blocks=100, sorted_rows=0)


def test_a_claim_of_a_suspect_reads_only_what_was_returned(crowd):
    plan = explain("claim_suspect", worker_id=5, token=1, queues=["q0", "q1", "q2"])
    plan.assert_bounded(blocks=100, sorted_rows=10)


def test_a_claim_by_id_reads_one_row(crowd):
    item_id = rows("select id from docqueue_item where status = 'pending' limit 1")[0]["id"]
    explain("claim_one", worker_id=5, token=1, item_id=item_id).assert_bounded(blocks=150, sorted_rows=0)


def test_the_lanes_are_found_by_a_walk_from_queue_to_queue(crowd):
    explain("lane_queues").assert_bounded(blocks=100, sorted_rows=10)


@pytest.mark.parametrize("count", [1, 100, 1000])
def test_a_completion_reads_its_own_items_only(crowd, count):
    done = running(count)
    params = {"ids": [i for i, _ in done], "tokens": [t for _, t in done], "results": [None] * count}
    history.ensure("default", T0)
    plan = explain("complete", **params, now=T0)
    plan.assert_bounded(blocks=200 + 25 * count, sorted_rows=count)


@pytest.mark.parametrize("count", [1, 100])
def test_a_settlement_reads_its_own_items_only(crowd, count):
    made = [outcomes.bare_row(i, t, outcomes.Released()) for i, t in running(count)]
    plan = explain("settle", rows=json.dumps(made))
    plan.assert_bounded(blocks=200 + 40 * count, sorted_rows=count)


def test_what_a_worker_holds_is_read_by_its_index(crowd):
    plan = explain("held", worker_id=5)
    plan.assert_bounded(blocks=150, sorted_rows=0)
    assert plan.indexes() == {"docqueue_item_held"}


def test_the_reaper_reads_only_what_lost_workers_hold(crowd):
    plan = explain("reap", limit=1000, max_crashes=3)
    plan.assert_bounded(blocks=200 + 40 * crowd["running"] * 2 // crowd["workers"], sorted_rows=crowd["running"])
    assert "docqueue_item_held" in plan.indexes()


FROM_THE_FRONT = {"window": None, "after": None, "after_id": 0, "retries": True}


@EXPLAINS
@pytest.mark.parametrize("retries", [True, False], ids=["all", "without retries"])
def test_the_promoter_reads_only_what_is_due(crowd, explain, retries):
    plan = explain("promote_due", limit=1000, **FROM_THE_FRONT | {"retries": retries})
    plan.assert_bounded(blocks=40_000, sorted_rows=crowd["later"])
    assert "docqueue_item_due" in plan.indexes()


def test_a_round_of_the_promoter_with_nothing_due_touches_next_to_nothing(crowd):
    plan = explain("promote_due", limit=1000, now="2020-01-01 00:00+00", **FROM_THE_FRONT)
    plan.assert_bounded(blocks=50, sorted_rows=0)


def test_a_frequent_round_of_the_promoter_reads_only_what_has_just_become_due(crowd):
    """One item a second becomes due in the crowd, and thousands are overdue."""
    for more in ({"after": None, "after_id": 0}, {"after": rows("select now() as now")[0]["now"], "after_id": 2**62}):
        plan = explain("promote_due", limit=1000, window=10.0, retries=True, **more)
        plan.assert_bounded(blocks=1_500, sorted_rows=100)
        assert "docqueue_item_due" in plan.indexes()


def test_the_heads_of_free_keys_are_found_by_index(crowd):
    free = [f"key{n}" for n in range(crowd["keys"] // 2 + 1, crowd["keys"] // 2 + 501)]
    plan = explain("promote_keys", keys=[*free, *(f"key{n}" for n in range(1, 501))])
    plan.assert_bounded(blocks=30_000)
    assert {"docqueue_item_holds_key", "docqueue_item_line"} <= plan.indexes()


def test_keys_in_line_are_found_by_a_walk_from_key_to_key_not_over_the_items(crowd):
    plan = explain("waiting_keys", after="", limit=1000)
    plan.assert_bounded(blocks=5_000, sorted_rows=0)
    assert plan.indexes() == {"docqueue_item_line"}


def test_whether_anybody_waits_for_a_rule_is_seen_at_the_front_of_its_line(crowd):
    plan = explain("waiting_reasons")
    plan.assert_bounded(blocks=50, sorted_rows=0)
    lines = {"line", "slot_line", "limited", "tenant_line"}
    assert {f"docqueue_item_{name}" for name in lines} <= plan.indexes()


def test_what_is_to_be_cancelled_is_found_without_a_look_at_what_a_worker_holds(crowd):
    plan = explain("cancel_asked", worker_id=5)
    plan.assert_bounded(blocks=20, sorted_rows=0)
    assert plan.indexes() == {"docqueue_item_cancelling"}


def test_an_ordered_enqueue_probes_its_key_only(crowd):
    columns = {"queue": "q0", "priority": 0, "operation": "test.noop", "document_id": "d", "ordering_key": "key1"}
    columns |= {"unique_key": None, "payload": "{}", "metadata": "{}", "max_attempts": 5, "timeout_seconds": 60}
    plan = explain("enqueue_ordered", **columns, run_after=None, wake=True)
    plan.assert_bounded(blocks=200, sorted_rows=0)


def test_the_status_of_an_item_is_read_by_its_key(crowd):
    item_id = rows("select max(id) as id from docqueue_item")[0]["id"]
    explain("status", item_id=item_id).assert_bounded(blocks=60, sorted_rows=0)


@pytest.mark.parametrize("status", [Status.PENDING, Status.IN_PROGRESS, Status.DEAD])
def test_one_item_is_cancelled_by_its_key(crowd, status):
    item_id = rows("select max(id) as id from docqueue_item where status = %s", [status])[0]["id"]
    history.ensure("default", T0)
    states = ["waiting", "pending", "in_progress", "dead"]
    plan = explain("cancel", ids=[item_id], statuses=states, created_at=None, now=T0)
    plan.assert_bounded(blocks=200, sorted_rows=1)


def test_the_crowd_is_as_large_as_it_says(crowd):
    found = {r["status"]: r["n"] for r in rows("select status, count(*) as n from docqueue_item group by 1")}
    assert sum(found.values()) >= 130_000
    assert set(found) == {Status.PENDING, Status.WAITING, Status.IN_PROGRESS, Status.DEAD}


def test_no_statement_of_a_session_of_our_own_is_compiled():
    """Where jit is on, what is switched off would look dear enough for it."""
    with connection.cursor() as cursor:
        cursor.execute("set jit = on")
        cursor.execute(store.OWN_SETTINGS)
        cursor.execute("show jit")
        assert cursor.fetchone() == ("off",)
        cursor.execute("reset jit")
        cursor.execute(store.BY_INDEX_LOCALLY)
        cursor.execute("show jit")
        assert cursor.fetchone() == ("off",)
