"""Why an item waits for a rule of admission, and what would let it go: read by index, a few rows each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from docqueue.conf import get_settings
from docqueue.models import AnyItem, Dependency, Limit, QueueItem
from docqueue.states import WAITING_FOR_TIME, Status, WaitReason
from docqueue.stats import in_words
from docqueue.stops import open_breakers

SHOWN = 3
FAR = 10_000
"""So many items before this one are counted, and no more."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Where an item is, and why. `reason`: a wait reason, "paused", "no_worker", "no_handler", or its status.

    `position`: its place, from 1, in its lane or in the line of what it waits for; None where there is none, or behind
    `FAR` others. `estimate_seconds`: how long it may take until it starts, as far as there is anything to go by.
    `blocked_by`: up to three items that have to end, or start, first.
    """

    reason: str
    text: str
    position: int | None = None
    estimate_seconds: float | None = None
    blocked_by: tuple[int, ...] = ()


def place(*lines: QuerySet[QueueItem]) -> int | None:
    """The place behind all of these; None when there are more than `FAR`."""
    ahead = sum(line.values("queue")[: FAR + 1].count() for line in lines)
    return ahead + 1 if ahead <= FAR else None


def rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(max(0.0, seconds), 3)


def briefly(item: AnyItem, now: datetime) -> str:
    due = "" if item.next_retry_at is None else in_words((item.next_retry_at - now).total_seconds())
    budget = get_settings().RETRIES_PER_SECOND
    match WaitReason(item.wait_reason or WaitReason.DELAYED):
        case WaitReason.RETRY if budget and item.next_retry_at and item.next_retry_at <= now:
            return f"Waiting: its retry is due, but no more than {budget:g} a second of queue {item.queue} are let in."
        case WaitReason.RETRY:
            said = f" ({error(item)})" if error(item) else ""
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


def error(item: AnyItem) -> str:
    return (item.error_message or item.error_code or "").rstrip(".")


def detail(using: str, item: AnyItem, now: datetime) -> Explanation:
    reason = WaitReason(item.wait_reason or WaitReason.DELAYED)
    if reason in WAITING_FOR_TIME:
        left = None if item.next_retry_at is None else (item.next_retry_at - now).total_seconds()
        return Explanation(reason=reason.value, text=briefly(item, now), estimate_seconds=rounded(left))
    me = QueueItem.objects.using(using).filter(pk=item.pk, status=Status.WAITING, wait_reason=reason).first()
    if me is None:  # it has moved on since it was read
        return Explanation(reason=reason.value, text=briefly(item, now))
    line = QueueItem.objects.using(using).filter(status=Status.WAITING, wait_reason=reason)
    match reason:
        case WaitReason.ORDERING:
            return _ordering(using, me, line)
        case WaitReason.DEPENDENCY:
            return _dependency(using, me)
        case WaitReason.CONCURRENCY:
            return _concurrency(using, me, line)
        case WaitReason.LIMITED:
            return _limited(using, me, line, now)
        case _:
            return _fair_share(using, me, line)


def _told(found: list[dict[str, Any]], total: int | None = None) -> str:
    """Items by number and state: "item 4 (in progress), item 5 (pending) and 2 more"."""
    named = [f"item {one['id']} ({_state(one)})" for one in found]
    more = (total or 0) - len(found)
    rest = f"{more} more" if more > 0 else named.pop() if len(named) > 1 else ""
    return f"{', '.join(named)} and {rest}" if rest else named[0]


def _state(one: dict[str, Any]) -> str:
    label = str(Status(one["status"]).label)
    return f"{label}: {one['wait_reason']}" if one.get("wait_reason") else label


def _some(found: QuerySet[QueueItem], shown: int = SHOWN) -> list[dict[str, Any]]:
    return [dict(one) for one in found.values("id", "status", "wait_reason")[:shown]]


def _behind(position: int | None, first: str) -> str:
    """How many are before it, as the end of a sentence."""
    if position is None:
        return f"; more than {FAR:,} others stand before it"
    if position == 1:
        return first
    return f"; {position - 1:,} other{'s stand' if position > 2 else ' stands'} before it"


def _ordering(using: str, me: QueueItem, line: QuerySet[QueueItem]) -> Explanation:
    line = line.filter(ordering_key=me.ordering_key, id__lt=me.pk)
    holder = _some(QueueItem.objects.using(using).filter(holds_key=True, ordering_key=me.ordering_key), 1)
    position = place(line)
    first = holder or _some(line.order_by("id"), 1)
    if not first:
        text = f"Waiting: it is the next of {me.ordering_key!r}, and starts within seconds."
    else:
        others = None if position is None else position - (1 if holder else 2)
        rest = _behind(None if others is None else others + 1, "")
        text = (
            f"Waiting: {_told(first)} of {me.ordering_key!r} comes first. This one may start when that has ended{rest}."
        )
    return Explanation(
        reason=me.wait_reason or "", text=text, position=position, blocked_by=tuple(one["id"] for one in first)
    )


def _dependency(using: str, me: QueueItem) -> Explanation:
    edges = Dependency.objects.using(using).filter(child_id=me.pk).exclude(outcome=Status.COMPLETED)
    total = edges.count()
    parents = list(edges.order_by("parent_id")[:SHOWN])
    if not parents:
        text = "Waiting: what it comes after is completed; it starts within seconds."
        return Explanation(reason=WaitReason.DEPENDENCY.value, text=text)
    ids = [edge.parent_id for edge in parents]
    states = dict(AnyItem.objects.using(using).filter(pk__in=ids).values_list("pk", "status"))
    found = [{"id": e.parent_id, "status": states.get(e.parent_id) or e.outcome or Status.COMPLETED} for e in parents]
    failed = [one for one in found if one["status"] in (Status.DEAD, Status.CANCELLED)]
    text = f"Waiting: it comes after {_told(found, total)}. "
    if failed:
        what = "requeue it" if failed[0]["status"] == Status.DEAD else "it will not be completed any more"
        text += f"Item {failed[0]['id']} has failed: {what}."
    else:
        said = str(Dependency.IfFailed(parents[0].if_failed).label)
        which = "that is" if total == 1 else "all are"
        text += f"It may start when {which} completed; if {'that' if total == 1 else 'one'} fails, {said}."
    return Explanation(reason=WaitReason.DEPENDENCY.value, text=text, blocked_by=tuple(ids))


def _concurrency(using: str, me: QueueItem, line: QuerySet[QueueItem]) -> Explanation:
    held = QueueItem.objects.using(using).filter(slot_key=me.slot_key, slot__isnull=False)
    found, number, most = _some(held.order_by("slot")), held.count(), me.slot_limit or 1
    line = line.filter(slot_key=me.slot_key)
    position = place(line.filter(priority__gt=me.priority), line.filter(priority=me.priority, id__lt=me.pk))
    if number >= most:
        what = "when that has ended" if number == 1 else "when one of them has ended"
        text = f"Waiting: {number} of {me.slot_key!r} may run at once, and so many do: {_told(found, number)}. "
        text += f"This one may start {what}{_behind(position, '')}."
    else:
        text = f"Waiting: {number} of {most} of {me.slot_key!r} run; the free places are given out within seconds"
        text += f"{_behind(position, ', to this one first')}."
    return Explanation(
        reason=me.wait_reason or "", text=text, position=position, blocked_by=tuple(one["id"] for one in found)
    )


def _limited(using: str, me: QueueItem, line: QuerySet[QueueItem], now: datetime) -> Explanation:
    line = line.filter(limit_key=me.limit_key)
    position = place(line.filter(priority__gt=me.priority), line.filter(priority=me.priority, id__lt=me.pk))
    limit = Limit.objects.using(using).filter(pk=me.limit_key or "").first()
    text, estimate = f"Waiting: the limit {me.limit_key!r} lets no more start now", None
    if limit is not None and (opened := open_breakers(using, [limit])):
        text = f"Waiting: {opened[0].in_words(now)}"
        estimate = None if opened[0].probe is not None else max(0.0, (opened[0].tries_at - now).total_seconds())
    elif limit is not None and limit.rate:
        tokens = limit.tokens_at(now)
        following = max(0.0, (1 - tokens) / limit.rate)
        text = f"Waiting: the limit {limit.key!r} lets {rate(limit.rate)} start; "
        text += f"the next may in {in_words(following)}" if following else "one may start now"
        estimate = None if position is None else max(0.0, (position - tokens) / limit.rate)
    text += f"{_behind(position, '')}."
    return Explanation(reason=me.wait_reason or "", text=text, position=position, estimate_seconds=rounded(estimate))


def rate(a_second: float) -> str:
    """What a limit allows, in the unit in which it is no fraction."""
    for seconds, unit in ((1, "second"), (60, "minute"), (3600, "hour")):
        if a_second * seconds >= 1:
            return f"{a_second * seconds:,.3g} a {unit}"
    return f"{a_second * 86_400:,.3g} a day"


def _fair_share(using: str, me: QueueItem, line: QuerySet[QueueItem]) -> Explanation:
    settings = get_settings()
    lane = QueueItem.objects.using(using).filter(status=Status.PENDING, tenant=me.tenant, tenant__isnull=False)
    number = lane.filter(queue=me.queue, priority=me.priority).values("queue")[: FAR + 1].count()
    share = settings.FAIR_SHARE * settings.FAIR_WEIGHTS.get(me.tenant or "", 1)
    position = place(line.filter(queue=me.queue, priority=me.priority, tenant=me.tenant, id__lt=me.pk))
    text = f"Waiting: {me.tenant!r} has {number:,} item{'' if number == 1 else 's'} in the lane"
    text += f", and its share is {share:,}" if share else ""
    text += f". This one joins when one of them has started{_behind(position, '')}."
    return Explanation(reason=me.wait_reason or "", text=text, position=position)
