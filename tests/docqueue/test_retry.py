"""Retry policies: how long a failed item waits."""

from __future__ import annotations

import pytest

from docqueue.retry import Exponential, Fixed


def test_the_bound_grows_by_the_factor_up_to_the_largest():
    policy = Exponential(base_seconds=5, factor=5, max_seconds=3600, jitter="none")
    assert [policy.delay_seconds(n) for n in range(1, 8)] == [5, 25, 125, 625, 3125, 3600, 3600]


def test_full_jitter_draws_from_nought_to_the_bound_and_uses_the_whole_of_it():
    policy = Exponential(base_seconds=100, factor=2, max_seconds=1000)
    drawn = [policy.delay_seconds(2) for _ in range(2000)]
    assert min(drawn) >= 0
    assert max(drawn) <= 200
    assert min(drawn) < 20
    assert max(drawn) > 180
    assert 85 < sum(drawn) / len(drawn) < 115


def test_a_very_high_attempt_number_gives_the_largest_bound():
    assert Exponential(jitter="none").delay_seconds(10**6) == 3600


def test_attempt_nought_counts_as_the_first():
    assert Exponential(jitter="none").delay_seconds(0) == 5


@pytest.mark.parametrize("wrong", [{"base_seconds": -1}, {"max_seconds": -1}, {"factor": 0.5}])
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="Exponential"):
        Exponential(**wrong)


def test_fixed_waits_the_same_after_every_failure():
    assert [Fixed(7).delay_seconds(n) for n in (1, 2, 50)] == [7, 7, 7]
