"""Queues that hold items while no worker serves them, found by a few short index walks."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext

from docqueue import claiming, stats
from docqueue.models import Queue, QueueItem
from docqueue.states import WAITING_FOR_TIME, Status, WaitReason

LOOK_AT = 1000


def hints(using: str) -> list[str]:
    """What to do about such queues, one sentence each; empty when all is well."""
    return in_words(unserved(using))


def in_words(queues: Iterable[str]) -> list[str]:
    """The same of these queues."""
    text = gettext("No worker serves queue %(queue)s: run manage.py run_queue_worker --queue %(queue)s")
    return [text % {"queue": queue} for queue in queues]


def unserved(using: str) -> list[str]:
    """Names of queues with pending or waiting items that neither a live worker nor a recent cron run serves."""
    workers = stats.serving(using)
    if any(not one.queues and not one.excluded for one in workers) or stats.cron_is_at_work(using):
        return []  # somebody serves all queues
    found = {lane.queue for lane in claiming.lanes(using)}
    waiting = QueueItem.objects.using(using).filter(status=Status.WAITING)
    for reasons, order in ((WAITING_FOR_TIME, "next_retry_at"), ((WaitReason.ORDERING,), "ordering_key")):
        rows = waiting.filter(wait_reason__in=reasons).order_by(order).values_list("queue", flat=True)
        found |= set(rows[:LOOK_AT])
    paused = Queue.objects.using(using).filter(paused_at__isnull=False).values_list("name", flat=True)
    return sorted(queue for queue in found.difference(paused) if not any(one.serves(queue) for one in workers))
