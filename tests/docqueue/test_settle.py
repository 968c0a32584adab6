"""How a claim ends: completed, failed, set aside, snoozed, released; one by one and in batches."""

from __future__ import annotations

import json

import pytest

from docqueue import settling, store
from docqueue.exceptions import InvalidOption, PayloadNotJson
from docqueue.handlers import on_dead
from docqueue.maintenance import promote
from docqueue.models import Attempt, HistoryItem
from docqueue.outcomes import Completed, Crashed, Failed, Interrupted, Released, Snoozed
from docqueue.retry import Fixed
from docqueue.service import NewItem
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, T0, NewItemFactory, in_state, later, past, row, worker

pytestmark = pytest.mark.django_db
CAUSE = Interrupted(code="worker_stopped", message="its worker was stopped")


def claimed(service, **options):
    options = {"operation": OPERATION, "ordering_key": None} | options
    item = service.enqueue("d", now=T0, **options)
    return service.mark_in_progress(item, now=T0)


def test_a_completed_item_moves_to_the_history_with_its_result(service):
    claim = claimed(service, payload={"a": 1}, metadata={"u": 2}, priority=7, queue="q", max_attempts=3)
    before = row(claim.id)
    service.mark_completed(claim, result={"pages": [1, "ü"]}, now=later(9))
    assert row(claim.id) is None
    after = past(claim.id)
    kept = "queue priority operation document_id ordering_key unique_key payload metadata attempt max_attempts crashes"
    for name in (kept + " run_after enqueued_at claimed_at worker_id claim_no").split():
        assert after[name] == before[name], name
    assert (after["status"], after["finished_at"]) == ("completed", later(9))
    assert json.loads(after["result"]) == {"pages": [1, "ü"]}
    assert not Attempt.objects.exists(), "the happy path writes no attempt"


@pytest.mark.parametrize("result", [None, 0, False, "", [], {}, "text", 1.5, [None]])
def test_any_json_value_can_be_a_result(service, result):
    claim = claimed(service)
    service.mark_completed(claim, result=result, now=T0)
    assert HistoryItem.objects.get(pk=claim.id).result == result


@pytest.mark.parametrize("result", [{1, 2}, float("nan"), "nul \0", "\ud800"])
def test_a_result_that_is_no_json_is_refused_and_the_item_stays_in_progress(service, result):
    claim = claimed(service)
    with pytest.raises(PayloadNotJson, match="result"):
        service.mark_completed(claim, result=result)
    assert row(claim.id)["status"] == "in_progress"


def test_a_failed_item_waits_for_its_retry_and_the_attempt_is_noted(service, register):
    register("flaky", retry=Fixed(25))
    claim = claimed(service, operation="flaky")
    status = service.mark_failed(claim, "disk full", code="disk_full", traceback="Traceback…", now=later(5))
    assert status is Status.WAITING
    item = row(claim.id)
    assert (item["status"], item["wait_reason"], item["next_retry_at"]) == ("waiting", "retry", later(30))
    assert (item["attempt"], item["worker_id"], item["claim_token"]) == (1, None, None)
    assert (item["error_code"], item["error_message"]) == ("disk_full", "disk full")
    [note] = Attempt.objects.all()
    assert (note.item_id, note.attempt, note.claim_no, note.worker_id) == (claim.id, 1, 1, claim.worker_id)
    assert (note.outcome, note.code, note.message, note.traceback) == ("failed", "disk_full", "disk full", "Traceback…")
    assert (note.started_at, note.ended_at, note.fingerprint) == (T0, later(5), item["fingerprint"])


def test_an_exception_can_be_given_as_the_message(service):
    claim = claimed(service)
    service.mark_failed(claim, ValueError("bad page"), now=T0)
    assert row(claim.id)["error_message"] == "bad page"


def test_after_the_last_attempt_a_failed_item_is_dead(service):
    claim = claimed(service, max_attempts=2)
    assert service.mark_failed(claim, "one", retry_after=0, now=T0) is Status.WAITING
    promote.run("default", T0)
    claim = service.mark_in_progress(claim.id, now=later(1))
    assert claim.attempt == 2
    assert service.mark_failed(claim, "two", now=later(2)) is Status.DEAD
    item = row(claim.id)
    assert (item["status"], item["died_at"], item["next_retry_at"], item["wait_reason"]) == (
        "dead",
        later(2),
        None,
        None,
    )
    assert item["error_message"] == "two"
    assert Attempt.objects.count() == 2


def test_a_permanent_failure_is_dead_at_once(service):
    assert service.mark_failed(claimed(service), "corrupt", retryable=False, now=T0) is Status.DEAD


def test_retry_after_overrides_the_policy(service):
    claim = claimed(service)
    service.mark_failed(claim, "busy", retry_after=7, now=T0)
    assert row(claim.id)["next_retry_at"] == later(7)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "5", 1e30])
def test_a_retry_after_that_is_no_time_is_refused_and_nothing_changes(service, value):
    claim = claimed(service)
    with pytest.raises(InvalidOption, match="retry_after"):
        service.mark_failed(claim, "busy", retry_after=value)
    assert row(claim.id)["status"] == "in_progress"


def test_what_postgresql_can_not_store_does_not_keep_an_item_from_failing(service):
    claim = claimed(service)
    service.mark_failed(claim, "nul \0 \ud800" + "x" * 2000, code="co\0de", traceback="\0", now=T0)
    item = row(claim.id)
    assert item["status"] == "waiting"
    assert len(item["error_message"]) == 1000


def test_an_item_moved_to_dead_is_set_aside_with_its_reason(service):
    claim = claimed(service)
    assert service.move_to_dead(claim, "no such customer", code="no_customer", now=later(3)) is Status.DEAD
    item = row(claim.id)
    assert (item["status"], item["error_code"], item["died_at"]) == ("dead", "no_customer", later(3))
    [note] = Attempt.objects.all()
    assert (note.outcome, note.message) == ("dead", "no such customer")


def test_a_snoozed_item_waits_and_gets_its_attempt_back(service):
    claim = claimed(service)
    assert service.snooze(claim, 90, now=later(10)) is Status.WAITING
    item = row(claim.id)
    assert (item["wait_reason"], item["next_retry_at"], item["attempt"]) == ("snoozed", later(100), 0)
    assert not Attempt.objects.exists()


@pytest.mark.parametrize("value", [-1, float("nan"), "5", None])
def test_a_snooze_must_be_a_number_of_seconds(service, value):
    claim = claimed(service)
    with pytest.raises(InvalidOption):
        service.snooze(claim, value)
    assert row(claim.id)["status"] == "in_progress"


def test_a_snooze_until_a_moment_ends_then(service):
    claim = claimed(service)
    settling.settle("default", [(claim, Snoozed(until=later(500)))], T0)
    assert row(claim.id)["next_retry_at"] == later(500)


def test_a_released_item_is_pending_in_its_old_place(service):
    claim = claimed(service)
    assert service.release(claim, now=T0) is Status.PENDING
    item = row(claim.id)
    assert (item["position"], item["returned"], item["attempt"]) == (claim.position, True, 0)
    assert not Attempt.objects.exists()


@pytest.mark.parametrize("exit_", [Released(cause=CAUSE), Snoozed(seconds=2, cause=CAUSE)], ids=["release", "snooze"])
def test_an_interruption_stands_with_the_attempts_and_is_no_error_of_the_item(service, exit_):
    claim = claimed(service)
    service.mark_failed(claim, "page 3 is torn", code="torn_page", retry_after=0, now=T0)
    promote.run("default", T0)
    again = service.mark_in_progress(claim.id, now=T0)
    said = ("error_code", "error_message", "fingerprint", "attempt")
    before = [row(claim.id)[name] for name in said]
    settling.settle("default", [(again, exit_)], T0)
    assert [row(claim.id)[name] for name in said] == [*before[:3], 1], "nor does it cost an attempt"
    assert before[:2] == ["torn_page", "page 3 is torn"]
    noted = Attempt.objects.filter(item_id=claim.id).order_by("id").values_list("outcome", "code")
    assert list(noted) == [("failed", "torn_page"), ("interrupted", "worker_stopped")]


@pytest.mark.parametrize("exit_", ["mark_failed", "move_to_dead", "snooze", "release"])
def test_once_a_cancel_was_requested_every_exit_but_completed_leads_to_cancelled(service, exit_):
    claim = claimed(service, unique_key="u")
    service.cancel(claim.id, now=T0)
    arguments = {"mark_failed": ["x"], "move_to_dead": ["x"], "snooze": [5], "release": []}[exit_]
    assert getattr(service, exit_)(claim, *arguments, now=later(4)) is Status.CANCELLED
    item = past(claim.id)
    assert (item["status"], item["finished_at"], item["worker_id"]) == ("cancelled", later(4), claim.worker_id)
    assert service.enqueue("d", OPERATION, unique_key="u", now=T0).created


def test_a_completion_after_a_requested_cancel_stays_a_completion(service):
    claim = claimed(service)
    service.cancel(claim.id, now=T0)
    service.mark_completed(claim, now=later(1))
    assert past(claim.id)["status"] == "completed"


# -- batches -----------------------------------------------------------------------------------------------------


def test_a_batch_settles_each_item_its_own_way_and_leaves_out_those_that_are_not_ours(service):
    service.enqueue_many(NewItemFactory.build_batch(6), now=T0)
    done, gone, failed, crashed, released, snoozed = service.claim(6, worker=worker(T0, 600), now=T0)
    service.mark_completed(gone, now=T0)
    assert settling.complete("default", [(done, '{"a":1}'), (gone, None)], T0) == {done.id}
    statuses = settling.settle(
        "default",
        [
            (failed, Failed(code="c", message="m")),
            (gone, Failed(code="c", message="m")),
            (crashed, Crashed(code="killed", message="signal 9")),
            (released, Released()),
            (snoozed, Snoozed(seconds=60)),
        ],
        T0,
    )
    assert statuses == {
        failed.id: Status.WAITING,
        crashed.id: Status.WAITING,
        released.id: Status.PENDING,
        snoozed.id: Status.WAITING,
    }
    assert [row(i.id)["attempt"] for i in (failed, crashed, released, snoozed)] == [1, 0, 0, 0]
    assert {a.item_id: a.outcome for a in Attempt.objects.all()} == {failed.id: "failed", crashed.id: "crashed"}


def test_nothing_to_settle_is_nothing_done():
    assert settling.complete("default", []) == set()
    assert settling.settle("default", []) == {}


def test_a_completion_has_no_row_of_its_own_among_other_exits(service):
    with pytest.raises(AssertionError):
        settling.settle("default", [(claimed(service), Completed())])


def test_a_crash_makes_a_suspect_that_comes_back_alone_and_is_dead_after_the_third(service, register):
    register("fragile", retry=Fixed(10))
    claim = claimed(service, operation="fragile")
    for n in (1, 2, 3):
        crash = Crashed(code="killed", message="by signal 9")
        status = settling.settle("default", [(claim, crash)], later(100 * n))[claim.id]
        item = row(claim.id)
        assert (item["crashes"], item["suspect"], item["attempt"]) == (n, True, 0)
        if n < 3:
            assert status is Status.WAITING
            assert later(100 * n) <= item["next_retry_at"] <= later(100 * n + 4), "soon, whatever the policy says"
            promote.run("default", later(100 * n + 20))
            assert row(claim.id)["returned"], "a suspect is taken at the front, alone"
            claim = service.claim(5, now=later(100 * n + 30))[0]
    assert (status, row(claim.id)["error_code"]) == (Status.DEAD, "killed")


def test_the_hook_of_the_operation_hears_of_its_dead_after_the_commit(
    service, register, django_capture_on_commit_callbacks
):
    register("watched")
    heard = []
    on_dead("watched")(lambda *said: heard.append(said))
    with django_capture_on_commit_callbacks(execute=True):
        first = claimed(service, operation="watched")
        service.mark_failed(first, "retry me", now=T0)
        second = claimed(service, operation="watched")
        service.mark_failed(second, "no way", code="hopeless", retryable=False, now=T0)
        assert heard == []
    assert heard == [(second.id, "hopeless", "no way")]


def test_a_hook_that_fails_hurts_nobody(service, register, django_capture_on_commit_callbacks):
    register("watched")
    on_dead("watched")(lambda *said: 1 / 0)
    with django_capture_on_commit_callbacks(execute=True):
        claim = claimed(service, operation="watched")
        service.move_to_dead(claim, "no", now=T0)
    assert row(claim.id)["status"] == "dead"


def test_an_item_whose_handler_is_gone_from_the_code_can_still_be_settled(service, register, registry):
    register("retired")
    claim = claimed(service, operation="retired")
    registry.pop("retired")
    assert service.mark_failed(claim, "no handler", now=T0) is Status.WAITING


def test_what_a_lost_answer_left_in_progress_is_released(service):
    """The worker's row holds three items; its memory knows one of them, and one by an older claim."""
    mine = worker(T0, 600)
    service.enqueue_many([NewItem(document_id=n, operation=OPERATION, ordering_key=None) for n in range(3)], now=T0)
    known, stale, unknown = service.claim(3, worker=mine, now=T0)
    memory = {(known.id, known.claim_token), (stale.id, stale.claim_token + 1)}
    assert settling.release_unknown("default", mine, memory) == 2
    assert [row(c.id)["status"] for c in (known, stale, unknown)] == ["in_progress", "pending", "pending"]
    assert settling.release_unknown("default", mine, {(known.id, known.claim_token)}) == 0


def test_progress_is_stored_with_the_fence_and_tells_of_a_cancel(service):
    item_id, claim = in_state(service, Status.IN_PROGRESS)
    params = {"item_id": item_id, "token": claim.claim_token, "percent": 10, "stage": "s", "message": "m"}
    assert store.run("default", "progress", params) == [(False,)]
    service.cancel(item_id, now=T0)
    assert store.run("default", "progress", params | {"percent": 20}) == [(True,)]
