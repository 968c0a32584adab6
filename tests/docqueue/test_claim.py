"""Taking items: in order, with a fresh fence, and only what is there to be taken."""

from __future__ import annotations

import pytest

from docqueue import claiming
from docqueue.exceptions import AlreadyClaimed, LeaseLost
from docqueue.maintenance import reap
from docqueue.models import Queue, QueueItem, Worker
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, T0, NewItemFactory, in_state, later, row, worker

pytestmark = pytest.mark.django_db


def enqueue(service, *priorities: int, **options) -> list[int]:
    return service.enqueue_many([NewItemFactory(priority=p, **options) for p in priorities or [0]], now=T0)


def test_an_empty_queue_gives_an_empty_list_and_leaves_no_lease_row(service):
    assert service.claim(10) == []
    assert not Worker.objects.exists()


def test_higher_priority_first_then_in_order_of_arrival(service):
    low, high, normal, high_too = enqueue(service, -50, 50, 0, 50)
    assert [c.id for c in service.claim(10, now=T0)] == [high, high_too, normal, low]


def test_a_claim_of_less_than_there_is_takes_the_highest_priorities(service):
    low, high, normal, high_too = enqueue(service, -50, 50, 0, 50)
    assert [[c.id for c in service.claim(2, now=T0)] for _ in range(2)] == [[high, high_too], [normal, low]]


def test_no_more_than_the_limit_is_claimed(service):
    ids = enqueue(service, *[0] * 10)
    assert [c.id for c in service.claim(3, now=T0)] == ids[:3]
    assert [c.id for c in service.claim(3, now=T0)] == ids[3:6]
    assert QueueItem.objects.filter(status="pending").count() == 4


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_claims_nothing(service, limit):
    enqueue(service)
    assert service.claim(limit) == []
    assert not Worker.objects.exists()


def test_a_claim_says_all_that_a_handler_needs(service):
    new = service.enqueue(
        "d", OPERATION, 5, payload={"a": [1]}, metadata={"u": 2}, queue="q", max_attempts=3, timeout_seconds=9, now=T0
    )
    mine = worker(T0)
    [claim] = service.claim(1, worker=mine, now=later(5))
    assert (claim.id, claim.document_id, claim.ordering_key, claim.operation) == (new.id, "d", "d", OPERATION)
    assert (claim.payload, claim.metadata, claim.queue, claim.priority) == ({"a": [1]}, {"u": 2}, "q", 5)
    assert (claim.attempt, claim.max_attempts, claim.crashes, claim.timeout_seconds) == (1, 3, 0, 9)
    assert (claim.enqueued_at, claim.claimed_at, claim.worker_id, claim.claim_no) == (T0, later(5), mine, 1)
    stored = row(new.id)
    assert (stored["claim_token"], stored["worker_id"], stored["claimed_at"]) == (claim.claim_token, mine, later(5))


def test_each_claim_of_an_item_has_a_new_number_and_token(service):
    enqueue(service)
    claims = []
    for _ in range(3):
        [claim] = service.claim(1, now=T0)
        service.release(claim, now=T0)
        claims.append(claim)
    assert [c.claim_no for c in claims] == [1, 2, 3]
    assert len({c.claim_token for c in claims}) == 3
    assert {c.attempt for c in claims} == {1}, "a release gives the attempt back"


def test_a_released_item_comes_before_the_lane_whatever_its_priority(service):
    low, high = enqueue(service, -100, 100)
    claim = service.mark_in_progress(low, now=T0)
    service.release(claim, now=T0)
    assert [c.id for c in service.claim(1, now=T0)] == [low]
    assert [c.id for c in service.claim(1, now=T0)] == [high]


def test_only_the_queues_asked_for_are_served(service):
    [a], [b] = enqueue(service, queue="a"), enqueue(service, queue="b")
    assert [c.id for c in service.claim(10, queues=["b", "c"], now=T0)] == [b]
    assert [c.id for c in service.claim(10, now=T0)] == [a]


def test_a_caller_of_several_queues_starves_none(service):
    for queue in "abc":
        enqueue(service, *[0] * 100, queue=queue)
    served = [service.claim(1, now=T0)[0].queue for _ in range(60)]
    assert set(served) == {"a", "b", "c"}


def test_a_paused_queue_gives_nothing_until_it_goes_on(service):
    enqueue(service, 0, 0, queue="a")
    Queue.objects.create(name="a", paused_at=T0)
    assert service.claim(10) == []
    assert claiming.lanes("default") == []
    Queue.objects.update(paused_at=None)
    assert len(service.claim(10)) == 2


def test_lanes_say_where_there_is_something_to_claim(service):
    for name in ("c", "a", "b"):
        enqueue(service, *[0] * 3, queue=name)
    enqueue(service, delay_seconds=60, queue="later")
    assert [(lane.queue, lane.plain, lane.suspect) for lane in claiming.lanes("default")] == [
        ("a", True, False),
        ("b", True, False),
        ("c", True, False),
    ]
    assert [lane.queue for lane in claiming.lanes("default", ["b", "z"])] == ["b"]
    assert [lane.queue for lane in claiming.lanes("default", exclude=["b"])] == ["a", "c"]


def test_lanes_tell_plain_items_from_suspects(service):
    enqueue(service, queue="a")
    service.claim(1, worker=worker(T0), now=T0)
    reap.run("default", later(31))
    assert [(lane.queue, lane.plain, lane.suspect) for lane in claiming.lanes("default")] == [("a", False, True)]
    enqueue(service, queue="a")
    assert [(lane.plain, lane.suspect) for lane in claiming.lanes("default")] == [(True, True)]


def test_a_released_item_alone_makes_its_lane_plain(service):
    enqueue(service)
    [claim] = service.claim(1, now=T0)
    service.release(claim, now=T0)
    assert [(lane.plain, lane.suspect) for lane in claiming.lanes("default")] == [(True, False)]


def test_a_caller_without_a_worker_gets_suspects_too_first_and_alone(service):
    """Where only such callers work, an item whose caller died must not wait for ever for a worker."""
    enqueue(service, 0, 0)
    lost = service.claim(1, lease_seconds=30, now=T0)[0]
    reap.run("default", later(31))
    [found] = service.claim(10, now=later(32))
    assert (found.id, found.suspect) == (lost.id, True)
    assert len(service.claim(10, now=later(32))) == 1


# -- mark_in_progress and the caller's lease ---------------------------------------------------------------------


def test_a_chosen_item_is_claimed_with_a_lease_row_of_its_own(service):
    first, second = enqueue(service, 0, 0)
    claim = service.mark_in_progress(second, now=T0)
    assert claim.id == second
    [lease] = Worker.objects.all()
    assert (lease.id, lease.kind, lease.lease_expires_at) == (claim.worker_id, "caller", later(300))
    assert row(first)["status"] == "pending"


def test_the_item_may_be_given_as_an_object(service):
    enqueue(service)
    [item] = service.get_pending_items(1)
    assert service.mark_in_progress(item, now=T0).id == item.id


def test_the_length_of_the_lease_is_the_callers_choice(service, settings):
    settings.DOCQUEUE = {"CALLER_LEASE_SECONDS": 77.0}
    first, second = enqueue(service, 0, 0)
    default, chosen = service.mark_in_progress(first, now=T0), service.mark_in_progress(second, lease_seconds=5, now=T0)
    assert Worker.objects.get(pk=default.worker_id).lease_expires_at == later(77)
    assert Worker.objects.get(pk=chosen.worker_id).lease_expires_at == later(5)


def test_a_heartbeat_renews_the_callers_lease(service):
    [item_id] = enqueue(service)
    claim = service.mark_in_progress(item_id, lease_seconds=30, now=T0)
    service.heartbeat(claim, 60, now=later(20))
    assert reap.run("default", later(79)) == 0
    assert reap.run("default", later(81)) == 1
    with pytest.raises(LeaseLost):
        service.heartbeat(claim, now=later(82))


@pytest.mark.parametrize("end", ["mark_completed", "release"])
def test_the_lease_row_goes_with_the_callers_last_item(service, end):
    enqueue(service, 0, 0)
    first, second = service.claim(2, now=T0)
    assert first.worker_id == second.worker_id
    getattr(service, end)(first, now=T0)
    assert Worker.objects.count() == 1
    getattr(service, end)(second, now=T0)
    assert not Worker.objects.exists()


def test_a_workers_row_does_not_go_with_its_last_item(service):
    enqueue(service)
    [claim] = service.claim(1, worker=worker(T0), now=T0)
    service.mark_completed(claim, now=T0)
    assert Worker.objects.count() == 1


def test_the_second_of_two_callers_gets_already_claimed(service):
    [item_id] = enqueue(service)
    service.mark_in_progress(item_id, now=T0)
    with pytest.raises(AlreadyClaimed, match=f"Item {item_id} is not pending") as caught:
        service.mark_in_progress(item_id, now=T0)
    assert (caught.value.status, caught.value.hint) == (409, "Go on with the next item.")
    assert Worker.objects.count() == 1


def test_an_unknown_item_can_not_be_claimed(service):
    with pytest.raises(AlreadyClaimed):
        service.mark_in_progress(10**9)


# -- get_pending_items -------------------------------------------------------------------------------------------


def test_a_look_at_the_pending_items_claims_nothing_and_shows_the_order_of_claims(service):
    low, high, normal = enqueue(service, -50, 50, 0)
    in_state(service, Status.DEAD)
    assert [i.id for i in service.get_pending_items()] == [high, normal, low]
    assert [i.id for i in service.get_pending_items(2)] == [high, normal]
    assert {row(i)["status"] for i in (low, high, normal)} == {"pending"}
    assert [c.id for c in service.claim(10, now=T0)] == [high, normal, low]


def test_pending_items_can_be_asked_for_by_queue(service):
    enqueue(service, queue="a")
    [b] = enqueue(service, queue="b")
    assert [i.id for i in service.get_pending_items(queue="b")] == [b]
