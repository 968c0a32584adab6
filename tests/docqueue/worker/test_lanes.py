"""What a worker remembers of the lanes: it never walks twice over the same items, and misses none for it."""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from docqueue import history, settling, store
from docqueue.models import Queue, QueueItem
from docqueue.service import DocumentQueueService
from docqueue.worker.lanes import FROM_THE_FRONT_SECONDS, SAMPLE_SECONDS, Lanes
from tests.docqueue.helpers import OPERATION, NewItemFactory, rows, somebody_else, until, worker
from tests.docqueue.worker.claims import INSERT, claim, explained

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> Lanes:
    """Fresh lanes that take a sample at each look."""
    monkeypatch.setattr("docqueue.worker.lanes.SAMPLE_SECONDS", 0.0)
    return Lanes("default")


def settle(lanes: Lanes) -> None:
    """Look until the floor has caught up with the hint. Other databases' transactions may hold it up for a while."""

    def caught_up() -> bool:
        lanes.look()
        lane = lanes.known["default", 0]
        return lane.floor == lane.hint >= lane.behind

    until(caught_up)


def test_samples_are_far_enough_apart_for_a_position_to_be_drawn_before_its_transaction_writes() -> None:
    assert SAMPLE_SECONDS >= 0.5
    assert FROM_THE_FRONT_SECONDS <= 60


@pytest.mark.parametrize("priorities", [[0], [50, 0, -50], [100, -100], [7, 3, 5, -1]])
@pytest.mark.parametrize("queues", [["default"], ["a", "B", "ä", "Z", "é", "zz", "_", "10", "9"]])
def test_every_lane_is_found_whatever_is_known_already(
    service: DocumentQueueService, lanes: Lanes, priorities: list[int], queues: list[str]
) -> None:
    wanted = {(queue, priority) for queue in queues for priority in priorities}
    for queue, priority in random.Random(5).sample(sorted(wanted), len(wanted)):
        service.enqueue(None, OPERATION, priority, queue=queue)
        lanes.look()
        assert (queue, priority) in lanes.known
    assert set(lanes.known) == wanted
    assert lanes.open() == sorted(queues)
    assert set(Lanes("default", serve=["a"]).known) == set()


def test_priorities_go_first_and_each_lane_in_order(service: DocumentQueueService, lanes: Lanes) -> None:
    ids = {p: [service.enqueue(None, OPERATION, p).id for _ in range(3)] for p in (0, 50, -50)}
    lanes.look()
    assert [i.id for i in claim(lanes, 4)] == [*ids[50], ids[0][0]]
    assert [i.id for i in claim(lanes, 10)] == [*ids[0][1:], *ids[-50]]
    assert lanes.open() == []


def test_a_higher_priority_that_comes_later_needs_no_look(service: DocumentQueueService, lanes: Lanes) -> None:
    for priority in (0, 50):
        service.enqueue(None, OPERATION, priority)
    lanes.look()
    assert len(claim(lanes)) == 2
    low = service.enqueue(None, OPERATION).id
    high = service.enqueue(None, OPERATION, 50).id
    assert [i.id for i in claim(lanes)] == [high, low]


def test_an_item_that_was_committed_late_is_found_by_the_next_look(service: DocumentQueueService, lanes: Lanes) -> None:
    with somebody_else() as late:
        late.execute(INSERT)
        (missed,) = late.fetchone()
        early = service.enqueue(None, OPERATION).id
        lanes.look()
        assert [i.id for i in claim(lanes)] == [early]
        late.connection.commit()
        assert claim(lanes) == [], "it lies in front of the hint"
        lanes.look()
        assert lanes.open() == ["default"]
        assert [i.id for i in claim(lanes)] == [missed]


def test_the_floor_waits_for_the_oldest_transaction_and_then_follows(
    service: DocumentQueueService, lanes: Lanes
) -> None:
    service.enqueue(None, OPERATION)
    lanes.look()
    with somebody_else() as other:
        other.execute(INSERT)
        (missed,) = other.fetchone()
        for _ in range(5):
            last = service.enqueue(None, OPERATION).id
            lanes.look()
            claim(lanes)
        lane = lanes.known["default", 0]
        position = QueueItem.objects.get(pk=last).position
        assert lane.hint == position
        assert lane.floor < position - 5, "whatever the other one does may still appear"
        other.connection.commit()
    for _ in range(4):
        lanes.look()
    assert lane.floor < QueueItem.objects.get(pk=missed).position, "nor does it pass what waits"
    assert [i.id for i in claim(lanes)] == [missed]
    settle(lanes)
    assert lane.hint == position


def test_what_a_claim_passed_over_while_it_was_locked_is_found_when_that_lock_was_given_up(
    service: DocumentQueueService, lanes: Lanes
) -> None:
    first, second = (service.enqueue(None, OPERATION).id for _ in range(2))
    with somebody_else() as other:
        other.execute("select from docqueue_item where id = %s for update", [first])
        for _ in range(4):
            lanes.look()
        assert [i.id for i in claim(lanes)] == [second]
        for _ in range(4):
            lanes.look()
    lanes.look()
    assert [i.id for i in claim(lanes)] == [first]


def test_even_the_floor_is_not_trusted_for_ever(
    service: DocumentQueueService, lanes: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        service.enqueue(None, OPERATION)
    lanes.look()
    claim(lanes)
    settle(lanes)
    item = service.enqueue(None, OPERATION).id
    QueueItem.objects.filter(pk=item).update(position=1)  # as no transaction of ours could
    lanes.look()
    assert claim(lanes) == []
    lanes._from_the_front.soon()
    lanes.look()
    assert [i.id for i in claim(lanes)] == [item]


def test_what_came_back_goes_first_and_does_not_move_the_hint(service: DocumentQueueService, lanes: Lanes) -> None:
    ids = [service.enqueue(None, OPERATION).id for _ in range(4)]
    lanes.look()
    back = claim(lanes, 3)[1:]
    for item in back:
        service.release(item)
    hint = lanes.known["default", 0].hint
    lanes.look()
    assert [i.id for i in claim(lanes, 2)] == [i.id for i in back]
    assert lanes.known["default", 0].hint == hint
    assert [i.id for i in claim(lanes)] == ids[3:]


def test_paused_queues_and_those_of_others_are_not_open(service: DocumentQueueService, lanes: Lanes) -> None:
    for queue in ("paused", "going"):
        service.enqueue(None, OPERATION, queue=queue)
    Queue.objects.create(name="paused", paused_at="2026-01-01T00:00Z")
    lanes.look()
    assert lanes.open() == ["going"]
    others = Lanes("default", exclude=["going"])
    others.look()
    assert others.open() == []
    assert lanes.stir("going")
    assert not lanes.stir("never seen")


def blocks(cursor: psycopg.Cursor[Any], name: str, **params: Any) -> int:
    """How many pages a statement touches, planned as the worker's own session does."""
    with transaction.atomic():
        cursor.execute(store.BY_INDEX_LOCALLY)
        plan = explained(cursor, name, params)
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def test_a_held_snapshot_slows_neither_claims_nor_looks(service: DocumentQueueService, lanes: Lanes) -> None:
    with somebody_else() as holder, connection.cursor() as cursor:
        holder.execute("set transaction isolation level repeatable read")
        holder.execute("select 1 from docqueue_item")
        history.ensure("default")
        me, done = worker(None), []
        for _ in range(20):
            service.enqueue_many(NewItemFactory.build_batch(500))
            lanes.look()
            step = settling.step("default", me, done, queue="default", starts=lanes.starts("default", 100), limit=500)
            lanes.claimed("default", step.claimed, 500, step.returned)
            done = [(item, None) for item in step.claimed]
            assert len(done) == 500
        lane = lanes.known["default", 0]
        settle(lanes)
        service.enqueue_many(NewItemFactory.build_batch(100))
        claim_it = {"ids": "{}", "tokens": "{}", "results": None, "worker_id": me, "token": 1, "queue": "default"}
        claim_it |= {
            "priorities": [0],
            "fronts": [None],
            "tags": [0],
            "limit": 10,
            "dependencies": False,
            "fair": False,
        }
        look = {"queues": ["default"], "priorities": [0], "worker_id": me}
        near, far = (blocks(cursor, "look", **look, floors=[floor]) for floor in (lane.floor, 0))
        assert near * 3 < far, "without the floor it walks over all that was ever claimed"
        near = blocks(cursor, "step", **claim_it, hints=[lane.hint])
        far = blocks(cursor, "step", **claim_it, hints=[0])
        assert near * 2 < far, "without the hint it does"
        assert rows("select count(*) as n from docqueue_item where status = 'in_progress'")[0]["n"] == 520
