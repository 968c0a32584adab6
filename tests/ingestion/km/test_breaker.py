"""The breaker: some failures open it, one probe at a time closes it; told by a clock that the test moves."""

from __future__ import annotations

import pytest

from ingestion.errors import KmUnavailable
from ingestion.km.breaker import FAILURES, LONGEST_SECONDS, Breaker

DOWN = KmUnavailable("down")


class Clock:
    """Seconds that go by when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock) -> Breaker:
    return Breaker(clock)


def opened(breaker: Breaker, times: int = FAILURES) -> Breaker:
    for _ in range(times):
        breaker.failed(DOWN)
    return breaker


def test_it_opens_after_failures_in_a_row_and_says_why(breaker):
    opened(breaker, FAILURES - 1)
    assert breaker.wait_seconds() == 0
    breaker.succeeded()
    opened(breaker, FAILURES - 1)
    assert breaker.wait_seconds() == 0, "a success in between: not in a row"
    breaker.failed(DOWN)
    assert breaker.wait_seconds() > 0
    assert breaker.because is DOWN


def test_when_its_time_is_over_one_call_is_let_through(breaker, clock):
    opened(breaker)
    clock.now += breaker.wait_seconds()
    assert breaker.wait_seconds() == 0
    assert breaker.wait_seconds() > 0, "that one is the probe"
    breaker.succeeded()
    assert breaker.wait_seconds() == 0


def test_a_probe_that_fails_opens_it_for_longer_and_never_for_long(breaker, clock):
    opened(breaker)
    waits = []
    for _ in range(12):
        waits.append(breaker.wait_seconds())
        clock.now += waits[-1]
        assert breaker.wait_seconds() == 0
        breaker.failed(DOWN)
    assert max(waits[:2]) < max(waits[-3:]) <= LONGEST_SECONDS * 1.25
    breaker.succeeded()
    assert opened(breaker).wait_seconds() <= 3 * 1.25, "and begins anew"


@pytest.mark.parametrize("end", ["learnt_nothing", "never said"])
def test_a_probe_that_ends_without_a_word_lets_another_one_through(breaker, clock, end):
    opened(breaker)
    clock.now += breaker.wait_seconds()
    assert breaker.wait_seconds() == 0
    if end == "learnt_nothing":
        breaker.learnt_nothing()
    else:
        clock.now += LONGEST_SECONDS
    assert breaker.wait_seconds() == 0


def test_a_store_that_asks_to_be_left_alone_is(breaker):
    opened(breaker, FAILURES - 1)
    breaker.failed(DOWN, retry_after=9)
    assert 9 <= breaker.wait_seconds() <= 9.5
