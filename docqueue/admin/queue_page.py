"""What the page of one queue says: its items by state, the oldest, what ended, its rules, who serves it, what fails."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext

from docqueue import handlers, snapshot
from docqueue.admin import banner, overview, queue_limits
from docqueue.models import FailureGroup, Queue, QueueItem
from docqueue.states import Status

CAUSES_LOOKED_AT = 200
CAUSES = 10
LANES = 20
FRONT = 100


def context(using: str, name: str) -> dict[str, Any]:
    """What its template shows. A queue that nobody has heard of is empty: it would come with its first item."""
    found = snapshot.current(using)
    (line,) = overview.lines(found, [name])
    stored = name.replace("\0", "")
    oldest = _oldest(using, stored)
    return {
        "title": gettext("Queue %(name)s") % {"name": name},
        "name": name,
        "line": line,
        "row": Queue.objects.using(using).filter(name=stored).first(),
        "next": _next(using, stored),
        "oldest": oldest,
        "oldest_due": oldest and _due(oldest),
        "charts": overview.pictures(found.series(name)),
        "notes": [note for note in found.stats.notes() if note.startswith(f"{name}: ")],
        "docqueue_hints": banner.in_words(queue for queue in found.unserved() if queue == name),
        "hands": [overview.hand(worker) for worker in found.workers if _serves(worker, name)],
        "limits": queue_limits.lines(using, stored),
        "held": queue_limits.held(using, stored),
        "operations": _operations(name),
        "causes": _causes(using, name),
        "at": found.at,
    }


def _pending(using: str, name: str) -> QuerySet[QueueItem]:
    return QueueItem.objects.using(using).filter(status=Status.PENDING, queue=name).defer("payload", "metadata")


def _next(using: str, name: str) -> QueueItem | None:
    """The item that is claimed next."""
    pending = _pending(using, name)
    back = pending.filter(returned=True).order_by("-priority", "position").first()
    return back or pending.filter(returned=False).order_by("-priority", "position").first()


def _oldest(using: str, name: str) -> QueueItem | None:
    """The pending item that has been due for longest: among the first of each lane and those that came back."""
    pending, lane = _pending(using, name), _pending(using, name).filter(returned=False)
    found = list(pending.filter(returned=True).order_by("-priority", "position")[:FRONT])
    priority: int | None = None
    for _ in range(LANES):
        lower = lane if priority is None else lane.filter(priority__lt=priority)
        first = lower.order_by("-priority", "position").values_list("priority", flat=True).first()
        if first is None:
            break
        priority = first
        found += lane.filter(priority=priority).order_by("position")[:FRONT]
    return min(found, key=_due, default=None)


def _due(item: QueueItem) -> datetime:
    return max(item.enqueued_at, item.run_after) if item.run_after else item.enqueued_at


def _serves(worker: Any, name: str) -> bool:
    return (not worker.queues or name in worker.queues) and name not in worker.excluded


def _operations(name: str) -> list[str]:
    """Operations whose handlers name this queue."""
    known = ((operation, handlers.find(operation)) for operation in handlers.operations())
    return [operation for operation, handler in known if handler is not None and handler.queue == name]


def _causes(using: str, name: str) -> list[FailureGroup]:
    """Of the latest causes those whose sample is of this queue."""
    groups = FailureGroup.objects.using(using).filter(number__gt=0).order_by("-last_at", "-fingerprint")
    return [group for group in groups[:CAUSES_LOOKED_AT] if group.queue == name][:CAUSES]
