"""When schedules tick: both days on which the clocks are changed, in three zones; intervals; what never ticks.

The expected times are written down by hand, in UTC.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docqueue import ticks
from docqueue.exceptions import ConfigurationError, InvalidSchedule
from docqueue.ticks import Times

BORN = datetime(2026, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    """`2026-03-29 01:00`, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(cron: str, zone: str) -> Times:
    return Times(cron=cron, time_zone=zone, created_at=BORN)


# The clocks go from 2:00 to 3:00 and from 3:00 back to 2:00; at Lord Howe from 2:00 to 2:30, and from 2:00 to 1:30.
FORWARD = {
    "Europe/Berlin": ("2026-03-28 23:30", ["2026-03-29 01:00", "2026-03-30 00:15"], "15 2 * * *"),
    "America/New_York": ("2026-03-08 05:30", ["2026-03-08 07:00", "2026-03-09 06:15"], "15 2 * * *"),
    "Australia/Lord_Howe": ("2026-10-03 14:00", ["2026-10-03 15:30", "2026-10-04 15:15"], "15 2 * * *"),
}
BACK = {
    "Europe/Berlin": ("2026-10-24 22:30", ["2026-10-25 00:30", "2026-10-26 01:30"], "30 2 * * *"),
    "America/New_York": ("2026-11-01 04:30", ["2026-11-01 05:30", "2026-11-02 06:30"], "30 1 * * *"),
    "Australia/Lord_Howe": ("2026-04-04 14:00", ["2026-04-04 14:45", "2026-04-05 15:15"], "45 1 * * *"),
}
BY_THE_CLOCK = [
    # each quarter of the hour from 2: on one day there is none (at Lord Howe: half of them), on the other twice as many
    ("*/15 2 * * *", "Europe/Berlin", "2026-03-28 12:00", ["2026-03-30 00:00", "2026-03-30 00:15"]),
    ("*/30 2 * * *", "Europe/Berlin", "2026-10-24 12:00",
     ["2026-10-25 00:00", "2026-10-25 00:30", "2026-10-25 01:00", "2026-10-25 01:30", "2026-10-26 01:00"]),
    ("*/30 2 * * *", "America/New_York", "2026-03-08 00:00", ["2026-03-09 06:00"]),
    ("*/30 1 * * *", "America/New_York", "2026-10-31 12:00",
     ["2026-11-01 05:00", "2026-11-01 05:30", "2026-11-01 06:00", "2026-11-01 06:30", "2026-11-02 06:00"]),
    ("*/15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00",
     ["2026-10-03 15:30", "2026-10-03 15:45", "2026-10-04 15:00"]),
    ("*/15 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00",
     ["2026-04-04 14:00", "2026-04-04 14:15", "2026-04-04 14:30", "2026-04-04 14:45",
      "2026-04-04 15:00", "2026-04-04 15:15", "2026-04-05 14:30"]),
    ("0 */2 * * *", "Australia/Lord_Howe", "2026-04-04 12:45",
     ["2026-04-04 13:00", "2026-04-04 15:30", "2026-04-04 17:30"]),
    ("0 * * * *", "Europe/Berlin", "2026-03-28 23:30", ["2026-03-29 00:00", "2026-03-29 01:00", "2026-03-29 02:00"]),
    ("0 * * * *", "Europe/Berlin", "2026-10-24 23:30", ["2026-10-25 00:00", "2026-10-25 01:00", "2026-10-25 02:00"]),
]  # fmt: skip


@pytest.mark.parametrize("zone", FORWARD)
def test_what_the_clocks_leave_out_ticks_once_at_the_end_of_the_gap(zone: str) -> None:
    since, expected, cron = FORWARD[zone]
    assert times(cron, zone).upcoming(at(since), 2) == [at(one) for one in expected]


def test_two_ticks_in_one_gap_are_one() -> None:
    found = times("0,15,30 2 * * *", "Europe/Berlin").upcoming(at("2026-03-28 23:30"), 2)
    assert found == [at("2026-03-29 01:00"), at("2026-03-30 00:00")]
    assert times("30 2,3 * * *", "Europe/Berlin").upcoming(at("2026-03-28 23:30"), 2) == [
        at("2026-03-29 01:00"),
        at("2026-03-29 01:30"),
    ]


@pytest.mark.parametrize("zone", BACK)
def test_what_comes_twice_ticks_the_first_time_only(zone: str) -> None:
    since, expected, cron = BACK[zone]
    assert times(cron, zone).upcoming(at(since), 2) == [at(one) for one in expected]
    first = at(expected[0])
    for minutes in range(1, 120):
        assert times(cron, zone).after(first + timedelta(minutes=minutes)) == at(expected[1]), "from wherever one looks"


@pytest.mark.parametrize(("cron", "zone", "since", "expected"), BY_THE_CLOCK)
def test_with_a_star_it_ticks_whenever_the_clocks_show_it(
    cron: str, zone: str, since: str, expected: list[str]
) -> None:
    wanted = [at(one) for one in expected]
    assert times(cron, zone).upcoming(at(since), len(wanted)) == wanted
    for before, tick in zip([at(since), *wanted], wanted, strict=False):
        assert times(cron, zone).after(tick - timedelta(microseconds=1)) == tick
        assert times(cron, zone).after(before) == tick


def test_the_days_and_months_are_those_of_the_zone() -> None:
    assert times("0 0 1 1 *", "Pacific/Kiritimati").after(at("2026-12-01 00:00")) == at("2026-12-31 10:00")
    assert times("0 9 * * mon-fri", "America/New_York").upcoming(at("2026-03-06 12:00"), 2) == [
        at("2026-03-06 14:00"),
        at("2026-03-09 13:00"),
    ]
    assert times("0 0 29 2 *", "UTC").after(BORN) == at("2028-02-29 00:00")


def test_an_interval_is_counted_from_its_birth_and_does_not_drift() -> None:
    born = BORN + timedelta(microseconds=7)
    every = Times(interval_seconds=0.1 + 600, created_at=born)
    assert every.after(born) == born + timedelta(seconds=600.1)
    assert every.after(born - timedelta(days=1)) == born + timedelta(seconds=600.1), "never before its birth"
    assert every.after(born + timedelta(seconds=600.1)) == born + timedelta(seconds=1200.2)
    assert every.after(born + timedelta(seconds=600.1 * 100_000 + 1)) == born + timedelta(seconds=600.1 * 100_001)


def test_the_last_of_many_is_found_without_walking_over_all() -> None:
    each_minute = times("* * * * *", "Europe/Berlin")
    assert each_minute.latest(BORN, BORN + timedelta(days=36_500, seconds=30)) == BORN + timedelta(days=36_500)
    yearly = times("0 0 29 2 *", "UTC")
    assert yearly.latest(at("2020-02-29 00:00"), at("2027-12-31 00:00")) == at("2024-02-29 00:00")
    assert yearly.latest(at("2024-02-29 00:00"), at("2024-02-29 00:00")) == at("2024-02-29 00:00")
    assert yearly.latest(at("2025-01-01 00:00"), at("2027-12-31 00:00")) is None


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (("61 * * * *", None, "UTC"), "minute"),
        (("* * * *", None, "UTC"), "five"),
        (("0 * * * * *", None, "UTC"), "five"),
        (("@daily", None, "UTC"), "five"),
        (("0 0 30 2 *", None, "UTC"), "day"),
        (("", None, "UTC"), "either"),
        (("* * * * *", 5.0, "UTC"), "either"),
        (("", 0.5, "UTC"), "1 at least"),
        (("", float("nan"), "UTC"), "1 at least"),
        (("", float("inf"), "UTC"), "1 at least"),
        (("", True, "UTC"), "1 at least"),
        (("", "5", "UTC"), "1 at least"),
        (("* * * * *", None, "Europe/Berlim"), "Berlim"),
        (("* * * * *", None, ""), "time zone"),
        (("* * * * *", None, "../etc/passwd"), "time zone"),
        (("* * * * *", None, "Europe"), "time zone"),
    ],
)
def test_what_never_ticks_is_refused_with_a_word_on_why(given: Any, word: str) -> None:
    with pytest.raises(InvalidSchedule, match=word):
        ticks.check(*given)


def test_without_the_extra_intervals_work_and_cron_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)
    ticks.check("", 60, "UTC")
    assert Times(interval_seconds=60, created_at=BORN).after(BORN) == BORN + timedelta(seconds=60)
    with pytest.raises(ConfigurationError) as refused:
        ticks.check("* * * * *", None, "UTC")
    assert "docqueue[schedules]" in refused.value.hint
