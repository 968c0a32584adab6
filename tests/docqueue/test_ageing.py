"""Ageing: what has been pending for long rises in priority, so that nothing starves. Off unless it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from docqueue import store
from docqueue.conf import Settings, overridden
from docqueue.maintenance import STEADY, ageing, reap
from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.worker.lanes import Lanes
from tests.docqueue.helpers import OPERATION, T0, in_threads, later, row, rows, second_alias, worker
from tests.docqueue.worker.claims import claim

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ten_seconds() -> Iterator[None]:
    with overridden(AGEING_SECONDS=10):
        yield


def enqueue(service: DocumentQueueService, priority: int = 0, **options: Any) -> int:
    return service.enqueue(None, OPERATION, priority, **({"now": T0} | options)).id


def state(item_id: int) -> tuple[int, int]:
    """Its priority, and how often it was raised."""
    found = row(item_id)
    assert found is not None
    return found["priority"], found["aged"]


def test_off_by_default_it_never_changes_anything(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings().AGEING_SECONDS == 0
    item = enqueue(service)
    before = row(item)
    monkeypatch.setattr(store, "count", None)
    assert ageing.run("default", later(days=365)) == 0
    assert row(item) == before


def test_it_is_one_of_the_duties() -> None:
    assert [duty.every_seconds for duty in STEADY if duty.name == "ageing"] == [ageing.EVERY_SECONDS]


def test_an_item_rises_by_ten_for_each_period_that_it_has_been_pending(
    service: DocumentQueueService, ten_seconds: None
) -> None:
    item = enqueue(service, -5)
    assert ageing.run("default", later(9.999)) == 0
    assert ageing.run("default", later(10)) == 1
    assert state(item) == (5, 1)
    assert ageing.run("default", later(19.999)) == 0
    assert ageing.run("default", later(20)) == 1
    assert state(item) == (15, 2)
    assert [ageing.run("default", later(50)) for _ in range(5)] == [1, 1, 1, 0, 0], "a late round is made up for"
    assert state(item) == (45, 5)


def test_a_hundred_is_the_highest(service: DocumentQueueService, ten_seconds: None) -> None:
    items = [enqueue(service, priority) for priority in (100, 95, -100)]
    for _ in range(30):
        ageing.run("default", later(days=1))
    assert [state(item) for item in items] == [(100, 0), (100, 1), (100, 20)]


def test_only_what_is_pending_in_its_lane_rises(service: DocumentQueueService, ten_seconds: None) -> None:
    waiting = service.enqueue("d", OPERATION, delay_seconds=1000, now=T0).id
    running = service.mark_in_progress(enqueue(service), now=T0)
    service.release(back := service.mark_in_progress(enqueue(service), now=T0), now=T0)
    dead = service.mark_in_progress(enqueue(service), now=T0)
    service.move_to_dead(dead, "no", now=T0)
    before = rows("select * from docqueue_item order by id")
    assert ageing.run("default", later(500)) == 0
    assert rows("select * from docqueue_item order by id") == before
    assert {waiting, running.id, back.id, dead.id} == {r["id"] for r in before}


def test_who_asked_for_a_later_start_has_been_waiting_since_then(
    service: DocumentQueueService, ten_seconds: None
) -> None:
    item = enqueue(service, delay_seconds=100)
    service.requeue(item, now=later(95))
    assert ageing.run("default", later(109)) == 0
    assert ageing.run("default", later(110)) == 1


def test_those_that_rise_keep_their_order_behind_those_that_are_there(
    service: DocumentQueueService, ten_seconds: None
) -> None:
    low = [enqueue(service, -10, now=later(n / 100)) for n in range(5)]
    there = enqueue(service, 0, now=later(5))
    assert ageing.run("default", later(10.02)) == 3
    assert [item.id for item in service.get_pending_items()] == [there, *low]


def test_every_lane_of_every_queue_is_looked_at_and_in_slices(
    service: DocumentQueueService, ten_seconds: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ageing, "SLICE", 3)
    for queue in ("a", "B", "ä", "default"):
        for priority in (50, 0, -7, -100, 100):
            service.enqueue_many(
                [NewItem(operation=OPERATION, queue=queue, priority=priority) for _ in range(2)], now=T0
            )
    assert ageing.run("default", later(10)) == 4 * 4 * 2
    assert {r["aged"] for r in rows("select aged from docqueue_item where priority < 100")} == {1}
    monkeypatch.setattr(ageing, "MOST_SLICES", 2)
    assert ageing.run("default", later(20)) == 6, "no round takes for ever"


HIGH, LOW, PERIOD = 50, -50, 10
BOUND = (HIGH - LOW) // 10 * PERIOD + ageing.EVERY_SECONDS  # who comes later goes behind


@pytest.mark.parametrize("each_second", [1, 2])
@pytest.mark.parametrize("on", [True, False])
def test_with_a_steady_stream_above_it_a_low_item_starts_in_bounded_time_and_without_ageing_never(
    service: DocumentQueueService, on: bool, each_second: int
) -> None:
    """One can be run each second; where two of high priority come, the crowd before the low one only grows."""
    low = enqueue(service, LOW)
    me, started, before = worker(T0, 100_000), None, []
    with overridden(AGEING_SECONDS=PERIOD if on else 0):
        for second in range(1, 2 * int(BOUND) + 10):
            at = later(second)
            service.enqueue_many([NewItem(operation=OPERATION, priority=HIGH) for _ in range(each_second)], now=at)
            if second % ageing.EVERY_SECONDS == 0:
                ageing.run("default", at)
            [claimed] = service.claim(1, worker=me, now=at)
            service.mark_completed(claimed, now=at)
            if claimed.id == low:
                started = second
                break
            before.append(claimed.enqueued_at)
    if on:
        assert max(before) <= later(BOUND)
        assert started is not None
        assert started <= each_second * BOUND + 1
    else:
        assert started is None
        assert state(low) == (LOW, 0)


def test_a_worker_finds_a_raised_item_behind_the_place_that_it_has_reached(
    service: DocumentQueueService, ten_seconds: None
) -> None:
    """With its old position it would be passed over until a look finds it."""
    lanes = Lanes("default")
    low = enqueue(service, -10)
    other = enqueue(service, 10, now=later(5))
    enqueue(service, 0, now=later(5))
    lanes.look()
    assert len(claim(lanes, 2)) == 2
    old = QueueItem.objects.get(pk=low).position
    assert old is not None
    assert old < lanes.known["default", 0].hint
    assert ageing.run("default", later(10)) == 1
    assert row(other)["status"] == "in_progress"  # type: ignore[index]
    QueueItem.objects.filter(pk=low).update(position=old)
    assert claim(lanes) == [], "this is what the new position is for"
    new = store.run("default", "look", {"queues": [], "priorities": [], "floors": [], "worker_id": 0})
    drawn = next(number for kind, _, _, number in new if kind == "drawn")
    QueueItem.objects.filter(pk=low).update(position=drawn)
    assert [item.id for item in claim(lanes)] == [low]


def test_a_lane_that_a_worker_did_not_know_is_found_by_its_next_look(
    service: DocumentQueueService, ten_seconds: None
) -> None:
    lanes = Lanes("default")
    low = enqueue(service, -10)
    lanes.look()
    ageing.run("default", later(10))
    assert claim(lanes) == []
    lanes.look()
    assert [item.id for item in claim(lanes)] == [low]


def test_one_that_was_raised_by_a_transaction_that_committed_late_is_found_by_the_next_look(
    service: DocumentQueueService, ten_seconds: None
) -> None:
    lanes = Lanes("default")
    low = enqueue(service, -10)
    with second_alias() as other, transaction.atomic(using=other):
        ageing.run(other, later(10))
        above = enqueue(service, now=later(9))
        lanes.look()
        assert [item.id for item in claim(lanes)] == [above]
    assert claim(lanes) == []
    lanes.look()
    assert [item.id for item in claim(lanes)] == [low]


def test_what_somebody_is_just_claiming_is_left_alone(service: DocumentQueueService, ten_seconds: None) -> None:
    mine, others = enqueue(service), enqueue(service)
    with second_alias() as other, transaction.atomic(using=other):
        DocumentQueueService(other).mark_in_progress(mine, now=T0)
        assert ageing.run("default", later(10)) == 1
    assert (state(mine), state(others)) == ((0, 0), (10, 1))


def test_a_crowd_that_is_raised_by_many_and_claimed_by_many_is_raised_and_claimed_once_each(
    service: DocumentQueueService, ten_seconds: None
) -> None:
    ids = service.enqueue_many([NewItem(operation=OPERATION, priority=-10) for _ in range(600)], now=T0)
    me = worker(T0, 100_000)
    claimed: list[int] = []

    def work(n: int) -> None:
        for _ in range(20):
            if n % 2:
                ageing.run("default", later(10))
            else:
                claimed.extend(item.id for item in service.claim(7, worker=me, now=later(10)))

    in_threads(6, work)
    assert len(claimed) == len(set(claimed)) > 0
    assert set(claimed) <= set(ids)
    assert len(claimed) + len(rows("select 1 from docqueue_item where status = 'pending'")) == 600
    ageing.run("default", later(10))
    found = rows("select status, aged, priority from docqueue_item where status = 'pending' group by 1, 2, 3")
    assert found == [{"status": "pending", "aged": 1, "priority": 0}]


def test_a_rise_stays_through_retries(service: DocumentQueueService, ten_seconds: None) -> None:
    item = enqueue(service)
    ageing.run("default", later(10))
    service.mark_failed(service.mark_in_progress(item, now=later(11)), "no", retry_after=1, now=later(11))
    reap.run("default", later(12))
    assert state(item) == (10, 1)
