"""Few items among very many: found by the indexes over states and queues, before anybody walks for them."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from docqueue.models import QueueItem
from docqueue.states import LIVE, Status

FEW = 2_000
ASIDE = Q(id__gt=0)  # asks for the index over queue, state and wait reason: see stats_live.sql


def ids(using: str, statuses: Collection[Status], queue: str | None, wait_reason: str | None) -> list[int] | None:
    """The live items in these states (empty: all) of this queue that wait for this. None: they are more than `FEW`."""
    wanted = {Status.WAITING} if wait_reason else set(statuses or LIVE)
    if statuses and not wanted <= set(statuses):
        return []
    found: list[int] = []
    for branch in _branches(wanted, wait_reason):
        items = QueueItem.objects.using(using).filter(branch)
        if queue:
            items = items.filter(queue=queue)
        found += items.order_by().values_list("pk", flat=True)[: FEW + 1 - len(found)]
        if len(found) > FEW:
            return None
    return found


def _branches(wanted: Collection[Status], wait_reason: str | None) -> list[Q]:
    """Each with an index of its own."""
    branches = []
    if Status.IN_PROGRESS in wanted:
        branches.append(Q(status=Status.IN_PROGRESS))
    if Status.DEAD in wanted:
        branches.append(Q(status=Status.DEAD) & ASIDE)
    if Status.WAITING in wanted:
        reason = Q(wait_reason=wait_reason) if wait_reason else Q(wait_reason__isnull=False)
        branches.append(Q(status=Status.WAITING) & reason & ASIDE)
    if Status.PENDING in wanted:
        branches += [Q(status=Status.PENDING, returned=returned) for returned in (True, False)]
    return branches
