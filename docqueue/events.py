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
    LEASE_LOST = "lease_lost"
    ITEMS_REAPED = "items_reaped"
    WORKER_STARTED = "worker_started"
    WORKER_STOPPING = "worker_stopping"
    WORKER_STOPPED = "worker_stopped"
    WORKER_LOST = "worker_lost"
    CHILD_STARTED = "child_started"
    CHILD_DIED = "child_died"
    DATABASE_UNWELL = "database_unwell"
    DATABASE_BACK = "database_back"
    DUTY_DONE = "duty_done"
    DUTY_FAILED = "duty_failed"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened. `fields` are plain values for logs and metrics."""

    name: EventName
    level: int = logging.INFO
    fields: Mapping[str, Any] = field(default_factory=dict)


Subscriber = Callable[[Event], None]
_subscribers: list[Subscriber] = []


def subscribe(subscriber: Subscriber) -> None:
    """Call `subscriber` for each event from now on; a second time for the same subscriber changes nothing."""
    if subscriber not in _subscribers:
        _subscribers.append(subscriber)


def unsubscribe(subscriber: Subscriber) -> None:
    """Stop calling `subscriber`."""
    if subscriber in _subscribers:
        _subscribers.remove(subscriber)


def emit(name: EventName, level: int = logging.INFO, **fields: Any) -> None:
    """Tell every subscriber. Never raises: an observer can not hurt what it observes."""
    event = Event(name=name, level=level, fields=fields)
    for subscriber in tuple(_subscribers):
        try:
            subscriber(event)
        except Exception:
            logger.exception("an event subscriber failed on %s", name)
