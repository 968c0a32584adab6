"""The history's weekly partitions: made ahead, made on demand, dropped after the retention.

A finish never fails for lack of a partition: `ensure` remembers which weeks this process has seen and makes a missing
one. Every DDL waits 50 ms at most for its lock, so a long reader delays retention and never a finish.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from django.db import DatabaseError, IntegrityError, OperationalError

from docqueue import shift, store

WEEKS_AHEAD = 4
TRIES = 40
NO_PARTITION = "23514"  # check_violation: "no partition of relation … found for row"
LOCK_TIMEOUT = "55P03"
OVERLAPS = "42P17"

T = TypeVar("T")
_known: dict[str, set[str]] = {}


def week(moment: datetime) -> tuple[str, datetime, datetime]:
    """Name and bounds of the partition that holds `moment`: Monday to Monday, UTC."""
    start = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start -= timedelta(days=start.weekday())
    year, number, _ = start.isocalendar()
    return f"docqueue_history_{year}w{number:02d}", start, start + timedelta(days=7)


def ensure(using: str, now: datetime | None = None, weeks: int = 1) -> None:
    """Make the partitions of `now`'s week and the `weeks` - 1 after it, where they are missing.

    Inside a caller's transaction they are made in a session of their own: others must not wait for that
    transaction to end, nor its rollback take them away.
    """
    known = _known.setdefault(using, set())
    now = shift.bound({"now": now})["now"]
    # This machine's clock is but a hint that saves asking: which week it is, the database says.
    if now is None and weeks == 1 and week(datetime.now(UTC))[0] in known:
        return
    moment = now or store.clock(using)
    for n in range(weeks):
        name, lower, upper = week(moment + timedelta(days=7 * n))
        if name not in known:
            make = partial(_make, using, name, lower, upper)
            if store.in_transaction(using):
                store.apart(using, make)
            else:
                make()
            known.add(name)


def _make(using: str, name: str, lower: datetime, upper: datetime) -> None:
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
            return  # somebody made one for that time under a name of their own
        else:
            return


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


_BOUNDS = re.compile(r"FROM \('([^']+)'\) TO \('([^']+)'\)")


def bounds(using: str) -> list[tuple[datetime, datetime]]:
    """From when to when each partition of the history goes."""
    found = (_BOUNDS.search(bound) for _, bound in store.run(using, "partitions", {}))
    return [(datetime.fromisoformat(m[1]), datetime.fromisoformat(m[2])) for m in found if m]


def drop_expired(using: str, retention_days: int, now: datetime | None = None) -> list[str]:
    """Drop the partitions that ended longer than the retention ago. Returns the names of those dropped.

    A partition that somebody is reading stays for the next round.
    """
    limit = (now or store.clock(using)) - timedelta(days=retention_days)
    dropped = []
    for name, bound in store.run(using, "partitions", {}):
        match = _BOUNDS.search(bound)
        if match and datetime.fromisoformat(match[2]) <= limit:
            try:
                store.drop_partition(using, name)
            except OperationalError as error:
                if store.sqlstate(error) != LOCK_TIMEOUT:
                    raise
                continue
            forget(using)
            dropped.append(name)
    return dropped
