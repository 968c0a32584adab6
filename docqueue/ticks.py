"""When a schedule ticks: at times of day that a cron expression names, by the clocks of a zone, or at an interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from docqueue.exceptions import CENTURY_SECONDS, ConfigurationError, InvalidSchedule

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
LOOK_BACK = timedelta(minutes=1)
SHORTEST_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Times:
    """The ticks of one schedule. Either `cron`, or `interval_seconds` counted from `created_at` without drift.

    A cron expression is read as Debian's cron reads it on the days when the clocks are changed. One that names minute
    and hour ticks once for each: what falls into the hour that is left out, at its end; what comes twice, the first
    time. One whose minute or hour begins with a star ticks whenever the clocks show such a time.
    """

    cron: str = ""
    interval_seconds: float | None = None
    time_zone: str = "UTC"
    created_at: datetime

    def after(self, moment: datetime) -> datetime | None:
        """The first tick later than `moment`; None when there is none in fifty years."""
        if self.interval_seconds is not None:
            step = timedelta(seconds=self.interval_seconds)
            return self.created_at + max(1, (moment - self.created_at) // step + 1) * step
        minute, hour, *_ = self.cron.split()
        by_the_clock = minute.startswith("*") or hour.startswith("*")
        return (_whenever if by_the_clock else _once)(self.cron, zone(self.time_zone), moment.astimezone(UTC))

    def latest(self, since: datetime, until: datetime) -> datetime | None:
        """The last tick from `since` to `until`, both included. Takes as long for a year as for a day."""
        back = LOOK_BACK
        while True:
            start = max(since, until - back)
            found, tick = None, self.after(start - SECOND)
            while tick is not None and tick <= until:
                found, tick = (tick if tick >= since else found), self.after(tick)
            if found is not None or start == since:
                return found
            back *= 2

    def upcoming(self, moment: datetime, count: int) -> list[datetime]:
        """The next `count` ticks after `moment`, in UTC."""
        found: list[datetime] = []
        while len(found) < count and (tick := self.after(found[-1] if found else moment)) is not None:
            found.append(tick)
        return found


def check(cron: str, interval_seconds: float | None, time_zone: str) -> None:
    """Raises `InvalidSchedule` for what never ticks; `ConfigurationError` for cron without the extra."""
    zone(time_zone)
    if bool(cron) == (interval_seconds is not None):
        raise InvalidSchedule("A schedule has either a cron expression or an interval in seconds.")
    if interval_seconds is not None:
        number = interval_seconds if isinstance(interval_seconds, int | float) else 0
        if isinstance(number, bool) or not SHORTEST_SECONDS <= number <= CENTURY_SECONDS:
            raise InvalidSchedule("The interval must be a number of seconds, 1 at least.")
    elif next(_walls(cron, datetime(2000, 1, 1)), None) is None:  # noqa: DTZ001 - what a clock on a wall shows
        raise InvalidSchedule(f"The cron expression {cron!r} names no day that ever comes.")


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of this name. Raises `InvalidSchedule`."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError, TypeError):
        raise InvalidSchedule(
            f"There is no time zone {name!r}.", hint="Give a name such as Europe/Berlin, America/New_York or UTC."
        ) from None


def _walls(cron: str, after: datetime) -> Iterator[datetime]:
    """What a clock on a wall shows at each tick, later than `after`, as if no clock were ever changed."""
    try:
        from cronsim import CronSim, CronSimError
    except ImportError:
        raise ConfigurationError(
            "Cron expressions need the package cronsim.",
            hint="Install docqueue[schedules], or give the schedule an interval.",
        ) from None
    if not isinstance(cron, str) or len(cron.split()) != 5:
        raise InvalidSchedule(f"A cron expression has five fields (minute hour day month weekday), not {cron!r}.")
    try:
        return CronSim(cron, after)
    except CronSimError as error:
        raise InvalidSchedule(f"The cron expression {cron!r} is not right: {error}.") from error


def _once(cron: str, zone: ZoneInfo, moment: datetime) -> datetime | None:
    """Each time that is named, once: the first of two; for one that the clocks leave out, the end of the gap."""
    for wall in _walls(cron, moment.astimezone(zone).replace(tzinfo=None)):
        tick = wall.replace(tzinfo=zone).astimezone(UTC)
        gap = tick.astimezone(zone).replace(tzinfo=None) - wall
        if gap:
            tick = _change(zone, tick - gap, tick) or tick
        if tick > moment:
            return tick
    return None


def _whenever(cron: str, zone: ZoneInfo, moment: datetime) -> datetime | None:
    """Whenever the clocks show such a time: twice for what comes twice, not at all for what they leave out.

    From one change of the clocks to the next the distance to UTC is the same.
    """
    start, wall = moment, moment.astimezone(zone).replace(tzinfo=None)
    while True:
        distance = _distance(zone, start)
        found = next(_walls(cron, wall), None)
        if found is None:
            return None
        tick = (found - distance).replace(tzinfo=UTC)
        changed = _change(zone, start, tick)
        if changed is None:
            return tick
        start, wall = changed, changed.astimezone(zone).replace(tzinfo=None) - SECOND


def _distance(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _change(zone: ZoneInfo, start: datetime, end: datetime) -> datetime | None:
    """When the clocks are changed for the first time after `start`, not later than `end`; None: they are not."""
    low, before = start.replace(microsecond=0), _distance(zone, start)
    while low < end:
        high = min(low + DAY, end)
        if _distance(zone, high) != before:
            while high - low > SECOND:
                middle = low + (high - low) // 2 // SECOND * SECOND
                low, high = (middle, high) if _distance(zone, middle) == before else (low, middle)
            return high
        low = high
    return None
