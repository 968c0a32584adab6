"""The history's partitions, each for a day or some weeks: made ahead, made on demand, dropped after the retention.

What is dropped is a whole partition, so an item stays for a partition's width longer than the retention at most: a day
where that is shorter than two weeks, else a week. (Where it is longer than a year, so many weeks that there are no more
than 60 partitions.) A changed retention changes the width of those that are made from then on; they go beside those
that there are, and fill the gaps between them.

A finish never fails for lack of a partition: `ensure` remembers which ones this process has seen and makes a missing
one. Every DDL waits 50 ms at most for its lock, so a long reader delays retention and never a finish.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from django.db import DatabaseError, IntegrityError, OperationalError

from docqueue import shift, store
from docqueue.conf import get_settings

WEEKS_AHEAD = 4
WEEKLY_FROM_DAYS = 14
WIDER_FROM_WEEKS = 55  # with those ahead and those that are partly past the retention they are 60
FIRST_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
TRIES = 40
NO_PARTITION = "23514"  # check_violation: "no partition of relation … found for row"
LOCK_TIMEOUT = "55P03"
OVERLAPS = "42P17"

_BOUNDS = re.compile(r"FROM \((?:'([^']+)'|MINVALUE)\) TO \((?:'([^']+)'|MAXVALUE)\)")

T = TypeVar("T")
_known: dict[str, set[str]] = {}


def week(moment: datetime) -> tuple[str, datetime, datetime]:
    """Name and bounds of the partition that holds `moment`: Monday to Monday, UTC."""
    start = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start -= timedelta(days=start.weekday())
    year, number, _ = start.isocalendar()
    return f"docqueue_history_{year}w{number:02d}", start, start + timedelta(days=7)


def day(moment: datetime) -> tuple[str, datetime, datetime]:
    """The same for a day, UTC."""
    start = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return _name(start), start, start + timedelta(days=1)


def span(moment: datetime, retention_days: int) -> tuple[str, datetime, datetime]:
    """The same as wide as partitions are under this retention."""
    if retention_days < WEEKLY_FROM_DAYS:
        return day(moment)
    weeks = max(1, math.ceil(retention_days / 7 / WIDER_FROM_WEEKS))
    if weeks == 1:
        return week(moment)
    width = timedelta(weeks=weeks)
    start = FIRST_MONDAY + (moment - FIRST_MONDAY) // width * width
    return f"{week(start)[0]}x{weeks}", start, start + width


def _name(start: datetime) -> str:
    """Of a partition that begins in the middle of a week, or is narrower than one."""
    return f"docqueue_history_{start:%Yd%m%d}" + (
        "" if start == start.replace(hour=0, minute=0, second=0) else f"{start:t%H%M%S}"
    )


def ensure(using: str, now: datetime | None = None, weeks: int = 1) -> None:
    """Make the partitions of `now` and of the `weeks` - 1 after it, where they are missing.

    Inside a caller's transaction they are made in a session of their own: others must not wait for that
    transaction to end, nor its rollback take them away.
    """
    known = _known.setdefault(using, set())
    now = shift.bound({"now": now})["now"]
    retention_days = get_settings().RETENTION_DAYS
    # This machine's clock is but a hint that saves asking: what day it is, the database says.
    if now is None and weeks == 1 and span(datetime.now(UTC), retention_days)[0] in known:
        return
    moment = now or store.clock(using)
    last = moment + timedelta(weeks=weeks - 1)
    while moment <= last:
        name, lower, moment = span(moment, retention_days)
        if name not in known:
            make = partial(_make, using, name, lower, moment)
            if store.in_transaction(using):
                store.apart(using, make)
            else:
                make()
            known.add(name)


def _make(using: str, name: str, lower: datetime, upper: datetime) -> None:
    if not _made(using, name, lower, upper):
        for start, end in _gaps(using, lower, upper):
            _made(using, _name(start), start, end)


def _made(using: str, name: str, lower: datetime, upper: datetime) -> bool:
    """Make a partition where it is missing. False: others have a part of its time, of another width or by hand."""
    for attempt in range(TRIES):
        try:
            store.ensure_partition(using, name, lower, upper)
        except OperationalError as error:
            if store.sqlstate(error) != LOCK_TIMEOUT or attempt == TRIES - 1:
                raise
            time.sleep(0.01 * (attempt + 1))
        except DatabaseError as error:
            if store.sqlstate(error) != OVERLAPS:
                raise
            return False
        else:
            break
    return True


def _gaps(using: str, lower: datetime, upper: datetime) -> list[tuple[datetime, datetime]]:
    """What of this time no partition has."""
    found = []
    for start, end in sorted((start or lower, end or upper) for _, start, end in _bounds(using)):
        if end > lower and start < upper:
            if start > lower:
                found.append((lower, start))
            lower = end
    return [*found, (lower, upper)] if lower < upper else found


def _bounds(using: str) -> list[tuple[str, datetime | None, datetime | None]]:
    """The partitions with the time that each has, None where it has no end."""
    found = []
    for name, said in store.run(using, "partitions", {}):
        if match := _BOUNDS.search(said):
            lower, upper = (datetime.fromisoformat(text) if text else None for text in match.groups())
            found.append((name, lower, upper))
    return found


def with_partition(using: str, now: datetime | None, write: Callable[[], T]) -> T:
    """Run `write`, a settlement; when the week's partition is missing, make it and run it again.

    Inside a caller's transaction the first try runs in a savepoint, so the caller's transaction survives.
    """
    for n in range(3):
        try:
            if store.in_transaction(using):
                ensure(using, now)
                with store.atomic(using):
                    return write()
            return write()
        except IntegrityError as error:
            if store.sqlstate(error) != NO_PARTITION or n == 2:
                raise
            forget(using)
            ensure(using, now, weeks=2)
    raise AssertionError("unreachable")


def forget(using: str | None = None) -> None:
    """Forget which partitions were seen (after a failure, and when tests change databases)."""
    if using is None:
        _known.clear()
    else:
        _known.pop(using, None)


def bounds(using: str) -> list[tuple[datetime, datetime]]:
    """From when to when each partition of the history goes, where it has both ends."""
    return [(lower, upper) for _, lower, upper in _bounds(using) if lower and upper]


def drop_expired(using: str, retention_days: int, now: datetime | None = None) -> list[str]:
    """Drop the partitions that ended longer than the retention ago. Returns the names of those dropped.

    A partition that somebody is reading stays for the next round.
    """
    limit = (now or store.clock(using)) - timedelta(days=retention_days)
    return [name for name, _, upper in _bounds(using) if upper and upper <= limit and _dropped(using, name)]


def drop_surplus(using: str, most: int, now: datetime | None = None) -> list[str]:
    """Drop the oldest partitions while the history has more than `most` items. Returns the names of those dropped.

    Only those that are past, and so nothing that has ended within the last of them. They are counted by the statistics
    that autovacuum keeps, so that it costs nothing; one that has none yet counts as empty.
    """
    moment = now or store.clock(using)
    sizes: dict[str, int] = dict(store.run(using, "partition_sizes", {}))
    total, dropped = sum(sizes.values()), []
    for _, name in sorted((upper, name) for name, _, upper in _bounds(using) if upper and upper <= moment):
        if total <= most or not _dropped(using, name):
            break
        total -= sizes.get(name, 0)
        dropped.append(name)
    return dropped


def _dropped(using: str, name: str) -> bool:
    try:
        store.drop_partition(using, name)
    except OperationalError as error:
        if store.sqlstate(error) != LOCK_TIMEOUT:
            raise
        return False
    forget(using)
    return True
