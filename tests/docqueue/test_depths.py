"""Depths: exact up to a bound, by index; above it the last full count, with its age, wherever it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from docqueue import explaining, history, stats, store
from docqueue.admin import queues
from docqueue.maintenance import depths
from docqueue.models import Depth, QueueItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status, WaitReason
from tests.docqueue.helpers import OPERATION, STATES, T0, in_state, in_threads, later
from tests.docqueue.test_plans import Plan, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> int:
    """Five items are deep here."""
    monkeypatch.setattr(stats, "DEEP", 5)
    return 5


def pending(service: DocumentQueueService, number: int, queue: str = "default") -> None:
    service.enqueue_many([NewItem(operation=OPERATION, ordering_key=None, queue=queue) for _ in range(number)], now=T0)


def depth(service: DocumentQueueService, seconds: float, name: str = "pending") -> tuple[int, str]:
    counts = service.get_queue_stats(now=later(seconds)).queues["default"]
    return getattr(counts, name), counts.in_words(name)


def test_up_to_the_bound_a_depth_is_exact_and_above_it_the_last_full_count_is_told_with_its_age(service, bound):
    pending(service, 4)
    assert depth(service, 0) == (4, "4")
    pending(service, 1234)
    assert depth(service, 0) == (5, "≥ 5"), "nobody has counted yet"
    assert depths.run("default", T0) == 1
    pending(service, 1)
    assert depth(service, 180) == (1238, "about 1,238, counted 3 min ago")
    assert service.get_queue_stats(now=later(180)).queues["default"].counted_seconds_ago == {"pending": 180.0}
    assert service.get_queue_stats(now=later(180)).total.pending == 1238


def test_a_full_count_is_made_of_every_kind_of_item(service, bound):
    for status, reason in STATES:
        for _ in range(6 if status is not Status.WAITING or reason is WaitReason.RETRY else 1):
            in_state(service, status, reason, queue="a")
    found = stats.depths("default", T0)["a"]
    assert set(found.counted_seconds_ago) == {"pending", "in_progress", "failed", "waiting", "retrying"}
    assert depths.run("default", T0) == 5
    told = stats.depths("default", T0)["a"]
    live = QueueItem.objects.filter(queue="a")
    waiting = live.filter(status=Status.WAITING)
    assert (told.pending, told.in_progress, told.failed) == (
        *(live.filter(status=status).count() for status in (Status.PENDING, Status.IN_PROGRESS, Status.DEAD)),
    )
    assert told.retrying == waiting.filter(wait_reason=WaitReason.RETRY).count()
    assert told.waiting == waiting.exclude(wait_reason=WaitReason.RETRY).count()


def test_what_came_back_to_the_front_counts_as_pending(service, bound):
    pending(service, 7)
    for claim in service.claim(3, now=T0):
        service.release(claim, now=T0)
    depths.run("default", T0)
    assert depth(service, 0)[0] == 7


def test_a_count_is_made_once_in_about_a_minute_and_forgotten_when_the_queue_is_not_deep_any_more(service, bound):
    pending(service, 9)
    assert [depths.run("default", later(seconds)) for seconds in (0, 20, 60)] == [1, 0, 1]
    QueueItem.objects.all().delete()
    pending(service, 2)
    assert depths.run("default", later(120)) == 0
    assert not Depth.objects.exists()
    assert depth(service, 130) == (2, "2")


@pytest.mark.django_db(transaction=True)
def test_workers_that_count_at_once_agree_and_a_moment_later_none_counts_again(service, bound):
    pending(service, 9)
    assert sum(in_threads(4, lambda _n: depths.run("default", T0))) >= 1
    assert Depth.objects.get().number == 9
    assert in_threads(3, lambda _n: depths.run("default", later(1))) == [0, 0, 0]


def test_the_forgetting_leaves_the_marks_of_the_totals_alone(service):
    Depth.objects.create(queue="", status="finished", number=0, counted_at=T0)
    depths.run("default", T0)
    assert Depth.objects.count() == 1


def test_the_commands_mark_what_was_not_counted_now_and_say_how_old_it_is(service, bound):
    pending(service, 1234)
    out = StringIO()
    call_command("queue_stats", stdout=out)
    assert "≥5" in out.getvalue()
    assert "default: pending ≥ 5" in out.getvalue()
    depths.run("default")
    out = StringIO()
    call_command("queue_stats", stdout=out)
    assert "~1234" in out.getvalue()
    assert "default: pending about 1,234, counted 0 s ago" in out.getvalue()
    out = StringIO()
    call_command("queue_stats", "--json", stdout=out)
    told = json.loads(out.getvalue())["queues"]["default"]
    assert (told["pending"], list(told["counted_seconds_ago"])) == (1234, ["pending"])


def test_the_live_table_says_so_too(service, bound, capsys):
    pending(service, 1234)
    depths.run("default")
    call_command("queue_top", "--once")
    assert "default: pending about 1,234, counted 0 s ago" in capsys.readouterr().out


def test_the_admins_page_of_queues_says_so_too(service, bound):
    pending(service, 1234)
    (row,) = queues.rows("default")
    assert row.pending == "≥ 5"
    depths.run("default")
    (row,) = queues.rows("default")
    assert row.pending == "about 1,234, counted 0 s ago"


def test_queues_are_found_wherever_their_items_are(service):
    for number, (status, reason) in enumerate(STATES):
        in_state(service, status, reason, queue=f"q{number:02d}")
    found = stats.depths("default", T0)
    live = [f"q{n:02d}" for n, (s, _) in enumerate(STATES) if s not in (Status.COMPLETED, Status.CANCELLED)]
    assert sorted(found) == live


def test_the_oldest_is_found_behind_the_front_of_any_lane(service):
    service.enqueue("d", OPERATION, priority=50, now=later(30))
    claim = service.mark_in_progress(service.enqueue("e", OPERATION, priority=-50, now=T0), now=later(40))
    assert stats.depths("default", later(60))["default"].oldest_due_seconds == 30
    service.release(claim, now=later(50))
    assert stats.depths("default", later(60))["default"].oldest_due_seconds == 60


# -- how they are counted ----------------------------------------------------------------------------------------

LOAD = """
insert into docqueue_item (queue, priority, position, status, wait_reason, operation, payload, metadata, max_attempts,
    timeout_seconds, ordering_key, died_at, worker_id, claim_token)
select 'q' || n %% 2, n %% 3, n, k.status, k.reason, 'o', '{"page": 1}', '{}', 5, 300, 'k' || n, now(), n, n
from generate_series(1, %(number)s) n cross join (values
    ('pending', null), ('waiting', 'retry'), ('waiting', 'dependency'), ('waiting', 'ordering'), ('dead', null)
) as k (status, reason)
"""


@pytest.fixture
def crowd(transactional_db: None) -> Iterator[int]:
    """So many of each kind, vacuumed."""
    number = 20_000
    with connection.cursor() as cursor:
        cursor.execute("alter table docqueue_item set (autovacuum_enabled = false)")
        cursor.execute(LOAD, {"number": number})
        cursor.execute("vacuum (analyze) docqueue_item")
    yield number
    with connection.cursor() as cursor:
        cursor.execute("truncate docqueue_item")
        cursor.execute("alter table docqueue_item reset (autovacuum_enabled)")
        cursor.execute("analyze docqueue_item")


def explain(name: str, **params: Any) -> Plan:
    with connection.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute(store.BY_INDEX_LOCALLY)
        cursor.execute("explain (analyze, buffers, format json) " + store.sql(name), {"now": None, **params})
        plan = read(cursor)
        cursor.execute("rollback")
    return plan


def items(plan: Plan, kind: str) -> list[dict[str, Any]]:
    return [n for n in plan.nodes if n.get("Relation Name") == "docqueue_item" and n["Node Type"] == kind]


@pytest.mark.parametrize("limit", [100, 5_000])
def test_depths_are_counted_in_indexes_alone_and_no_further_than_the_bound(crowd, limit):
    plan = explain("stats_live", limit=limit, reasons=stats.OTHER_REASONS)
    plan.assert_bounded(blocks=1_500 + limit // 5, sorted_rows=1_000)
    counted = items(plan, "Index Only Scan")
    assert {n["Index Name"] for n in counted} == {"docqueue_item_lane", "docqueue_item_aside"}
    assert sum(n["Heap Fetches"] for n in counted) == 0
    assert all(n["Actual Rows"] <= limit for n in counted)
    looked_at = {n["Index Name"]: n["Actual Rows"] for n in items(plan, "Index Scan")}
    assert set(looked_at) <= {"docqueue_item_lane", "docqueue_item_returned", "docqueue_item_held"}
    assert looked_at["docqueue_item_lane"] <= 100, "the fronts of the lanes"
    assert not items(plan, "Seq Scan")
    assert not items(plan, "Bitmap Heap Scan")


@pytest.mark.parametrize("kind", ["pending", "dead", "waiting", "retrying"])
def test_a_full_count_reads_an_index_alone(crowd, kind):
    params = {"queue": "q0", "kind": kind, "reasons": stats.OTHER_REASONS, "fresh": 45.0}
    plan = explain("count_depth", **params, lock_class=store.LOCK_CLASS)
    done = [n for n in plan.nodes if n.get("Relation Name") == "docqueue_item" and n["Actual Loops"]]
    assert {n["Node Type"] for n in done} <= {"Index Only Scan", "Index Scan"}
    assert [n["Index Name"] for n in done if n["Node Type"] == "Index Scan"] in ([], ["docqueue_item_returned"])
    plan.assert_bounded(blocks=1_000, sorted_rows=0)


def test_places_in_a_deep_lane_are_counted_up_to_the_bound(crowd, service, monkeypatch):
    monkeypatch.setattr("docqueue.waits.FAR", 1_000)
    monkeypatch.setattr("docqueue.explaining.FAR", 1_000)
    for priority, place in ((2, True), (0, False)):
        item = QueueItem.objects.filter(status=Status.PENDING, queue="q0", priority=priority).order_by("position")[9]
        assert (explaining._place_in_lane("default", item) == 10) is place


def test_no_claim_writes_into_the_index_over_what_no_claim_looks_at(crowd):
    with connection.cursor() as cursor:
        cursor.execute("select pg_get_indexdef('docqueue_item_aside'::regclass)")
        (text,) = cursor.fetchone()
    assert "in_progress" not in text
    assert "pending" not in text


PAST = """
insert into docqueue_history (id, queue, priority, status, operation, payload, metadata, attempt, max_attempts, crashes,
    enqueued_at, finished_at, claim_no)
select n, 'q' || n %% 3, 0, 'completed', 'o', '{"page": 1}', '{}', 1, 5, 0, %(now)s,
    %(now)s - make_interval(secs => n), 1
from generate_series(1, 60000) n
"""


@pytest.fixture
def past(transactional_db: None) -> Iterator[None]:
    """A history of a second an item, compared with the totals up to a minute ago."""
    history.forget()
    history.ensure("default", T0 - timedelta(hours=12))
    history.ensure("default", T0)
    with connection.cursor() as cursor:
        cursor.execute(PAST, {"now": T0})
        cursor.execute("vacuum (analyze) docqueue_history")
    for mark in ("finished", "audited"):
        Depth.objects.create(queue="", status=mark, number=0, counted_at=T0 - timedelta(seconds=60))
    yield
    with connection.cursor() as cursor:
        cursor.execute("truncate docqueue_history")
        cursor.execute("analyze docqueue_history")


def history_rows(plan: Plan) -> float:
    found = [n for n in plan.nodes if str(n.get("Relation Name")).startswith("docqueue_history_")]
    assert "Seq Scan" not in {n["Node Type"] for n in found if n["Actual Loops"]}
    return sum(n["Actual Rows"] * n["Actual Loops"] for n in found)


def test_of_the_history_only_what_was_not_compared_yet_is_counted(past):
    plan = explain("stats_finished", limit=100_000, now=T0)
    assert history_rows(plan) == 60
    plan.assert_bounded(blocks=400)
    assert history_rows(explain("stats_finished", limit=10, now=T0)) == 11, "and no further than the bound"


def test_a_compare_reads_its_own_hour_of_the_history(past):
    seen = T0 - timedelta(seconds=60)
    params = {"mark": "finished", "seen": seen, "lo": seen, "hi": T0, "edge": 5.0, "pause": 0.0, "now": T0}
    plan = explain("compare_finished", **params)
    assert history_rows(plan) == 65
    plan.assert_bounded(blocks=600)
    assert history_rows(explain("compare_finished", **params | {"seen": T0})) == 0, "somebody else has moved the mark"
