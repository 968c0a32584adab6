"""The queue at one moment, for everybody who looks: read once a second at most in each process, however many look.

Depths, workers and what is stopped are read anew each second; what changes slowly (what ended, how long items waited,
causes of dead letters) every five. Whoever comes first reads; whoever comes meanwhile gets what was read last.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from django.db.models.functions import Now

from docqueue import stats, stops, store, waited
from docqueue.models import FailureGroup, Worker
from docqueue.waited import Waits

FRESH_SECONDS = 1.0
SLOW_SECONDS = 5.0
SHARE = 0.2
"""Where reading takes long, as with very deep queues, it is done for so much of the time at most."""
STALE_SECONDS = 10.0
"""What is older than that nobody gets while another reads: they wait."""

DEAD = 20_000
"""So many of the newest dead items are looked at for when they died: of more, what was told is all there is."""
CAUSES_LOOKED_AT = 100
CAUSES = 5
WORKERS = 200
MINUTES, HOURS = 60, 24


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How many ended in the time from `at` on. `dead`: failed for good."""

    at: datetime
    completed: int = 0
    cancelled: int = 0
    dead: int = 0


@dataclass(frozen=True, kw_only=True)
class Series:
    """What ended in each of the last minutes, and in each of the last hours, the earliest first."""

    minutes: list[Ended]
    hours: list[Ended]

    @property
    def dead_hour(self) -> int:
        """How many failed for good within the last hour."""
        return sum(one.dead for one in self.minutes)

    @property
    def dead_day(self) -> int:
        """How many failed for good within the last 24 hours, the one that has begun included."""
        return sum(one.dead for one in self.hours)


@dataclass(frozen=True, kw_only=True)
class Slow:
    """What is read every five seconds."""

    total: Series
    by_queue: dict[str, Series]
    waits: dict[str, Waits]
    causes: list[FailureGroup]
    cron: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """The queue at `at`. Two of them are never equal, so what was made of one can be kept by it."""

    at: datetime
    stats: stats.QueueStats
    workers: list[Worker]
    slow: Slow

    def series(self, queue: str) -> Series:
        """What ended in a queue."""
        return self.slow.by_queue.get(queue) or _series(self.at, ())

    def names(self) -> list[str]:
        """The queues that hold something, that something ended in within a day, or that are paused."""
        busy = {name for name, series in self.slow.by_queue.items() if any(_any(one) for one in series.hours)}
        return sorted({*self.stats.queues, *busy, *(one.queue for one in self.stats.paused)})

    def unserved(self) -> list[str]:
        """Queues with items that nobody serves, as far as they are not paused and cron does not run them."""
        paused = {one.queue for one in self.stats.paused}
        return [] if self.slow.cron else [name for name in self.stats.unserved if name not in paused]


@dataclass
class Shared:
    """The snapshot of one database that the threads of this process share."""

    using: str
    last: Snapshot | None = None
    _read_at: float = float("-inf")
    _took: float = 0.0
    _slow: Slow | None = None
    _slow_at: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self) -> Snapshot:
        """One that is a second old; a little more while another thread reads, or where reading takes long."""
        last, age = self.last, time.monotonic() - self._read_at
        if last is not None and age < self._fresh():
            return last
        if not self._lock.acquire(blocking=last is None or age > STALE_SECONDS):
            assert last is not None
            return last
        try:
            if self.last is None or time.monotonic() - self._read_at >= self._fresh():
                began = time.monotonic()
                self.last = self._read(began)
                self._read_at = time.monotonic()
                self._took = self._read_at - began
            return self.last
        finally:
            self._lock.release()

    def _fresh(self) -> float:
        return max(FRESH_SECONDS, min(STALE_SECONDS, self._took / SHARE))

    def _read(self, began: float) -> Snapshot:
        found = read(self.using, self._slow, anew=began - self._slow_at >= SLOW_SECONDS)
        if found.slow is not self._slow:
            self._slow, self._slow_at = found.slow, time.monotonic()
        return found


_shared: dict[str, Shared] = {}


def current(using: str) -> Snapshot:
    """The queue as it was a second ago at most. Raises what the database does, to the one who reads."""
    return _shared.setdefault(using, Shared(using)).get()


def forget() -> None:
    """Read anew the next time; for tests, and for who has just changed something and wants to see it."""
    _shared.clear()


def read(using: str, slow: Slow | None = None, *, anew: bool = False) -> Snapshot:
    """Ask the database; `slow`: what was read of the slow things before, good still unless they are read `anew`."""
    at = datetime.now(UTC)
    found = replace(stats.read(using), paused=stops.paused(using), breakers=stops.open_breakers(using))
    live = Worker.objects.using(using).filter(
        kind=Worker.Kind.WORKER, lost_at=None, stopped_at=None, lease_expires_at__gte=Now()
    )
    if slow is None or anew:
        slow = _read_slow(using, at, {} if slow is None else slow.waits)
    return Snapshot(at=at, stats=found, workers=list(live.order_by("id")[:WORKERS]), slow=slow)


def _read_slow(using: str, at: datetime, waits: dict[str, Waits]) -> Slow:
    rows = _with_the_dead(
        store.run(using, "snapshot_ended", {"now": None}),
        store.run(using, "snapshot_dead", {"limit": DEAD, "now": None}),
    )
    by_queue: defaultdict[str, list[store.Row]] = defaultdict(list)
    for row in rows:
        by_queue[row[1]].append(row)
    ended = {
        queue: max(minutes)
        for queue, some in by_queue.items()
        if (minutes := [(start, done) for seconds, _, start, done, *_ in some if seconds == 60 and done])
    }
    return Slow(
        total=_series(at, rows),
        by_queue={queue: _series(at, some) for queue, some in by_queue.items()},
        waits=waited.read(using, ended, waits),
        causes=_causes(using),
        cron=stats.cron_is_at_work(using),
    )


def _with_the_dead(told: list[store.Row], dead: list[store.Row]) -> list[store.Row]:
    """What was told, and the deaths of which nobody has: what callers, the reaper and killed workers left behind.

    Of a queue with more dead items than were told of it, within the hour or the day, the latest are added. What was
    told and is dead no more stays: somebody has requeued it.
    """
    sums = {tuple(row[:3]): list(row[3:]) for row in told}
    missing: defaultdict[tuple[int, str], int] = defaultdict(int)
    for seconds, queue, _start, number in dead:
        missing[seconds, queue] += number
    for (seconds, queue, _start), numbers in sums.items():
        missing[seconds, queue] -= numbers[2]
    for seconds, queue, start, number in sorted(dead, key=lambda row: -row[2]):
        numbers = sums.setdefault((seconds, queue, start), [0, 0, 0])
        more = max(0, min(number - numbers[2], missing[seconds, queue]))
        numbers[2] += more
        missing[seconds, queue] -= more
    return [(*key, *numbers) for key, numbers in sums.items()]


def _causes(using: str) -> list[FailureGroup]:
    """Of the causes with the latest deaths those with the most within a day."""
    groups = FailureGroup.objects.using(using).filter(number__gt=0).order_by("-last_at", "-fingerprint")
    return sorted(groups[:CAUSES_LOOKED_AT], key=lambda one: (-sum(one.hours), -one.number))[:CAUSES]


def _series(at: datetime, rows: Iterable[store.Row]) -> Series:
    sums: defaultdict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for seconds, _queue, start, *numbers in rows:
        sums[seconds, start] = [have + more for have, more in zip(sums[seconds, start], numbers, strict=True)]
    return Series(minutes=_each(at, sums, 60, MINUTES), hours=_each(at, sums, 3600, HOURS))


def _each(at: datetime, sums: defaultdict[tuple[int, int], list[int]], seconds: int, number: int) -> list[Ended]:
    newest = int(at.timestamp()) // seconds * seconds
    starts = [newest - seconds * n for n in reversed(range(number))]
    nothing = [0, 0, 0]
    return [
        Ended(at=datetime.fromtimestamp(start, UTC), completed=done, cancelled=cancelled, dead=dead)
        for start in starts
        for done, cancelled, dead in [sums.get((seconds, start), nothing)]
    ]


def _any(one: Ended) -> bool:
    return bool(one.completed or one.cancelled or one.dead)
