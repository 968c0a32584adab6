"""What people do: cancel, requeue, discard; each written down with who and why."""

from __future__ import annotations

import pytest

from docqueue.exceptions import IllegalTransition, InvalidOption, InvalidPriority, ItemNotFound
from docqueue.maintenance import promote
from docqueue.models import AuditEntry
from docqueue.states import Status, WaitReason
from tests.docqueue.helpers import OPERATION, T0, in_state, later, past, row

pytestmark = pytest.mark.django_db


def dead(service, **options) -> int:
    return in_state(service, Status.DEAD, **options)[0]


# -- cancel ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"),
    [(Status.WAITING, r) for r in WaitReason] + [(Status.PENDING, None), (Status.DEAD, None)],
)
def test_an_item_that_does_not_run_is_cancelled_at_once(service, status, reason):
    item_id, _ = in_state(service, status, reason, payload={"a": 1})
    before = row(item_id)
    assert service.cancel(item_id, now=later(5)) is Status.CANCELLED
    item = past(item_id)
    assert (item["status"], item["finished_at"], item["payload"]) == ("cancelled", later(5), before["payload"])
    assert (item["error_code"], item["attempt"]) == (before["error_code"], before["attempt"])
    assert row(item_id) is None


def test_a_running_item_is_asked_to_stop(service):
    item_id, _ = in_state(service, Status.IN_PROGRESS)
    assert service.cancel(item_id, now=later(5)) is Status.IN_PROGRESS
    assert row(item_id)["cancel_requested_at"] == later(5)
    assert service.cancel(item_id, now=later(6)) is Status.IN_PROGRESS
    assert row(item_id)["cancel_requested_at"] == later(5), "the first request counts"


def test_who_cancelled_and_why_is_written_down(service):
    item_id, _ = in_state(service, Status.PENDING)
    service.cancel(item_id, by="ada", reason="wrong file", now=later(5))
    [entry] = AuditEntry.objects.all()
    assert (entry.action, entry.actor, entry.reason, entry.item_id, entry.count, entry.at) == (
        "cancel",
        "ada",
        "wrong file",
        item_id,
        1,
        later(5),
    )


def test_words_that_postgresql_can_not_store_do_not_stop_a_cancel(service):
    item_id, _ = in_state(service, Status.PENDING)
    service.cancel(item_id, by="a\0da" * 200, reason="\ud800" + "x" * 2000, now=T0)
    [entry] = AuditEntry.objects.all()
    assert (len(entry.actor), len(entry.reason)) == (255, 1000)


def test_a_finished_item_can_not_be_cancelled(service):
    item_id, _ = in_state(service, Status.COMPLETED)
    with pytest.raises(IllegalTransition, match="is completed: cancel is not possible"):
        service.cancel(item_id)


# -- requeue -----------------------------------------------------------------------------------------------------


def test_a_dead_item_starts_again_from_its_first_attempt(service):
    item_id = dead(service, max_attempts=2)
    answer = service.requeue(item_id, by="ada", reason="fixed", now=later(60))
    assert (answer.id, answer.status, answer.wait_reason, answer.created) == (item_id, Status.PENDING, None, False)
    item = row(item_id)
    assert (item["status"], item["attempt"], item["max_attempts"], item["died_at"]) == ("pending", 0, 2, None)
    assert item["error_code"] == "moved_to_dead", "what went wrong before stays readable"
    assert AuditEntry.objects.get().action == "requeue"
    claim = service.mark_in_progress(item_id, now=later(61))
    assert (claim.attempt, claim.claim_no) == (1, 2)


def test_a_requeued_item_joins_the_end_of_its_lane(service):
    item_id = dead(service)
    other, _ = in_state(service, Status.PENDING)
    service.requeue(item_id, now=T0)
    assert [i.id for i in service.get_pending_items()] == [other, item_id]


def test_without_a_reset_a_dead_item_gets_one_more_attempt(service):
    item_id = dead(service, max_attempts=1)
    service.requeue(item_id, reset_attempts=False, now=T0)
    claim = service.mark_in_progress(item_id, now=T0)
    assert (claim.attempt, claim.max_attempts) == (2, 2)
    assert service.mark_failed(claim, "again", now=T0) is Status.DEAD


def test_a_dead_item_can_be_requeued_for_later(service):
    item_id = dead(service)
    answer = service.requeue(item_id, delay_seconds=60, now=T0)
    assert (answer.status, answer.wait_reason) == (Status.WAITING, "delayed")
    assert row(item_id)["next_retry_at"] == later(60)
    promote.run("default", later(59))
    assert row(item_id)["status"] == "waiting"
    promote.run("default", later(60))
    assert row(item_id)["status"] == "pending"


@pytest.mark.parametrize("reason", [WaitReason.DELAYED, WaitReason.RETRY, WaitReason.SNOOZED])
def test_an_item_that_waits_for_its_time_can_be_let_run_now(service, reason):
    item_id, _ = in_state(service, Status.WAITING, reason)
    attempt = row(item_id)["attempt"]
    assert service.requeue(item_id, now=T0).status is Status.PENDING
    item = row(item_id)
    assert (item["wait_reason"], item["next_retry_at"], item["attempt"]) == (None, None, attempt)


def test_an_item_in_line_behind_another_can_not_be_let_run_now(service):
    item_id, _ = in_state(service, Status.WAITING, WaitReason.ORDERING)
    with pytest.raises(IllegalTransition, match="does not apply to why it waits"):
        service.requeue(item_id)


@pytest.mark.parametrize("value", [-1, float("nan"), "5"])
def test_the_delay_of_a_requeue_must_be_a_number_of_seconds(service, value):
    item_id = dead(service)
    with pytest.raises(InvalidOption, match="delay_seconds"):
        service.requeue(item_id, delay_seconds=value)
    assert row(item_id)["status"] == "dead"


def test_a_requeued_suspect_still_runs_alone(service):
    """Its crashes are forgiven, not the suspicion."""
    from docqueue import outcomes, settling

    item_id, claim = in_state(service, Status.IN_PROGRESS)
    for _ in range(3):
        settling.settle("default", [(claim, outcomes.Crashed(code="killed", message=""))], T0)
        promote.run("default", later(days=1))
        claim = next(iter(service.claim(1, now=T0)), None)
    assert row(item_id)["status"] == "dead"
    service.requeue(item_id, now=T0)
    item = row(item_id)
    assert (item["crashes"], item["suspect"], item["returned"]) == (0, True, True)


# -- discard -----------------------------------------------------------------------------------------------------


def test_a_dead_item_can_be_given_up_for_good(service):
    item_id = dead(service)
    assert service.discard(item_id, by="ada", reason="hopeless", now=later(5)) is Status.CANCELLED
    item = past(item_id)
    assert (item["status"], item["error_code"]) == ("cancelled", "moved_to_dead")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.reason) == ("discard", "ada", "hopeless")


def test_only_a_dead_item_can_be_discarded(service):
    item_id, _ = in_state(service, Status.PENDING)
    with pytest.raises(IllegalTransition, match="is pending: discard is not possible"):
        service.discard(item_id)
    assert not AuditEntry.objects.exists()


# -- looking -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", ["get_item", "get_status", "explain"])
def test_an_unknown_item_is_not_found(service, look):
    with pytest.raises(ItemNotFound, match="There is no item 12345") as caught:
        getattr(service, look)(12345)
    assert caught.value.status == 404


def test_an_item_is_found_by_its_number_or_by_anything_that_has_one(service):
    new = service.enqueue("d", OPERATION, payload={"a": 1})
    found = service.get_item(new)
    assert (found.id, found.document_id, found.payload, found.status) == (new.id, "d", {"a": 1}, "pending")
    assert service.get_status(found) is service.get_status(new.id) is Status.PENDING


# -- run now, and at another priority ----------------------------------------------------------------------------


def test_what_waits_for_its_time_runs_now_and_keeps_its_attempts(service):
    item_id, _ = in_state(service, Status.WAITING, WaitReason.RETRY)
    spent = row(item_id)["attempt"]
    answer = service.run_now(item_id, by="ada", reason="it is back", now=later(5))
    assert (answer.id, answer.status, answer.created) == (item_id, Status.PENDING, False)
    assert (row(item_id)["attempt"], row(item_id)["next_retry_at"]) == (spent, None)
    [entry] = AuditEntry.objects.all()
    assert (entry.action, entry.actor, entry.reason, entry.item_id) == ("run_now", "ada", "it is back", item_id)


def test_run_now_leaves_the_dead_to_requeue(service):
    item_id = dead(service)
    with pytest.raises(IllegalTransition, match="is dead: run_now is not possible"):
        service.run_now(item_id)
    assert row(item_id)["status"] == "dead"


def test_what_runs_now_still_takes_its_turn(service):
    first = service.enqueue(None, OPERATION, ordering_key="a", now=T0).id
    second = service.enqueue(None, OPERATION, ordering_key="a", delay_seconds=60, now=T0).id
    answer = service.run_now(second, now=later(1))
    assert (answer.status, answer.wait_reason) == (Status.WAITING, "ordering")
    assert row(first)["holds_key"]


def test_a_pending_item_with_another_priority_goes_to_the_end_of_its_new_lane(service):
    first, second, third = (service.enqueue(None, OPERATION, priority=p, now=T0).id for p in (0, 0, 5))
    assert service.change_priority(first, 5, by="ada", reason="urgent", now=later(1))
    assert [item.id for item in service.get_pending_items()] == [third, first, second]
    [entry] = AuditEntry.objects.all()
    assert (entry.action, entry.actor, entry.reason, entry.item_id) == ("priority", "ada", "urgent", first)
    assert entry.filter == {"priority": 5}


def test_the_priority_that_it_has_changes_nothing(service):
    first, second = (service.enqueue(None, OPERATION, now=T0).id for _ in range(2))
    assert not service.change_priority(first, "normal")
    assert [item.id for item in service.get_pending_items()] == [first, second]
    assert not AuditEntry.objects.exists()


def test_a_priority_out_of_range_is_refused_and_changes_nothing(service):
    item_id = service.enqueue(None, OPERATION, now=T0).id
    with pytest.raises(InvalidPriority):
        service.change_priority(item_id, 101)
    assert row(item_id)["priority"] == 0
