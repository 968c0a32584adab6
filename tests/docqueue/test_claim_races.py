"""Claims on real connections at once: none twice, none lost, and the loser of a race changes nothing."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from django.db import connection, transaction

from docqueue import claiming, store
from docqueue.admission import due
from docqueue.exceptions import AlreadyClaimed, LeaseLost
from docqueue.maintenance import reap
from docqueue.models import HistoryItem, QueueItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from tests.docqueue.helpers import (
    OPERATION,
    Gate,
    NewItemFactory,
    all_well,
    everything,
    in_background,
    in_threads,
    past,
    row,
    rows,
    second_alias,
    stopped_at_gate,
    until,
    waiting_for,
    worker,
)

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 12


def test_twelve_threads_claim_five_thousand_items_none_twice_none_lost(service):
    ids = service.enqueue_many([NewItemFactory(priority=n % 7) for n in range(5000)])
    deliveries = Counter()

    def work(n: int) -> list[tuple[int, int]]:
        mine, got = worker(None, 600), []
        while claims := service.claim(random.Random(n).choice([1, 7, 40, 100]), worker=mine):
            got += [(c.id, c.worker_id) for c in claims]
        assert all(owner == mine for _, owner in got)
        return got

    for got in in_threads(THREADS, work):
        deliveries.update(item_id for item_id, _ in got)
    assert deliveries == Counter(ids)
    assert rows("select status, count(*) as n, max(claim_no) as most from docqueue_item group by 1") == [
        {"status": "in_progress", "n": 5000, "most": 1}
    ]


def test_threads_that_claim_fail_release_and_complete_finish_each_item_once(service):
    ids = service.enqueue_many(NewItemFactory.build_batch(600, max_attempts=1000))

    def work(n: int) -> list[int]:
        dice, mine, done = random.Random(n), worker(None, 600), []
        while all_well.is_set() and QueueItem.objects.exists():
            for claim in service.claim(dice.choice([1, 5, 25]), worker=mine):
                match dice.choice(["complete"] * 6 + ["release", "fail"]):
                    case "complete":
                        service.mark_completed(claim)
                        done.append(claim.id)
                    case "release":
                        service.release(claim)
                    case "fail":
                        service.mark_failed(claim, "again", retry_after=0)
            due.promote_all("default")
        return done

    finished = Counter(item_id for done in in_threads(8, work) for item_id in done)
    assert finished == Counter(ids)
    assert Counter(HistoryItem.objects.values_list("id", flat=True)) == Counter(ids)


def test_of_many_callers_that_want_one_item_exactly_one_gets_it(service):
    for _ in range(5):
        item = service.enqueue("d", OPERATION, ordering_key=None)

        def take(n: int, item=item) -> int | None:
            try:
                return service.mark_in_progress(item).claim_token
            except AlreadyClaimed:
                return None

        tokens = [t for t in in_threads(8, take) if t is not None]
        assert tokens == [row(item.id)["claim_token"]]
        assert rows("select count(*) as n from docqueue_worker where lost_at is null")[0]["n"] == 1
        service.cancel(item.id)
        reap.run("default", rows("select now() + interval '1 hour' as t")[0]["t"])


def test_a_claim_never_waits_for_an_item_that_somebody_else_is_taking(service):
    first, second = service.enqueue_many(NewItemFactory.build_batch(2))
    with second_alias() as other, transaction.atomic(using=other):
        assert [c.id for c in DocumentQueueService(other).claim(1)] == [first]
        got = in_background(lambda: service.claim(10)).result(5)
        assert [c.id for c in got] == [second]
        with pytest.raises(AlreadyClaimed):
            in_background(lambda: service.mark_in_progress(first)).result(5)


def test_a_claim_that_rolls_back_gives_the_item_back_with_its_attempt(service):
    [item_id] = service.enqueue_many([NewItemFactory()])
    with transaction.atomic():
        [lost] = service.claim(1)
        transaction.set_rollback(True)
    [mine] = service.claim(1)
    assert (mine.id, mine.attempt, mine.claim_no) == (item_id, 1, 1)
    assert mine.claim_token != lost.claim_token, "the same number must not be a fence twice"
    with pytest.raises(LeaseLost):
        service.mark_completed(lost)


def test_an_item_taken_and_given_back_between_snapshot_and_lock_is_not_claimed_from_the_lane(service):
    """The lane's look is old by then: the item is at the front now, and the next claim takes it there."""
    [item_id] = service.enqueue_many([NewItemFactory()])
    mine = worker(None, 600)
    params = {"worker_id": mine, "token": 5, "limit": Gate(10), "queue": "default", "now": None}
    with stopped_at_gate(lambda: store.run("default", "claim", params)) as claim:
        service.release(service.mark_in_progress(item_id))
    assert claim.result() == []
    assert [c.claim_no for c in service.claim(1)] == [2]


def test_an_item_completed_between_snapshot_and_lock_is_not_claimed(service):
    [item_id] = service.enqueue_many([NewItemFactory()])
    params = {"worker_id": worker(None, 600), "token": 5, "limit": Gate(10), "queue": "default", "now": None}
    with stopped_at_gate(lambda: store.run("default", "claim", params)) as claim:
        service.mark_completed(service.mark_in_progress(item_id))
    assert claim.result() == []
    assert past(item_id)["claim_no"] == 1


def test_of_a_completion_and_a_reap_at_once_one_wins_and_the_other_changes_nothing(service):
    future = rows("select now() + interval '1 hour' as t")[0]["t"]
    for _ in range(10):
        service.enqueue("d", OPERATION, ordering_key=None)
        [claim] = service.claim(1, worker=worker(None, 30))

        def race(n: int, claim=claim) -> str:
            if n:
                return f"reaped {reap.run('default', future)}"
            try:
                service.mark_completed(claim)
            except LeaseLost:
                return "lost"
            return "completed"

        outcomes = set(in_threads(2, race))
        assert outcomes in ({"completed", "reaped 0"}, {"lost", "reaped 1"})
        assert (past(claim.id) is None) == ("lost" in outcomes)
        assert (row(claim.id) is None) == ("completed" in outcomes)
        if row(claim.id):
            service.cancel(claim.id)


def test_of_a_completion_and_a_cancel_at_once_the_item_ends_in_one_state(service):
    for _ in range(10):
        item = service.enqueue("d", OPERATION, ordering_key=None, unique_key="u")
        claim = service.mark_in_progress(item)

        def race(n: int, claim=claim) -> object:
            try:
                return service.cancel(claim.id) if n else service.mark_completed(claim)
            except Exception as error:  # noqa: BLE001 - its class is the answer
                return error.code

        done, cancelled = in_threads(2, race)
        assert done is None, "asking for a cancel does not take the claim away"
        assert cancelled in (Status.IN_PROGRESS, "illegal_transition")
        assert past(claim.id)["status"] == "completed"
        assert rows("select * from docqueue_key") == []


def test_two_requeues_at_once_requeue_once(service):
    item = service.enqueue("d", OPERATION, ordering_key=None)
    service.move_to_dead(service.mark_in_progress(item), "no")

    def requeue(n: int) -> str:
        try:
            return str(service.requeue(item, by=f"person {n}").status)
        except Exception as error:  # noqa: BLE001 - its class is the answer
            return error.code

    assert sorted(in_threads(2, requeue)) == ["illegal_transition", "pending"]
    assert len(everything(item.id)["audit"]) == 1


def test_a_requeue_that_waited_for_another_sees_what_that_one_left(service):
    """It must judge the row that it has locked, not the one of its snapshot: the item is not dead any more."""
    item = service.enqueue("d", OPERATION, ordering_key=None, max_attempts=2)
    for _ in range(2):
        service.mark_failed(service.mark_in_progress(item), "no", retry_after=0)
        due.promote_all("default")
    assert row(item.id)["status"] == "dead"
    with second_alias() as other:
        with transaction.atomic(using=other):
            DocumentQueueService(other).requeue(item, delay_seconds=60, reset_attempts=False)
            second = in_background(lambda: service.requeue(item))
            until(lambda: waiting_for("transactionid"))
        assert second.result().status is Status.PENDING
    assert row(item.id)["attempt"] == 2, "only a dead item's attempts are reset"


def test_a_settlement_that_waited_for_a_cancel_leads_to_cancelled(service):
    item = service.enqueue("d", OPERATION, ordering_key=None)
    claim = service.mark_in_progress(item)
    with second_alias() as other:
        with transaction.atomic(using=other):
            DocumentQueueService(other).cancel(item)
            failing = in_background(lambda: service.mark_failed(claim, "no"))
            until(lambda: waiting_for("transactionid"))
        assert failing.result() is Status.CANCELLED
    assert past(item.id)["status"] == "cancelled"


def test_a_suspect_is_given_to_one_claimer_only(service):
    service.enqueue_many(NewItemFactory.build_batch(3))
    service.claim(3, worker=worker(None, 0.001))
    assert reap.run("default", rows("select now() + interval '1 hour' as t")[0]["t"]) == 3
    alive = worker(None, 10_000)
    got = in_threads(8, lambda n: claiming.claim_suspect("default", alive, ["default"]))
    taken = [c.id for c in got if c is not None]
    assert len(taken) == len(set(taken))
    assert sorted(taken) == sorted(QueueItem.objects.filter(status="in_progress").values_list("id", flat=True))


def test_bulk_settlements_in_any_order_do_not_deadlock(service):
    """Two batches over the same items, in opposite orders, against a reaper: locks are taken in id order."""
    from docqueue import outcomes, settling

    service.enqueue_many(NewItemFactory.build_batch(200))
    claims = service.claim(200, worker=worker(None, 600))

    def work(n: int) -> int:
        mine = claims if n % 2 else claims[::-1]
        if n < 2:
            return len(settling.complete("default", [(c, None) for c in mine]))
        return len(settling.settle("default", [(c, outcomes.Released()) for c in mine]))

    assert sum(in_threads(4, work)) == 200
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from docqueue_item where status = 'in_progress'")
        assert cursor.fetchone() == (0,)
