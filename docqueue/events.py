"""What docqueue tells observers: one event, any number of subscribers.

Subscribers (logging, metrics, tracing) observe; nothing depends on them. A subscriber that raises is logged and
changes nothing. Events of single items are made from batches, so nothing here may touch the database.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

logger = logging.getLogger("docqueue")


class EventName(StrEnum):
    """Every event there is; docs/reference/events.md has a row for each."""

    ITEMS_ENQUEUED = "items_enqueued"
    ITEMS_CLAIMED = "items_claimed"
    ITEM_FINISHED = "item_finished"
    ITEMS_FINISHED = "items_finished"
    RUNS_ENDED = "runs_ended"
    LEASE_LOST = "lease_lost"
    ITEMS_REAPED = "items_reaped"
    WORKER_STARTED = "worker_started"
    WORKER_RESIZED = "worker_resized"
    WORKER_STOPPING = "worker_stopping"
    WORKER_STOPPED = "worker_stopped"
    WORKER_LOST = "worker_lost"
    BREAKER_OPENED = "breaker_opened"
    BREAKER_CLOSED = "breaker_closed"
    CHILD_STARTED = "child_started"
    CHILD_DIED = "child_died"
    ITEM_STALLED = "item_stalled"
    DATABASE_UNWELL = "database_unwell"
    DATABASE_BACK = "database_back"
    TOTALS_DRIFTED = "totals_drifted"
    DUTY_DONE = "duty_done"
    DUTY_FAILED = "duty_failed"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened. `fields` are plain values for logs and metrics."""

    name: EventName
    level: int = logging.INFO
    fields: Mapping[str, Any] = field(default_factory=dict)


Subscriber = Callable[[Event], None]
Hears = Callable[[EventName, int], bool]
_subscribers: dict[Subscriber, Hears] = {}


def _everything(name: EventName, level: int) -> bool:  # noqa: ARG001 - the signature of Hears
    return True


def subscribe(subscriber: Subscriber, hears: Hears = _everything) -> None:
    """Call `subscriber` for each event from now on; a second time for the same subscriber changes nothing.

    `hears(name, level)` may leave events out: what nobody hears is not even made, which counts where there is one for
    each of tens of thousands of items a second.
    """
    _subscribers.setdefault(subscriber, hears)


def unsubscribe(subscriber: Subscriber) -> None:
    """Stop calling `subscriber`."""
    _subscribers.pop(subscriber, None)


def heard(name: EventName, level: int) -> bool:
    """Whether any subscriber wants to hear of such an event."""
    return any(hears(name, level) for hears in _subscribers.values())


def emit(name: EventName, level: int = logging.INFO, **fields: Any) -> None:
    """Tell every subscriber that hears it. Never raises: an observer can not hurt what it observes."""
    listeners = [subscriber for subscriber, hears in _subscribers.items() if hears(name, level)]
    if not listeners:
        return
    event = Event(name=name, level=level, fields=fields)
    for subscriber in listeners:
        try:
            subscriber(event)
        except Exception:
            logger.exception("an event subscriber failed on %s", name)
