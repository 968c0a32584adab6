"""Errors: stable codes, a message for a person, a next step."""

from __future__ import annotations

import inspect
import re
from datetime import UTC, datetime

import pytest

from docqueue import exceptions
from docqueue.exceptions import Cancelled, DeadLetter, DocqueueError, Outcome, Retry, Snooze

ERRORS = [cls for _, cls in inspect.getmembers(exceptions, inspect.isclass) if issubclass(cls, DocqueueError)]


def test_every_code_is_in_snake_case_and_used_once():
    codes = [cls.code for cls in ERRORS]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("cls", ERRORS, ids=lambda cls: cls.__name__)
def test_without_words_an_error_says_what_its_class_says(cls):
    assert str(cls()) == cls.__doc__.strip().splitlines()[0]
    assert str(cls("more exactly")) == "more exactly"
    assert cls("x", hint="do this").hint == "do this"
    assert 400 <= cls.status < 600


def test_a_hint_for_one_error_does_not_stay_for_the_next():
    DocqueueError("x", hint="mine")
    assert DocqueueError("y").hint == ""


@pytest.mark.parametrize("after", [float("nan"), float("inf"), "5", True, 1e12])
def test_a_retry_after_something_that_is_no_time_is_the_handlers_mistake(after):
    with pytest.raises(ValueError, match="after"):
        Retry(after=after)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), "5", True, 1e12])
def test_a_snooze_for_something_that_is_no_time_is_the_handlers_mistake(seconds):
    with pytest.raises(ValueError, match="seconds"):
        Snooze(seconds)


@pytest.mark.parametrize("until", ["tomorrow", datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC).date()])  # noqa: DTZ001
def test_a_snooze_until_something_that_is_no_moment_is_the_handlers_mistake(until):
    with pytest.raises(ValueError, match="until"):
        Snooze(until=until)


@pytest.mark.parametrize("arguments", [{}, {"seconds": 5, "until": datetime(2026, 1, 1, tzinfo=UTC)}])
def test_a_snooze_takes_either_seconds_or_a_moment(arguments):
    with pytest.raises(ValueError, match="either"):
        Snooze(**arguments)


@pytest.mark.parametrize("code", ["", "x" * 101, None, 5, "a\0b"])
@pytest.mark.parametrize("make", [DeadLetter, lambda code: Retry(code=code)], ids=["dead", "retry"])
def test_a_code_that_can_not_be_stored_is_the_handlers_mistake(make, code):
    with pytest.raises(ValueError, match="code"):
        make(code)


def test_the_answers_of_a_handler_are_no_errors():
    for answer in (Retry(), Snooze(5), DeadLetter("hopeless"), Cancelled()):
        assert isinstance(answer, Outcome)
        assert not isinstance(answer, DocqueueError)
        assert str(answer) or isinstance(answer, Cancelled)
