"""What lets nothing start: queues that people have paused, and circuit breakers that failures have opened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from docqueue.models import Limit, Queue, QueueItem
from docqueue.states import Status
from docqueue.stats import in_words

TOLD = 100
"""So many paused queues, and as many open breakers, are told of."""


@dataclass(frozen=True, kw_only=True)
class Paused:
    """A queue of which nothing starts: since when, by whom and why, as far as that was said."""

    queue: str
    since: datetime
    by: str
    reason: str

    def in_words(self) -> str:
        """The same as a sentence without its end."""
        by = f" by {self.by}" if self.by else ""
        why = self.reason or "no reason given"
        return f"queue {self.queue} has been paused since {self.since:%Y-%m-%d %H:%M:%S} UTC{by} ({why})"


@dataclass(frozen=True, kw_only=True)
class OpenBreaker:
    """A circuit breaker behind which nothing starts: since when, and after how many failures in a row.

    `tries_at`: when one item starts, to see whether it can be closed. `probe`: the one that is at it now.
    """

    limit: str
    since: datetime
    failures: int
    tries_at: datetime
    probe: int | None = None

    def half_open(self, now: datetime) -> bool:
        """Whether an item is trying, or may."""
        return self.probe is not None or self.tries_at <= now

    def in_words(self, now: datetime) -> str:
        """The same as a sentence without its end."""
        text = f"the breaker of {self.limit!r} has been open for {in_words((now - self.since).total_seconds())}"
        if self.failures:
            text += f" ({self.failures} failure{'' if self.failures == 1 else 's'} in a row)"
        return f"{text}; {self.next_in_words(now)}"

    def next_in_words(self, now: datetime) -> str:
        """What may close it, and when."""
        if self.probe is not None:
            return f"item {self.probe} is trying now whether it can be closed"
        if self.half_open(now):
            return "the next item tries now whether it can be closed"
        return f"one item tries again in {in_words((self.tries_at - now).total_seconds())}"


def paused(using: str) -> list[Paused]:
    """The queues that are paused, by name."""
    rows = Queue.objects.using(using).filter(paused_at__isnull=False).order_by("name")[:TOLD]
    return [
        Paused(queue=row.name, since=row.paused_at, by=row.paused_by, reason=row.paused_reason)
        for row in rows
        if row.paused_at is not None
    ]


def open_breakers(using: str, limits: Iterable[Limit] | None = None) -> list[OpenBreaker]:
    """Those of these limits, or of all, whose breaker is open, by key. A probe is known by the moment of its claim."""
    if limits is None:
        limits = Limit.objects.using(using).filter(opened_at__isnull=False).order_by("key")[:TOLD]
    found = sorted((limit for limit in limits if limit.opened_at is not None), key=lambda limit: limit.key)
    tried = {limit.key: limit.probe_at for limit in found if limit.probe_at is not None}
    running = QueueItem.objects.using(using).filter(
        status=Status.IN_PROGRESS, limit_key__in=[*tried], claimed_at__in=[*tried.values()]
    )
    probes = {
        key: item_id
        for item_id, key, claimed_at in running.values_list("id", "limit_key", "claimed_at")
        if tried.get(key or "") == claimed_at
    }
    return [
        OpenBreaker(
            limit=limit.key,
            since=limit.opened_at,
            failures=limit.failures,
            tries_at=limit.tries_at,
            probe=probes.get(limit.key),
        )
        for limit in found
        if limit.opened_at is not None and limit.tries_at is not None
    ]
