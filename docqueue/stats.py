"""What people and dashboards ask the queue: depths, workers, what has finished. Why an item waits: explaining.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models.functions import Now

from docqueue import handlers, store
from docqueue.conf import get_settings
from docqueue.states import WaitReason

if TYPE_CHECKING:
    from docqueue.stops import OpenBreaker, Paused

DEEP = 10_000
"""So many items of a queue and state are counted each time; of more, the last full count is told, with its age."""

KINDS = {
    "pending": "pending",
    "in_progress": "in_progress",
    "failed": "dead",
    "waiting": "waiting",
    "retrying": "retrying",
}
"""The live numbers of `Counts` in the order of stats_live.sql, with their names in docqueue_depth."""

OTHER_REASONS = [reason.value for reason in WaitReason if reason is not WaitReason.RETRY]
FINISHED = ("completed", "cancelled")
FINISHED_EXACTLY = 20_000
"""So many finished items at most are counted each time beyond those that a duty has counted for good."""
NAMED = 200
"""So many queues that people have set something about are named."""

CRON_SEEN = timedelta(minutes=10)
RESOLUTION_DAYS = 7
"""How far back it is looked how quickly people see to dead items."""


@dataclass(kw_only=True)
class Counts:
    """Items by state. `failed` are the dead letters; `waiting` those that wait for anything but a retry."""

    pending: int = 0
    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    waiting: int = 0
    retrying: int = 0
    cancelled: int = 0


@dataclass(kw_only=True)
class QueueCounts(Counts):
    """One queue: its items, how long its oldest pending one has been due, and how many live workers serve it.

    `finished_per_minute`: how many ended in the last ten minutes, by what workers have told so far.
    `counted_seconds_ago` has the numbers that are too large to be counted each time, with the age of the full count
    that is shown; None: there is none yet, and the number is the least there are.
    """

    oldest_due_seconds: float | None = None
    workers: int = 0
    finished_per_minute: float = 0.0
    counted_seconds_ago: dict[str, float | None] = field(default_factory=dict)

    def in_words(self, name: str) -> str:
        """One of the numbers: "12", "≥ 10,000", or "about 1,234,567, counted 3 min ago"."""
        number = getattr(self, name)
        if name not in self.counted_seconds_ago:
            return str(number)
        age = self.counted_seconds_ago[name]
        return f"≥ {number:,}" if age is None else f"about {number:,}, counted {in_words(age)} ago"


class Serving(NamedTuple):
    """A live worker, the queues it serves (none: all) and those that it leaves out."""

    id: int
    queues: Sequence[str]
    excluded: Sequence[str]

    def serves(self, queue: str) -> bool:
        """Whether it takes items of a queue."""
        return (not self.queues or queue in self.queues) and queue not in self.excluded


@dataclass(frozen=True, kw_only=True)
class QueueStats:
    """The whole queue at one moment. `unserved`: queues with pending or waiting items that no live worker serves.

    `paused` and `breakers`, which `get_queue_stats` adds: what people and failures have stopped.
    """

    total: Counts
    queues: dict[str, QueueCounts]
    workers: int
    unserved: list[str] = field(default_factory=list)
    paused: list[Paused] = field(default_factory=list)
    breakers: list[OpenBreaker] = field(default_factory=list)
    serving: list[Serving] = field(default_factory=list)

    def of(self, queue: str) -> QueueCounts:
        """The numbers of a queue, also of one that holds nothing."""
        return self.queues.get(queue) or QueueCounts(workers=sum(one.serves(queue) for one in self.serving))

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        stops = {name: [_plain(one) for one in getattr(self, name)] for name in ("paused", "breakers")}
        told = {name: value for name, value in asdict(self).items() if name != "serving"}
        return told | stops | {"hints": [no_worker(queue) for queue in self.unserved]}

    def stops(self, now: datetime) -> list[str]:
        """One line about each queue that is paused, and each breaker that is open."""
        return [*(one.in_words() for one in self.paused), *(one.in_words(now) for one in self.breakers)]

    def notes(self) -> list[str]:
        """One line about each number that was not counted now."""
        return [
            f"{queue}: {name} {counts.in_words(name)}"
            for queue, counts in self.queues.items()
            for name in counts.counted_seconds_ago
        ]


def no_worker(queue: str) -> str:
    """What to do about a queue without a worker, in words."""
    return f"No worker serves queue {queue}: run manage.py run_queue_worker --queue {queue}"


def read(using: str, now: datetime | None = None) -> QueueStats:
    """Count: live items up to `DEEP` in a queue and state, finished ones as far back as the history goes."""
    queues = depths(using, now)
    for queue, completed, cancelled, rate, at_least in store.run(
        using, "stats_finished", {"limit": FINISHED_EXACTLY, "now": now}
    ):
        if completed or cancelled or rate or queue in queues:
            counts = queues.setdefault(queue, QueueCounts())
            counts.completed, counts.cancelled, counts.finished_per_minute = completed, cancelled, round(rate, 1)
            counts.counted_seconds_ago |= dict.fromkeys(FINISHED, None) if at_least else {}
    workers = serving(using, now)
    for queue, counts in queues.items():
        counts.workers = sum(one.serves(queue) for one in workers)
    total = Counts(**{f.name: sum(getattr(c, f.name) for c in queues.values()) for f in fields(Counts)})
    unserved = sorted(q for q, c in queues.items() if not c.workers and (c.pending or c.waiting or c.retrying))
    by_name = dict(sorted(queues.items()))
    return QueueStats(total=total, queues=by_name, workers=len(workers), unserved=unserved, serving=workers)


def _plain(one: Paused | OpenBreaker) -> dict[str, Any]:
    return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in asdict(one).items()}


def serving(using: str, now: datetime | None = None) -> list[Serving]:
    """The live workers, by what they take."""
    return [Serving._make(row) for row in store.run(using, "stats_workers", {"now": now})]


def depths(using: str, now: datetime | None = None) -> dict[str, QueueCounts]:
    """The live numbers of each queue that holds something, without its workers."""
    queues = _counted(using, now)
    if any(counts.counted_seconds_ago for counts in queues.values()):
        full = {(q, kind): (number, age) for q, kind, number, age in store.run(using, "stats_depths", {"now": now})}
        for queue, counts in queues.items():
            for name in counts.counted_seconds_ago:
                number, age = full.get((queue, KINDS[name]), (0, None))
                if number >= getattr(counts, name):
                    setattr(counts, name, number)
                    counts.counted_seconds_ago[name] = age
    return queues


def _counted(using: str, now: datetime | None) -> dict[str, QueueCounts]:
    """Count up to `DEEP` each; what is at least that has no age yet."""
    queues: dict[str, QueueCounts] = {}
    params = {"limit": DEEP, "reasons": OTHER_REASONS, "now": now}
    for queue, *numbers, oldest in store.run(using, "stats_live", params):
        found = dict(zip(KINDS, numbers, strict=True))
        queues[queue] = QueueCounts(
            **found,
            oldest_due_seconds=None if oldest is None else max(0.0, round(oldest, 3)),
            counted_seconds_ago={name: None for name, number in found.items() if number >= DEEP},
        )
    return queues


def queues(using: str) -> set[str]:
    """The queues that live items are in."""
    return {queue for (queue,) in store.run(using, "item_queues", {"limit": DEEP})}


def known_queues(using: str) -> set[str]:
    """The queues that handlers, the settings or people name, or that live items are in."""
    settings = get_settings()
    names = {settings.DEFAULT_QUEUE, *settings.QUEUES}
    names |= {h.queue for h in map(handlers.find, handlers.operations()) if h and h.queue}
    names |= {route["queue"] for route in settings.ROUTES.values() if route.get("queue")}
    from docqueue.models import Queue  # metrics are imported before there are models

    names |= set(Queue.objects.using(using).values_list("name", flat=True)[:NAMED])
    return names | queues(using)


def deep(using: str, now: datetime | None = None) -> list[tuple[str, str]]:
    """Queues and kinds of items of which there are too many to be counted each time."""
    return sorted((q, KINDS[name]) for q, counts in _counted(using, now).items() for name in counts.counted_seconds_ago)


def cron_is_at_work(using: str) -> bool:
    """Whether a run by cron has had items lately."""
    from docqueue.models import Worker

    runs = Worker.objects.using(using).filter(kind=Worker.Kind.CRON, heartbeat_at__gte=Now() - CRON_SEEN)
    return runs.exists()


def in_words(seconds: float) -> str:
    """A duration as people say it: "12 s", "3 min", "2 h", "5 d"."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{max(0, round(seconds))} s"
