"""What a handler's exception means for its item, and the row that settles it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from docqueue import outcomes
from docqueue.exceptions import Cancelled, DeadLetter, LeaseLost, Retry, Snooze
from docqueue.items import ClaimedItem
from docqueue.outcomes import Completed, Crashed, Dead, Failed, GivenUp, Lost, Released, Snoozed
from docqueue.retry import Exponential, Fixed
from docqueue.states import Status
from tests.docqueue.helpers import T0


def item(**changes) -> ClaimedItem:
    values = {
        "id": 5,
        "claim_no": 1,
        "claim_token": 99,
        "worker_id": 1,
        "queue": "default",
        "operation": "test.noop",
        "document_id": None,
        "payload_text": "{}",
        "metadata_text": "{}",
        "priority": 0,
        "ordering_key": None,
        "attempt": 1,
        "max_attempts": 3,
        "crashes": 0,
        "timeout_seconds": 60.0,
        "enqueued_epoch": T0.timestamp(),
        "claimed_epoch": T0.timestamp(),
        "suspect": False,
        "position": 1,
    }
    return ClaimedItem(**(values | changes))


def raised(error: BaseException) -> outcomes.Outcome:
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - as the worker does
        return outcomes.from_exception(caught)


def row(outcome: outcomes.Outcome, policy=Fixed(7), max_crashes: int = 3, **changes) -> dict:  # noqa: B008
    made = outcomes.row(item(**changes), outcome, policy, max_crashes)
    json.dumps(made, allow_nan=False)
    return made


class Classified(Exception):
    def __init__(self, **attributes):
        super().__init__("classified")
        self.__dict__.update(attributes)


def test_each_answer_of_a_handler_is_the_outcome_it_names():
    until = datetime(2026, 1, 1, tzinfo=UTC)
    assert raised(Snooze(5)) == Snoozed(seconds=5)
    assert raised(Snooze(until=until)) == Snoozed(until=until)
    assert raised(Cancelled()) == GivenUp()
    assert isinstance(raised(LeaseLost("gone")), Lost)
    retry = raised(Retry("later", after=9, code="busy"))
    assert (retry.code, retry.message, retry.retry_after, retry.retryable) == ("busy", "later", 9, True)
    dead = raised(DeadLetter("hopeless", "no way"))
    assert (type(dead), dead.code, dead.message) == (Dead, "hopeless", "no way")


def test_any_other_exception_is_a_failed_attempt_with_message_traceback_and_fingerprint():
    failed = raised(ValueError("bad page 7"))
    assert isinstance(failed, Failed)
    assert (failed.code, failed.message, failed.retryable, failed.retry_after) == (
        "exception",
        "bad page 7",
        True,
        None,
    )
    assert "ValueError: bad page 7" in failed.traceback
    assert len(failed.fingerprint) == 16


def test_an_exception_without_words_is_named_by_its_class():
    assert raised(KeyboardInterrupt()).message == "KeyboardInterrupt"


def test_a_memory_error_has_a_code_of_its_own():
    assert raised(MemoryError()).code == "out_of_memory"


def test_an_exception_with_a_code_and_retryable_is_classified_by_them():
    failed = raised(Classified(code="unreadable", retryable=False))
    assert (failed.code, failed.retryable) == ("unreadable", False)


@pytest.mark.parametrize("code", ["", "x" * 101, 42, None, b"x", "nul\0", "\ud800"])
def test_a_code_that_can_not_be_stored_is_called_exception(code):
    assert raised(Classified(code=code)).code == "exception"


def test_a_retry_after_of_the_exception_is_kept():
    assert raised(Classified(retry_after=12)).retry_after == 12


@pytest.mark.parametrize("value", ["120", -5, float("nan"), float("inf"), True, datetime(2026, 1, 1, tzinfo=UTC), 1e30])
def test_a_retry_after_that_is_no_number_of_seconds_is_left_to_the_policy(value):
    failed = raised(Classified(retry_after=value))
    assert failed.retry_after is None
    assert row(failed)["delay_seconds"] == 7


def test_text_that_postgresql_can_not_store_is_made_storable():
    failed = raised(ValueError("nul \0 and \ud800"))
    assert failed.message == "nul \ufffd and ?"
    assert "\0" not in failed.traceback
    made = row(Failed(code="a\0b", message="m\0", traceback="t\0"))
    assert "\0" not in made["code"] + made["message"] + made["traceback"]


def test_long_texts_are_cut():
    made = row(Failed(code="c" * 300, message="m" * 5000, traceback="head" + "t" * 50_000))
    assert (len(made["code"]), len(made["message"]), len(made["traceback"])) == (100, 1000, 20_000)
    assert not made["traceback"].startswith("head"), "the end of a traceback says more than its head"


def test_equal_causes_have_equal_fingerprints_whatever_the_numbers_in_them():
    def fail(text: str) -> str:
        return raised(ValueError(text)).fingerprint

    assert fail("item 17 at 0xdeadbeef 'a.pdf'") == fail("item 4 at 0xcafe 'other.pdf'")
    assert fail("item 17") != fail("page 17")
    assert raised(ValueError("x")).fingerprint != raised(TypeError("x")).fingerprint


def test_a_failure_with_attempts_left_waits_as_long_as_the_policy_says():
    made = row(Failed(code="c", message="m"), Exponential(base_seconds=5, factor=5, jitter="none"), attempt=2)
    assert (made["target"], made["wait_reason"], made["delay_seconds"]) == (Status.WAITING, "retry", 25)
    assert made["attempts_back"] == 0


def test_the_last_attempt_and_a_permanent_failure_are_dead():
    assert row(Failed(code="c", message="m"), attempt=3)["target"] == Status.DEAD
    assert row(Failed(code="c", message="m", retryable=False))["target"] == Status.DEAD
    assert row(Dead(code="c", message="m"))["target"] == Status.DEAD


class Broken:
    """A policy of a user with a mistake in it."""

    def __init__(self, answer):
        self.answer = answer

    def delay_seconds(self, attempt):
        return self.answer / attempt


@pytest.mark.parametrize("answer", [float("nan"), float("inf"), -5, 1e30, None, "5"])
def test_a_policy_that_answers_nonsense_can_not_keep_the_item_from_being_settled(answer):
    made = row(Failed(code="c", message="m"), Broken(answer))
    assert made["target"] == Status.WAITING
    assert 0 <= made["delay_seconds"] <= 100 * 366 * 86_400


def test_a_retry_after_beats_the_policy_and_is_never_negative():
    assert row(Failed(code="c", message="m", retry_after=3))["delay_seconds"] == 3
    assert row(Failed(code="c", message="m", retry_after=-3))["delay_seconds"] == 0


def test_a_crash_gives_the_attempt_back_and_makes_a_suspect():
    made = row(Crashed(code="killed", message="by signal 9"))
    assert (made["target"], made["attempts_back"], made["crashes"], made["suspect"]) == (Status.WAITING, 1, 1, True)
    assert made["outcome"] == "crashed"


def test_the_last_allowed_crash_is_dead():
    assert row(Crashed(code="killed", message=""), crashes=2)["target"] == Status.DEAD
    assert row(Crashed(code="killed", message=""), crashes=1)["target"] == Status.WAITING
    assert row(Crashed(code="killed", message=""), max_crashes=1)["target"] == Status.DEAD


def test_a_release_goes_back_to_the_lane_and_a_snooze_waits_both_without_charge():
    assert (row(Released())["target"], row(Released())["attempts_back"]) == (Status.PENDING, 1)
    snoozed = row(Snoozed(seconds=60))
    assert (snoozed["target"], snoozed["wait_reason"], snoozed["attempts_back"]) == (Status.WAITING, "snoozed", 1)
    assert row(Snoozed(until=T0))["next_at"] == T0.isoformat()
    assert row(Snoozed(seconds=-5))["delay_seconds"] == -5, "a time that has passed already means at once"
    assert [row(o)["outcome"] for o in (Released(), Snoozed(seconds=1))] == [None, None], "no attempt is noted"


def test_a_completion_has_no_row():
    with pytest.raises(AssertionError):
        outcomes.row(item(), Completed(), Fixed(1), 3)


def test_a_lost_claim_is_a_failure_which_its_fence_refuses():
    found = row(Lost(message="in other hands"))
    assert (found["outcome"], found["code"], found["message"]) == ("failed", "lease_lost", "in other hands")
