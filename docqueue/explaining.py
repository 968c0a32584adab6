"""Why an item is where it is, what would release it, and how long that may take: in words, and as figures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.db.models import F, Q, Sum

from docqueue import handlers, waits
from docqueue.listing import ListedItem
from docqueue.models import AnyItem, FinishedTotal, Queue, QueueItem
from docqueue.states import Status, WaitReason, attempt
from docqueue.stats import Serving, in_words, no_worker, serving
from docqueue.waits import FAR, Explanation, place, rounded

Listed = QueueItem | AnyItem | ListedItem
RATE_MINUTES = 10
PARENT_FAILED = "parent_failed"
"""The code of what ended with an item that it comes after (promote_children.sql); its message says with which."""


def brief(using: str, item: AnyItem, now: datetime | None = None) -> str:
    """One plain sentence, for lists: of a waiting item, only what its own columns tell."""
    if item.status == Status.WAITING:
        return waits.briefly(item, now or datetime.now(UTC))
    if item.status == Status.PENDING:
        return (_not_served(using, item, now) or Explanation(reason="", text="Waiting for a free worker.")).text
    return detail(using, item, now).text


def detail(using: str, item: AnyItem, now: datetime | None = None) -> Explanation:
    """The whole of it. A few reads by index."""
    moment = now or datetime.now(UTC)
    status = Status(item.status)
    match status:
        case Status.WAITING:
            found, why = waits.detail(using, item, moment), _paused(using, item)
            return found if why is None else replace(found, text=f"{found.text[:-1]}; and {why}.")
        case Status.PENDING:
            return _not_served(using, item, now) or _in_lane(using, item, moment)
        case Status.IN_PROGRESS if item.cancel_requested_at:
            text = "Cancelling: its handler was asked to stop."
        case Status.IN_PROGRESS:
            text = f"Running: attempt {attempt(item.attempt, status)} of {item.max_attempts}."
        case Status.DEAD:
            text = f"Failed for good: {waits.error(item)}. Requeue it or discard it."
        case Status.CANCELLED if item.error_code == PARENT_FAILED:
            text = f"Cancelled: {waits.error(item)}."
        case Status.CANCELLED:
            text = "Cancelled."
        case Status.COMPLETED:
            text = "Completed."
    return Explanation(reason=status.value, text=text)


def reasons(using: str, items: Iterable[Listed], now: datetime | None = None) -> dict[int, str]:
    """The `reason` that `detail` gives for each of these, by id: two reads at most, however many they are."""
    found = list(items)
    paused: Collection[str] = ()
    workers: Sequence[Serving] = ()
    if queues := {item.queue for item in found if item.status == Status.PENDING}:
        named = Queue.objects.using(using).filter(name__in=queues, paused_at__isnull=False)
        paused, workers = set(named.values_list("name", flat=True)), serving(using, now)
    return {item.pk: _reason(item, paused, workers) for item in found}


def _reason(item: Listed, paused: Collection[str], workers: Sequence[Serving]) -> str:
    match Status(item.status):
        case Status.WAITING:
            return item.wait_reason or WaitReason.DELAYED.value
        case Status.PENDING:
            return _lane_stop(item, paused, workers) or Status.PENDING.value
        case status:
            return status.value


def _lane_stop(item: QueueItem | AnyItem | ListedItem, paused: Collection[str], workers: Sequence[Serving]) -> str:
    """What stops the item's lane now; empty where nothing does."""
    if item.queue in paused:
        return "paused"
    if not any(one.serves(item.queue) for one in workers):
        return "no_worker"
    return "no_handler" if handlers.find(item.operation) is None else ""


def _not_served(using: str, item: AnyItem, now: datetime | None) -> Explanation | None:
    """Why nobody takes from its lane now."""
    why = _paused(using, item)
    match _lane_stop(item, {item.queue} if why else (), serving(using, now)):
        case "paused":
            return Explanation(reason="paused", text=f"Waiting: {why}.")
        case "no_worker":
            return Explanation(reason="no_worker", text=f"Waiting for a worker. {no_worker(item.queue)}")
        case "no_handler":
            text = f"Waiting: no handler is registered for {item.operation}."
            return Explanation(reason="no_handler", text=text)
    return None


def _paused(using: str, item: AnyItem) -> str | None:
    found = Queue.objects.using(using).filter(name=item.queue, paused_at__isnull=False).first()
    return None if found is None else f"queue {item.queue} is paused ({found.paused_reason or 'no reason given'})"


def _in_lane(using: str, item: AnyItem, now: datetime) -> Explanation:
    """Its place among the pending items of its queue, and how long those before it may take."""
    text, me = "Waiting for a free worker", QueueItem.objects.using(using).filter(pk=item.pk).first()
    if me is None or me.status != Status.PENDING:  # it has moved on since it was read
        return Explanation(reason=Status.PENDING.value, text=f"{text}.")
    position = _place_in_lane(using, me)
    if position is None:
        return Explanation(reason=Status.PENDING.value, text=f"{text}: behind more than {FAR:,} others of its queue.")
    since = now - timedelta(minutes=RATE_MINUTES)
    told = FinishedTotal.objects.using(using).filter(queue=item.queue, at__gt=since, at__lte=now)
    ended = told.aggregate(number=Sum(F("completed") + F("cancelled") + F("dead")))["number"] or 0
    rate = ended / RATE_MINUTES
    estimate = position / rate * 60 if rate > 0 else None
    if position > 1 or estimate is not None:
        text += f": about the {_ordinal(position)} of its queue"
    if estimate is not None:
        text += f"; at {rate:,.0f} a minute" if rate >= 1 else f"; at {rate:.1f} a minute"
        text += f" about {in_words(max(1, estimate))}"
    return Explanation(
        reason=Status.PENDING.value, text=f"{text}.", position=position, estimate_seconds=rounded(estimate)
    )


def _place_in_lane(using: str, me: QueueItem) -> int | None:
    """What came back goes first, then by priority and position. None: behind more than `FAR`."""
    pending = QueueItem.objects.using(using).filter(status=Status.PENDING, queue=me.queue)
    higher, equal = Q(priority__gt=me.priority), Q(priority=me.priority, position__lt=me.position)
    if me.returned:
        lines = [pending.filter(higher | equal, returned=True)]
    else:
        lane = pending.filter(returned=False)  # two walks: with "or" in it there would be no start in the index
        lines = [pending.filter(returned=True), lane.filter(higher), lane.filter(equal)]
    return place(*lines)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"
