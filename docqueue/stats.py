"""What people and dashboards ask the queue: depths, workers, and why an item is where it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from docqueue import handlers, store
from docqueue.conf import get_settings
from docqueue.models import AnyItem, Queue
from docqueue.states import Status, WaitReason


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
    """One queue: its items, the age of its oldest pending one, and how many live workers serve it."""

    oldest_due_seconds: float | None = None
    workers: int = 0


@dataclass(frozen=True, kw_only=True)
class QueueStats:
    """The whole queue at one moment. `unserved`: queues with pending or waiting items that no live worker serves."""

    total: Counts
    queues: dict[str, QueueCounts]
    workers: int
    unserved: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self) | {"hints": [no_worker(queue) for queue in self.unserved]}


def no_worker(queue: str) -> str:
    """What to do about a queue without a worker, in words."""
    return f"No worker serves queue {queue}: run manage.py run_queue_worker --queue {queue}"


def read(using: str, now: datetime | None = None) -> QueueStats:
    """Count. Live items exactly; finished ones as far back as the history goes."""
    queues: dict[str, QueueCounts] = {}
    for queue, *depths, oldest in store.run(using, "stats_live", {"now": now}):
        names = ("pending", "in_progress", "failed", "waiting", "retrying")
        counts = queues.setdefault(queue, QueueCounts())
        for name, depth in zip(names, depths, strict=True):
            setattr(counts, name, depth)
        counts.oldest_due_seconds = None if oldest is None else max(0.0, round(oldest, 3))
    for queue, completed, cancelled in store.run(using, "stats_finished", {}):
        counts = queues.setdefault(queue, QueueCounts())
        counts.completed, counts.cancelled = completed, cancelled
    workers = [served for _, served in store.run(using, "stats_workers", {"now": now})]
    for queue, counts in queues.items():
        counts.workers = sum(1 for served in workers if not served or queue in served)
    total = Counts(**{f.name: sum(getattr(c, f.name) for c in queues.values()) for f in fields(Counts)})
    unserved = sorted(q for q, c in queues.items() if not c.workers and (c.pending or c.waiting or c.retrying))
    return QueueStats(total=total, queues=dict(sorted(queues.items())), workers=len(workers), unserved=unserved)


def in_words(seconds: float) -> str:
    """A duration as people say it: "12 s", "3 min", "2 h", "5 d"."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{max(0, round(seconds))} s"


def explain(using: str, item: AnyItem, now: datetime | None = None) -> str:
    """One plain sentence: where the item is, why, and what would move it."""
    moment = now or datetime.now(UTC)
    match Status(item.status):
        case Status.WAITING:
            return _why_waiting(item, moment)
        case Status.PENDING:
            return _why_pending(using, item, now)
        case Status.IN_PROGRESS if item.cancel_requested_at:
            return "Cancelling: its handler was asked to stop."
        case Status.IN_PROGRESS:
            return f"Running: attempt {item.attempt} of {item.max_attempts}."
        case Status.DEAD:
            return f"Failed for good: {_error(item)}. Requeue it or discard it."
        case Status.CANCELLED:
            return "Cancelled."
        case Status.COMPLETED:
            return "Completed."


def _error(item: AnyItem) -> str:
    return (item.error_message or item.error_code or "").rstrip(".")


def _why_waiting(item: AnyItem, now: datetime) -> str:
    due = "" if item.next_retry_at is None else in_words((item.next_retry_at - now).total_seconds())
    match WaitReason(item.wait_reason or WaitReason.DELAYED):
        case WaitReason.RETRY if item.next_retry_at and item.next_retry_at <= now and get_settings().RETRIES_PER_SECOND:
            most = f"{get_settings().RETRIES_PER_SECOND:g} a second of queue {item.queue}"
            return f"Waiting: its retry is due, but no more than {most} are let in."
        case WaitReason.RETRY:
            said = f" ({_error(item)})" if _error(item) else ""
            return f"Waiting: retry in {due}{said}."
        case WaitReason.DELAYED:
            return f"Waiting: starts in {due}."
        case WaitReason.SNOOZED:
            return f"Waiting: snoozed by its handler, again in {due}."
        case WaitReason.NO_HANDLER:
            return f"Waiting: the worker that took it has no handler for {item.operation}; tried again in {due}."
        case WaitReason.UNWELL:
            return f"Waiting: the database was unwell while it ran; again in {due}."
        case WaitReason.ORDERING:
            return f"Waiting: another item of {item.ordering_key!r} comes first."
        case WaitReason.DEPENDENCY:
            return "Waiting: an item that it comes after has not ended well yet."
        case WaitReason.CONCURRENCY:
            return f"Waiting: as many items of {item.slot_key!r} run as may."
        case WaitReason.LIMITED:
            return f"Waiting: the limit {item.limit_key!r} lets no more start now."
        case WaitReason.FAIR_SHARE:
            return f"Waiting: {item.tenant!r} has its share of the lane already."


def _why_pending(using: str, item: AnyItem, now: datetime | None) -> str:
    paused = Queue.objects.using(using).filter(name=item.queue, paused_at__isnull=False).first()
    if paused is not None:
        return f"Waiting: queue {item.queue} is paused ({paused.paused_reason or 'no reason given'})."
    served = [queues for _, queues in store.run(using, "stats_workers", {"now": now})]
    if not any(not queues or item.queue in queues for queues in served):
        return f"Waiting for a worker. {no_worker(item.queue)}"
    if handlers.find(item.operation) is None:
        return f"Waiting: no handler is registered for {item.operation}."
    return "Waiting for a free worker."
