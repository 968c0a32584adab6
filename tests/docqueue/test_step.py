"""A worker's step: completions under their fence and the next claim, in one statement."""

from __future__ import annotations

import pytest

from docqueue import settling, store
from docqueue.models import HistoryItem, QueueItem
from docqueue.service import DocumentQueueService, NewItem
from tests.docqueue.helpers import OPERATION, past, row, worker

pytestmark = pytest.mark.django_db(transaction=True)
START = settling.Starts(priorities=[0], hints=[0], fronts=[None], tags=[0])


def step(me, done=(), limit=10):
    return settling.step("default", me, done, queue="default", starts=START, limit=limit)


def test_completes_and_claims_at_once(service: DocumentQueueService):
    ids = service.enqueue_many([NewItem(operation=OPERATION) for _ in range(5)])
    me = worker(None)
    first = step(me, limit=2)
    assert [i.id for i in first.claimed] == ids[:2]
    second = step(me, [(first.claimed[1], None), (first.claimed[0], '{"pages": 3}')], limit=3)
    assert second.completed == set(ids[:2])
    assert [i.id for i in second.claimed] == ids[2:]
    assert HistoryItem.objects.get(id=ids[0]).result == {"pages": 3}
    assert past(ids[1])["result"] is None


def test_a_claim_that_is_not_the_newest_completes_nothing(service: DocumentQueueService):
    ids = service.enqueue_many([NewItem(operation=OPERATION) for _ in range(3)])
    me = worker(None)
    claimed = step(me).claimed
    stale = claimed[1]._replace(claim_token=claimed[1].claim_token ^ 1)
    found = step(me, [(claimed[0], None), (stale, None), (claimed[2], None)])
    assert found.completed == {ids[0], ids[2]}
    assert QueueItem.objects.get().status == "in_progress"
    assert step(me, [(claimed[0], None), (claimed[1], None)]).completed == {ids[1]}
    assert HistoryItem.objects.count() == 3


def test_the_follower_of_a_completed_item_is_claimed_along_with_it(service: DocumentQueueService):
    """Where its lane has nothing else: it takes the key that is let go, in the same statement."""
    first, second, third = (service.enqueue("d", OPERATION).id for _ in range(3))
    me = worker(None)
    claimed = step(me).claimed
    assert [i.id for i in claimed] == [first]
    found = step(me, [(claimed[0], None)])
    assert [(i.id, i.attempt, i.claim_no) for i in found.claimed] == [(second, 1, 1)]
    assert not found.followed
    assert (row(second)["status"], row(second)["holds_key"], row(second)["wait_reason"]) == ("in_progress", True, None)
    assert row(third)["status"] == "waiting"
    assert service.release(found.claimed[0]) == "pending"
    assert [i.id for i in step(me).claimed] == [second]


def test_a_follower_does_not_overtake_its_lane_nor_go_where_it_is_not_served(service: DocumentQueueService):
    """Then it is let go as ever: to the end of its own lane."""
    first, second = (service.enqueue("d", OPERATION).id for _ in range(2))
    other, elsewhere = (service.enqueue(d, OPERATION, queue=q).id for d, q in (("e", "default"), ("e", "other")))
    me = worker(None)
    claimed = step(me, limit=1).claimed
    found = step(me, [(claimed[0], None)], limit=1)
    assert ([i.id for i in found.claimed], found.followed) == ([other], True)
    assert row(second)["status"] == "pending"
    found = step(me, [(found.claimed[0], None)], limit=5)
    assert ([i.id for i in found.claimed], found.followed) == ([second], True)
    assert (row(elsewhere)["status"], row(first)) == ("pending", None)


def test_a_follower_with_more_rules_meets_them(service: DocumentQueueService):
    first = service.enqueue("d", OPERATION).id
    second = service.enqueue("d", OPERATION, concurrency_key="k").id
    me = worker(None)
    found = step(me, [(step(me).claimed[0], None)])
    assert (found.claimed, found.followed) == ([], True)
    assert (row(second)["status"], row(second)["slot"], row(first)) == ("pending", 1, None)


def test_the_unique_key_of_a_completed_item_is_free_again(service: DocumentQueueService):
    service.enqueue(None, OPERATION, unique_key="one")
    me = worker(None)
    step(me, [(i, None) for i in step(me).claimed])
    assert service.enqueue(None, OPERATION, unique_key="one").created


@pytest.mark.parametrize("column", ["lost_at", "stopped_at"])
def test_a_worker_whose_lease_is_gone_claims_nothing_but_may_complete(service: DocumentQueueService, column: str):
    service.enqueue_many([NewItem(operation=OPERATION) for _ in range(2)])
    me = worker(None)
    claimed = step(me, limit=1).claimed
    with store.connection("default").cursor() as cursor:
        cursor.execute(f"update docqueue_worker set {column} = now() where id = %s", [me])
    found = step(me, [(claimed[0], None)])
    assert (found.completed, found.claimed) == ({claimed[0].id}, [])
    assert QueueItem.objects.get().status == "pending"


def test_a_suspect_is_left_to_be_claimed_alone(service: DocumentQueueService):
    ids = service.enqueue_many([NewItem(operation=OPERATION) for _ in range(3)])
    QueueItem.objects.filter(id__in=ids[:2]).update(returned=True)
    QueueItem.objects.filter(id=ids[0]).update(suspect=True)
    assert [i.id for i in step(worker(None)).claimed] == ids[1:]


def test_nothing_to_do_does_nothing(service: DocumentQueueService):
    item = service.enqueue(None, OPERATION).id
    found = settling.step("default", worker(None), [])
    assert (found.completed, found.claimed, found.returned, found.followed) == (set(), [], 0, False)
    assert QueueItem.objects.get(id=item).status == "pending"
