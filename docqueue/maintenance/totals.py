"""Keep the totals of what has finished true to the history, and few.

Workers add what they have seen end, per queue and ten seconds, and bulk operations what each slice has ended. What
callers, people and the reaper ended, and what a killed worker had not told yet, is added here: each hour's part, once
it is closed, is compared with the history. After that a second round goes over what has been compared, for what was
committed late or taken out of the history by hand.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta

from docqueue import events, history, store

EVERY_SECONDS = 60.0
CLOSED_SECONDS = 40.0  # a worker writes into none older than 30 s (add_finished.sql)
EDGE_SECONDS = 5.0  # between an item's end and its being counted
AUDIT_SECONDS = 240.0  # one hour or day of the second round in so long, however many workers there are
BUSY_SECONDS = 1.0  # the rest is done the next time
SLICE = 1000
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def run(using: str, now: datetime | None = None) -> int:
    """Returns how many rows of totals were summed up or removed."""
    compare(using, now)
    audit(using, now)
    return _roll_up(using, now) + _prune(using)


def compare(using: str, now: datetime | None = None) -> None:
    """Compare what is closed and has not been compared yet, up to an hour at a time."""
    began = time.monotonic()
    while time.monotonic() - began < BUSY_SECONDS:
        mark, _, clock = store.run(using, "totals_marks", {"now": now})[0]
        upto = _floor(clock - timedelta(seconds=CLOSED_SECONDS), timedelta(seconds=10))
        if mark is None:
            store.count(using, "begin_totals", {"upto": upto})
            continue
        until = min(upto, _floor(mark, HOUR) + HOUR)
        if until <= mark or not _compare(using, "finished", mark, mark, until, now):
            return


def audit(using: str, now: datetime | None = None) -> None:
    """Compare one hour (of days that are over: one day) once more, and the next one the next time."""
    mark, audited, clock = store.run(using, "totals_marks", {"now": now})[0]
    if mark is None:
        return
    since, until = _hour_or_day(audited, clock)
    if until > mark:
        oldest = _oldest(using)
        if oldest is None:
            return
        since, until = _hour_or_day(oldest, clock)
    if until <= mark:
        _compare(using, "audited", audited, since, until, now)


def _hour_or_day(since: datetime, clock: datetime) -> tuple[datetime, datetime]:
    """What is compared at once, from `since` on. A day's totals are summed up an hour later than this asks for them."""
    day = _floor(since, DAY)
    if day + DAY <= clock - DAY:
        return day, day + DAY
    return _floor(since, HOUR), _floor(since, HOUR) + HOUR


def _compare(using: str, mark: str, seen: datetime, since: datetime, until: datetime, now: datetime | None) -> bool:
    """Compare and mend, and report what can not be explained. False: somebody else is at it, or it is too soon."""
    first = mark == "finished"
    params = {"mark": mark, "seen": seen, "lo": since, "hi": until, "now": now}
    params |= {"edge": EDGE_SECONDS, "pause": 0.0} if first else {"edge": 0.0, "pause": AUDIT_SECONDS}
    moved = False
    for queue, completed, cancelled, apart, before, after in store.run(using, "compare_finished", params):
        if queue is None:
            moved = True
            continue
        drift = completed + cancelled - apart
        told = not -before <= drift <= after if first else bool(completed or cancelled)
        if told:
            fields = {"queue": queue, "completed": completed, "cancelled": cancelled}
            fields |= {"since": since.isoformat(), "until": until.isoformat()}
            events.emit(events.EventName.TOTALS_DRIFTED, logging.WARNING, **fields)
    return moved


def _roll_up(using: str, now: datetime | None) -> int:
    mark, _, clock = store.run(using, "totals_marks", {"now": now})[0]
    if mark is None:
        return 0
    hours, days = _floor(min(mark, clock - HOUR), HOUR), _floor(min(mark, clock - DAY - HOUR), DAY)
    return _in_slices(using, "roll_up_finished", {"hours": hours, "days": days})


def _prune(using: str) -> int:
    oldest = _oldest(using)
    return 0 if oldest is None else _in_slices(using, "prune_finished", {"before": oldest})


def _oldest(using: str) -> datetime | None:
    """Since when there is a history."""
    return min((lower for lower, _ in history.bounds(using)), default=None)


def _in_slices(using: str, name: str, params: dict[str, datetime]) -> int:
    total = 0
    while True:
        changed: int = store.run(using, name, {**params, "limit": SLICE})[0][0]
        total += changed
        if changed < SLICE:
            return total


def _floor(moment: datetime, step: timedelta) -> datetime:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    return moment - (moment - start) % step
