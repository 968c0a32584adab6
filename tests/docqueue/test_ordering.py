"""One ordering key: never two at once, in order of their ids, and nobody waits for anybody's transaction."""

from __future__ import annotations

import pytest
from django.db import transaction

from docqueue import store
from docqueue.admission import ordering
from docqueue.maintenance import promote, reap
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status
from tests.docqueue.helpers import (
    OPERATION,
    T0,
    Gate,
    in_background,
    later,
    past,
    row,
    rows,
    second_alias,
    somebody_else,
    stopped_at_gate,
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
    return rows(
        "select k from (select 'k' || n as k from generate_series(1, 100000) n) x"
        " where k <> %s and hashtext(k) & 1023 = hashtext(%s) & 1023 limit 1",
        [key, key],
    )[0]["k"]


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


def test_a_key_taken_between_snapshot_and_lock_sends_the_enqueue_into_the_line(service, monkeypatch):
    monkeypatch.setattr(store, "LOCK_CLASS", Gate(store.LOCK_CLASS))
    with stopped_at_gate(lambda: service.enqueue("k", OPERATION)) as enqueue:
        monkeypatch.undo()
        head = service.enqueue("k", OPERATION)
    late = enqueue.result()
    assert (late.status, late.wait_reason) == (Status.WAITING, "ordering")
    assert states([head.id, late.id]) == ["pending", "waiting"]


def test_a_delayed_item_whose_time_has_come_takes_its_turn_like_any_other(service):
    first = service.enqueue("k", OPERATION, run_after=T0, now=later(1))
    second = service.enqueue("k", OPERATION, delay_seconds=0, now=later(1))
    assert [first.status, second.status] == [Status.PENDING, Status.WAITING]
    assert (row(first.id)["holds_key"], row(first.id)["run_after"]) == (True, T0)
    assert (second.wait_reason, row(second.id)["next_retry_at"]) == ("ordering", None)


def left_in_line(service, key: str, count: int = 2) -> list[int]:
    """Items in line for a key that nobody holds: what a lost event leaves behind."""
    with somebody_else() as other:
        other.execute("select pg_advisory_xact_lock(%s, hashtext(%s) & 1023)", [store.LOCK_CLASS, key])
        ids = service.enqueue_many([NewItem(document_id=key, operation=OPERATION) for _ in range(count)])
    assert set(states(ids)) == {"waiting"}
    return ids


def test_what_a_lost_event_left_in_line_is_found_by_the_promoter(service):
    ids = {key: left_in_line(service, key) for key in ("a", "b", "c")}
    assert promote.run("default") == 3
    assert {key: states(found) for key, found in ids.items()} == {key: ["pending", "waiting"] for key in "abc"}


def test_a_newcomer_does_not_pass_those_who_stand_in_line_for_a_key_that_nobody_holds(service):
    ids = left_in_line(service, "k")
    newcomer = service.enqueue("k", OPERATION)
    assert (newcomer.status, newcomer.wait_reason) == (Status.WAITING, "ordering")
    promote.run("default")
    assert states([*ids, newcomer.id]) == ["pending", "waiting", "waiting"]


def test_whoever_was_promoted_holds_the_key(service):
    ids = line(service)
    service.mark_completed(take(service), now=T0)
    for _ in range(2):
        assert promote.run("default", T0) == 0
        assert [row(i)["holds_key"] for i in ids[1:]] == [True, False]


def test_a_promoter_that_comes_second_changes_nothing(service):
    """Between its look and its lock another one promoted the head, which ended, and so on with the next."""
    ids = left_in_line(service, "k", 3)
    params = {"keys": ["k"], "lock_class": Gate(store.LOCK_CLASS), "fair": False}
    with stopped_at_gate(lambda: store.run("default", "promote_keys", params)) as second:
        assert promote.run("default") == 1
        service.mark_completed(service.mark_in_progress(ids[0]))
        assert states(ids) == ["completed", "pending", "waiting"]
    assert second.result() == []
    assert states(ids) == ["completed", "pending", "waiting"]


def test_a_conflict_on_one_key_does_not_fail_the_others_of_its_slice(service, monkeypatch):
    """The key is taken between snapshot and lock by an item with a lower id: the unique index refuses the slice."""
    [lower] = line(service, 1, "k")
    service.move_to_dead(take(service), "x", now=T0)
    mine, theirs = left_in_line(service, "k", 1), left_in_line(service, "other", 1)
    monkeypatch.setattr(store, "LOCK_CLASS", Gate(store.LOCK_CLASS))
    with stopped_at_gate(lambda: ordering.promote("default", ["k", "other"])) as promoting:
        monkeypatch.undo()
        service.requeue(lower, now=T0)
        assert states([lower, *mine]) == ["pending", "waiting"]
    assert promoting.result() == 1
    assert states([lower, *mine, *theirs]) == ["pending", "waiting", "pending"]
