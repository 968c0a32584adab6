"""One ordering key: never two at once, in order of their ids, and nobody waits for anybody's transaction."""

from __future__ import annotations

import random
import threading
from collections import defaultdict

import pytest
from django.db import connection, transaction

from docqueue import store
from docqueue.admission import ordering
from docqueue.maintenance import promote, reap
from docqueue.models import HistoryItem, QueueItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status
from tests.docqueue.helpers import (
    OPERATION,
    T0,
    Gate,
    in_background,
    in_threads,
    later,
    past,
    row,
    rows,
    second_alias,
    stopped_at_gate,
    worker,
)

pytestmark = pytest.mark.django_db(transaction=True)


def line(service, count: int = 3, key: str = "k", **options) -> list[int]:
    return [service.enqueue(key, OPERATION, now=T0, **options).id for _ in range(count)]


def states(ids: list[int]) -> list[str]:
    return [(row(i) or past(i))["status"] for i in ids]


def take(service, now=T0):
    [claim] = service.claim(1, now=now)
    return claim


def test_the_first_of_a_key_is_pending_and_the_others_wait_for_it(service):
    ids = line(service)
    assert states(ids) == ["pending", "waiting", "waiting"]
    assert [row(i)["holds_key"] for i in ids] == [True, False, False]
    assert {row(i)["wait_reason"] for i in ids[1:]} == {"ordering"}


def test_items_of_a_key_start_one_after_another_in_order_of_their_ids(service):
    ids = line(service, 5)
    started = []
    while claims := service.claim(10, now=T0):
        [claim] = claims
        started.append(claim.id)
        service.mark_completed(claim, now=T0)
    assert started == ids


def test_the_order_is_that_of_ids_even_when_priorities_differ(service):
    low = service.enqueue("k", OPERATION, "low", now=T0).id
    high = service.enqueue("k", OPERATION, "high", now=T0).id
    assert [c.id for c in service.claim(10, now=T0)] == [low]
    assert row(high)["status"] == "waiting"


def test_other_keys_do_not_wait(service):
    ids = [line(service, 1, key)[0] for key in "abc"]
    assert [c.id for c in service.claim(10, now=T0)] == ids


@pytest.mark.parametrize("pause", ["retry", "snooze", "release", "reap"])
def test_a_head_that_comes_back_holds_its_followers(service, pause):
    ids = line(service)
    claim = take(service)
    match pause:
        case "retry":
            service.mark_failed(claim, "x", retry_after=60, now=T0)
        case "snooze":
            service.snooze(claim, 60, now=T0)
        case "release":
            service.release(claim, now=T0)
        case "reap":
            assert reap.run("default", later(301)) == 1
    promote.run("default", later(30))
    assert row(ids[0])["holds_key"]
    assert states(ids[1:]) == ["waiting", "waiting"]
    promote.run("default", later(60))
    claim = take(service, later(400))
    assert claim.id == ids[0]
    service.mark_completed(claim, now=later(401))
    assert states(ids) == ["completed", "pending", "waiting"]


@pytest.mark.parametrize("end", ["complete", "dead", "cancel pending", "cancel running", "discard"])
def test_an_end_lets_the_next_one_start_at_once(service, end):
    ids = line(service)
    match end:
        case "complete":
            service.mark_completed(take(service), now=T0)
        case "dead":
            service.move_to_dead(take(service), "x", now=T0)
        case "cancel pending":
            service.cancel(ids[0], now=T0)
        case "cancel running":
            claim = take(service)
            service.cancel(claim.id, now=T0)
            assert states(ids)[1] == "waiting"
            service.release(claim, now=T0)
        case "discard":
            service.move_to_dead(take(service), "x", now=T0)
            service.discard(ids[0], now=T0)
    assert states(ids)[1:] == ["pending", "waiting"]
    assert take(service).id == ids[1]


def test_cancelling_one_in_the_middle_of_the_line_changes_nobodys_turn(service):
    ids = line(service)
    service.cancel(ids[1], now=T0)
    assert states(ids) == ["pending", "cancelled", "waiting"]
    service.mark_completed(take(service), now=T0)
    assert states(ids) == ["completed", "cancelled", "pending"]


def test_a_dead_head_lets_the_others_pass_and_takes_its_turn_again_when_requeued(service):
    ids = line(service)
    service.move_to_dead(take(service), "x", now=T0)
    answer = service.requeue(ids[0], now=T0)
    assert (answer.status, answer.wait_reason) == (Status.WAITING, "ordering")
    service.mark_completed(take(service), now=T0)
    assert states(ids) == ["pending", "completed", "waiting"], "its id is the lowest in line"


def test_a_requeued_item_whose_key_is_free_is_promoted_at_once(service):
    [item_id] = line(service, 1)
    service.move_to_dead(take(service), "x", now=T0)
    service.requeue(item_id, now=T0)
    assert (states([item_id]), row(item_id)["holds_key"]) == (["pending"], True)


def test_a_delayed_item_does_not_hold_its_key_and_joins_the_line_when_due(service):
    delayed = service.enqueue("k", OPERATION, delay_seconds=60, now=T0).id
    now_due = service.enqueue("k", OPERATION, now=T0).id
    assert states([delayed, now_due]) == ["waiting", "pending"]
    promote.run("default", later(60))
    assert (row(delayed)["status"], row(delayed)["wait_reason"]) == ("waiting", "ordering")
    service.mark_completed(take(service), now=later(61))
    assert states([delayed]) == ["pending"]


def test_a_head_in_backoff_that_is_let_run_now_keeps_its_key(service):
    ids = line(service, 2)
    service.mark_failed(take(service), "x", retry_after=3600, now=T0)
    assert service.requeue(ids[0], now=T0).status is Status.PENDING
    assert (row(ids[0])["holds_key"], states(ids)) == (True, ["pending", "waiting"])


# -- nobody waits ------------------------------------------------------------------------------------------------


def key_of_the_same_slot(key: str) -> str:
    sql = "select k from (select 'k' || n as k from generate_series(1, 100000) n) x where k <> %s and hashtext(k) & 1023 = hashtext(%s) & 1023 limit 1"
    return rows(sql, [key, key])[0]["k"]


@pytest.mark.parametrize("same", ["key", "slot"])
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_an_enqueue_never_waits_for_an_open_transaction_and_is_promoted_afterwards(service, same, end):
    key = "k" if same == "key" else key_of_the_same_slot("k")
    with second_alias() as other:
        with transaction.atomic(using=other):
            theirs = DocumentQueueService(other).enqueue("k", OPERATION)
            assert theirs.status is Status.PENDING
            mine = in_background(lambda: service.enqueue(key, OPERATION)).result(5)
            assert (mine.status, mine.wait_reason) == (Status.WAITING, "ordering")
            assert in_background(lambda: promote.run("default")).result(5) == 0
            transaction.set_rollback(end == "rollback", using=other)
    promoted = promote.run("default")
    if same == "key" and end == "commit":
        assert (promoted, states([mine.id])) == (0, ["waiting"])
        service.mark_completed(service.mark_in_progress(theirs))
    assert states([mine.id]) == ["pending"]


def test_an_enqueue_does_not_wait_for_an_open_completion(service):
    line(service, 1)
    with second_alias() as other, transaction.atomic(using=other):
        there = DocumentQueueService(other)
        there.mark_completed(there.claim(1)[0])
        mine = in_background(lambda: service.enqueue("k", OPERATION)).result(5)
        assert mine.status is Status.WAITING
    promote.run("default")
    assert states([mine.id]) == ["pending"]


def test_after_its_own_commit_a_contended_enqueue_tries_again_by_itself(service):
    """Only another key of the same hash slot was in the way, and it is gone by the time the caller commits."""
    with second_alias() as other:
        theirs = transaction.atomic(using=other)
        theirs.__enter__()
        DocumentQueueService(other).enqueue("k", OPERATION)
        with transaction.atomic():
            mine = service.enqueue(key_of_the_same_slot("k"), OPERATION)
            assert mine.status is Status.WAITING
            theirs.__exit__(None, None, None)
        assert states([mine.id]) == ["pending"]


def test_a_key_taken_between_snapshot_and_lock_sends_the_enqueue_into_the_line(service):
    from docqueue import validation

    columns = validation.columns(NewItem(document_id="k", operation=OPERATION))
    params = columns | {"lock_class": Gate(store.LOCK_CLASS), "now": None}
    with stopped_at_gate(lambda: store.run("default", "enqueue_ordered", params)) as enqueue:
        head = service.enqueue("k", OPERATION)
    [(late, status, reason, contended)] = enqueue.result()
    assert (status, reason, contended) == ("waiting", "ordering", True)
    assert states([head.id, late]) == ["pending", "waiting"]


def test_a_promoter_that_comes_second_changes_nothing_and_does_not_fail(service):
    """Between its look and its lock another one promoted the head, which ended: the second in line is not skipped."""
    ids = service.enqueue_many([NewItem(document_id="held", operation=OPERATION)] * 3)
    params = {"keys": ["held"], "lock_class": Gate(store.LOCK_CLASS)}
    service.cancel(ids[0])
    with connection.cursor() as cursor:
        cursor.execute("update docqueue_item set holds_key = false where ordering_key = 'held'")
    assert states(ids) == ["cancelled", "pending", "waiting"]
    with stopped_at_gate(lambda: store.run("default", "promote_keys", params)) as promoting:
        service.mark_completed(service.mark_in_progress(ids[1]))
    assert promoting.result() == []
    assert states(ids) == ["cancelled", "completed", "pending"]


def test_a_conflict_on_one_key_does_not_fail_the_others_of_its_slice(service, monkeypatch):
    """The key was taken between snapshot and lock: the unique index refuses the slice, each key is tried alone."""
    line(service, 1, "taken")
    free = service.enqueue_many([NewItem(document_id=k, operation=OPERATION) for k in ("taken", "free", "also")])
    with connection.cursor() as cursor:
        cursor.execute("update docqueue_item set status = 'waiting' where false")
    real, calls = store.run, []

    def conflicting(using, name, params):
        if name == "promote_keys" and "taken" in params["keys"]:
            calls.append(params["keys"])
            with connection.cursor() as cursor:
                cursor.execute("update docqueue_item set holds_key = true where id = %s", [free[0]])
        return real(using, name, params)

    monkeypatch.setattr(store, "run", conflicting)
    assert ordering.promote("default", ["taken", "unknown"]) == 0
    assert calls == [["taken", "unknown"], ["taken"]]


# -- crowds ------------------------------------------------------------------------------------------------------


class Overlap:
    """Notices when two items of one key are in hand at once, and in which order they were started."""

    def __init__(self) -> None:
        self.busy: dict[str, int] = {}
        self.started: dict[str, list[int]] = defaultdict(list)
        self.faults: list[str] = []
        self._lock = threading.Lock()

    def start(self, claim) -> None:
        with self._lock:
            if claim.ordering_key in self.busy:
                self.faults.append(f"{claim.id} started while {self.busy[claim.ordering_key]} ran")
            self.busy[claim.ordering_key] = claim.id
            self.started[claim.ordering_key].append(claim.id)

    def end(self, claim) -> None:
        with self._lock:
            if self.busy.pop(claim.ordering_key, None) != claim.id:
                self.faults.append(f"{claim.id} ended and was not the one that ran")


def settle_somehow(service, claim, dice: random.Random) -> None:
    match dice.choice(["complete"] * 6 + ["fail", "dead", "release", "snooze", "cancel"]):
        case "complete":
            service.mark_completed(claim)
        case "fail":
            service.mark_failed(claim, "x", retry_after=0)
        case "dead":
            service.move_to_dead(claim, "x")
        case "release":
            service.release(claim)
        case "snooze":
            service.snooze(claim, 0)
        case "cancel":
            service.cancel(claim.id)
            service.release(claim)


def test_twenty_threads_on_a_few_keys_never_run_two_items_of_one_key_at_once(service):
    watch, keys = Overlap(), [f"key-{n}" for n in range(5)]

    def work(n: int) -> None:
        dice, mine, idle = random.Random(n), worker(None, 600), 0
        for _ in range(12):
            service.enqueue(dice.choice(keys), OPERATION, max_attempts=100)
        while QueueItem.objects.exclude(status="dead").exists() and idle < 2000:
            claims = service.claim(dice.choice([1, 3]), worker=mine)
            for claim in claims:
                watch.start(claim)
            for claim in claims:
                watch.end(claim)
                settle_somehow(service, claim, dice)
            if not claims:
                idle += 1
                promote.run("default")

    in_threads(20, work)
    assert watch.faults == []
    assert not QueueItem.objects.exclude(status="dead").exists(), "nothing was left behind"
    assert HistoryItem.objects.count() + QueueItem.objects.count() == 240


def test_many_claimers_start_the_items_of_each_key_in_order(service):
    ids = service.enqueue_many([NewItem(document_id=f"key-{n % 4}", operation=OPERATION) for n in range(120)])
    watch = Overlap()

    def work(n: int) -> None:
        dice, mine = random.Random(n), worker(None, 600)
        while QueueItem.objects.exists():
            for claim in service.claim(2, worker=mine):
                watch.start(claim)
                watch.end(claim)
                if dice.random() < 0.1:
                    service.mark_failed(claim, "x", retry_after=0)
                else:
                    service.mark_completed(claim)
            promote.run("default")

    in_threads(8, work)
    assert watch.faults == []
    for n in range(4):
        assert list(dict.fromkeys(watch.started[f"key-{n}"])) == ids[n::4]
