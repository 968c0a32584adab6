"""At most so many items of a concurrency key run at once, whoever asks, whatever dies."""

from __future__ import annotations

import threading

import pytest
from django.db import connections

from docqueue.exceptions import InvalidOption
from docqueue.handlers import forget, handler
from docqueue.maintenance import promote, reap
from docqueue.models import QueueItem
from docqueue.rules import Rules
from docqueue.service import DocumentQueueService, NewItem
from tests.docqueue.helpers import OPERATION, T0, in_threads, later, row, worker

pytestmark = pytest.mark.django_db(transaction=True)


def enqueue(service: DocumentQueueService, count: int, limit: int = 1, key: str = "printer", **more) -> list[int]:
    options = {"concurrency_key": key, "concurrency_limit": limit, "now": T0, **more}
    return [service.enqueue(None, OPERATION, **options).id for _ in range(count)]


def states(ids: list[int]) -> list[str]:
    return [row(i)["status"] if QueueItem.objects.filter(pk=i).exists() else "gone" for i in ids]


def test_only_as_many_as_the_limit_are_pending_or_run(service):
    ids = enqueue(service, 5, limit=2)
    assert states(ids) == ["pending", "pending", "waiting", "waiting", "waiting"]
    assert [row(i)["wait_reason"] for i in ids[2:]] == ["concurrency"] * 3
    first, second = service.claim(10, now=T0)
    assert states(ids)[2:] == ["waiting"] * 3
    service.mark_completed(first, now=T0)
    assert states(ids) == ["gone", "in_progress", "pending", "waiting", "waiting"], "its end lets the next one go"
    service.move_to_dead(second, "no", now=T0)
    assert states(ids)[3] == "pending", "a dead one has no slot"


def test_a_slot_is_kept_by_what_was_released_or_reaped_and_given_back_by_what_backs_off(service):
    ids = enqueue(service, 2)
    [claim] = service.claim(10, now=T0)
    service.release(claim, now=T0)
    assert states(ids) == ["pending", "waiting"]
    [claim] = service.claim(10, worker=worker(T0), now=T0)
    reap.run("default", later(3600))
    assert (claim.id, states(ids)) == (ids[0], ["pending", "waiting"])
    service.mark_failed(service.mark_in_progress(ids[0], now=T0), "no", retry_after=60, now=T0)
    assert states(ids) == ["waiting", "pending"], "nothing of it runs meanwhile"
    promote.run("default", later(61))
    assert row(ids[0])["wait_reason"] == "concurrency", "its time has come, and it waits for a slot like any other"
    service.cancel(ids[1], now=T0)
    assert row(ids[0])["status"] == "pending"


def test_priority_comes_first_among_those_that_wait_for_a_slot(service):
    ids = enqueue(service, 1) + enqueue(service, 1, priority=-10) + enqueue(service, 1, priority=10)
    service.mark_completed(service.mark_in_progress(ids[0], now=T0), now=T0)
    assert states(ids) == ["gone", "waiting", "pending"]


def test_many_at_once_and_items_of_other_keys_are_not_held_up(service):
    def rules(key: str) -> Rules:
        return Rules(concurrency_key=key, concurrency_limit=3)

    items = [NewItem(operation=OPERATION, rules=rules(f"k{n % 2}")) for n in range(20)]
    ids = service.enqueue_many([*items, NewItem(operation=OPERATION)], now=T0)
    assert [s for s in states(ids) if s == "pending"] == ["pending"] * 7
    assert row(ids[-1])["status"] == "pending"


def test_an_ordering_key_and_a_concurrency_key_go_together(service):
    ids = [
        service.enqueue(document, OPERATION, concurrency_key="k", concurrency_limit=1, now=T0).id
        for document in ("a", "a", "b")
    ]
    assert [row(i)["wait_reason"] for i in ids] == [None, "ordering", "concurrency"]
    service.mark_completed(service.mark_in_progress(ids[0], now=T0), now=T0)
    promote.run("default", T0)
    assert sorted(states(ids)) == ["gone", "pending", "waiting"]
    assert {row(i)["wait_reason"] for i in ids[1:]} == {None, "concurrency"}


def test_a_handler_can_limit_its_operation(service):
    @handler("test.narrow", concurrency_limit=2)
    def narrow(ctx):
        return None

    try:
        ids = [service.enqueue(None, "test.narrow", now=T0).id for _ in range(3)]
        assert states(ids) == ["pending", "pending", "waiting"]
        assert [row(i)["slot_key"] for i in ids] == ["test.narrow"] * 3
        assert states(service.enqueue_many([NewItem(operation="test.narrow")], now=T0)) == ["waiting"]
    finally:
        forget("test.narrow")


@pytest.mark.parametrize("limit", [0, -1, 1.0, True, 1001])
def test_a_wrong_limit_is_refused(service, limit):
    with pytest.raises(InvalidOption):
        service.enqueue(None, OPERATION, concurrency_key="k", concurrency_limit=limit)
    with pytest.raises(InvalidOption):
        service.enqueue(None, OPERATION, concurrency_limit=1)


def test_what_an_event_missed_the_promoter_finds(service):
    ids = enqueue(service, 3)
    QueueItem.objects.filter(pk=ids[0]).delete()  # by hand: nobody tells
    assert promote.run("default", T0) == 1
    assert states(ids)[1:] == ["pending", "waiting"]


def test_ten_workers_and_promoters_never_run_more_than_the_limit_at_once(service):
    """Real connections: claims, ends, failures and promoters in a crowd; what runs is counted inside."""
    ids = [i for key in ("a", "b") for i in enqueue(service, 100, limit=3, key=key)]
    lock, running, most, done = threading.Lock(), {"a": 0, "b": 0}, {"a": 0, "b": 0}, set()
    key_of = {item.pk: item.slot_key for item in QueueItem.objects.all()}

    def work(number: int) -> None:
        mine = DocumentQueueService()
        me = worker()
        while len(done) < len(ids):
            promote.run("default")
            for claim in mine.claim(2, worker=me):
                key = key_of[claim.id]
                with lock:
                    running[key] += 1
                    most[key] = max(most[key], running[key])
                assert mine.get_status(claim.id) == "in_progress"  # it takes a while
                with lock:
                    running[key] -= 1
                if claim.attempt == 1 and claim.id % 7 == 0:
                    mine.mark_failed(claim, "once", retry_after=0)
                else:
                    mine.mark_completed(claim)
                    done.add(claim.id)
        connections.close_all()

    in_threads(10, work)
    assert done == set(ids)
    assert max(most.values()) <= 3
    assert max(most.values()) > 1, "or nothing was shown"
