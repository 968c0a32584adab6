"""What the page of one queue says: its items by state, the oldest, what ended, its rules, who serves it, what fails."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from docqueue import handlers, snapshot
from docqueue.admin import banner, overview
from docqueue.conf import get_settings
from docqueue.models import FailureGroup, Limit, Queue, QueueItem
from docqueue.states import Status, WaitReason

CAUSES_LOOKED_AT = 200
CAUSES = 10
LIMITS = 20
RULES = (
    ("FAIR_SHARE", "most items of one tenant in a lane while others wait"),
    ("RETRIES_PER_SECOND", "most retries that are let in a second"),
    ("AGEING_SECONDS", "seconds after which a pending item rises by ten in priority"),
)


def context(using: str, name: str) -> dict[str, Any]:
    """What its template shows. A queue that nobody has heard of is empty: it would come with its first item."""
    found = snapshot.current(using)
    (line,) = overview.lines(found, [name])
    return {
        "title": gettext("Queue %(name)s") % {"name": name},
        "name": name,
        "line": line,
        "row": Queue.objects.using(using).filter(name=name.replace("\0", "")).first(),
        "oldest": _oldest(using, name),
        "charts": overview.pictures(found.series(name)),
        "notes": [note for note in found.stats.notes() if note.startswith(f"{name}: ")],
        "docqueue_hints": banner.in_words(queue for queue in found.unserved() if queue == name),
        "hands": [overview.hand(worker) for worker in found.workers if _serves(worker, name)],
        "rules": _rules(),
        "limits": _limits(using, name),
        "operations": _operations(name),
        "causes": _causes(using, name),
        "at": found.at,
    }


def _oldest(using: str, name: str) -> QueueItem | None:
    """The item that is next in its highest lane: those before it have been claimed, so it waits longest of them."""
    pending = QueueItem.objects.using(using).filter(status=Status.PENDING, queue=name.replace("\0", ""))
    pending = pending.defer("payload", "metadata")
    back = pending.filter(returned=True).order_by("-priority", "position").first()
    return back or pending.filter(returned=False).order_by("-priority", "position").first()


def _serves(worker: Any, name: str) -> bool:
    return (not worker.queues or name in worker.queues) and name not in worker.excluded


def _rules() -> list[tuple[str, Any]]:
    """The settings that hold items of every queue up, as far as they are in force."""
    settings = get_settings()
    return [(gettext(words), getattr(settings, key)) for key, words in RULES if getattr(settings, key)]


def _limits(using: str, name: str) -> list[tuple[str, Limit | None]]:
    """The limits that items of the queue wait for now; no row: nothing has been charged to it yet."""
    waiting = QueueItem.objects.using(using).filter(
        status=Status.WAITING, wait_reason=WaitReason.LIMITED, queue=name.replace("\0", ""), limit_key__isnull=False
    )
    keys: list[str] = []
    while len(keys) < LIMITS:  # from key to key along the index, however many wait for each
        left = waiting.filter(limit_key__gt=keys[-1]) if keys else waiting
        key = left.order_by("limit_key").values_list("limit_key", flat=True).first()
        if key is None:
            break
        keys.append(key)
    found = Limit.objects.using(using).in_bulk(keys)
    return [(key, found.get(key)) for key in keys]


def _operations(name: str) -> list[str]:
    """Operations whose handlers name this queue."""
    known = ((operation, handlers.find(operation)) for operation in handlers.operations())
    return [operation for operation, handler in known if handler is not None and handler.queue == name]


def _causes(using: str, name: str) -> list[FailureGroup]:
    """Of the latest causes those whose sample is of this queue."""
    groups = FailureGroup.objects.using(using).filter(number__gt=0).order_by("-last_at", "-fingerprint")
    return [group for group in groups[:CAUSES_LOOKED_AT] if group.queue == name][:CAUSES]
