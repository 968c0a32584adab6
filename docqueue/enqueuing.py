"""Putting items in: one by one, under a unique key, or many by COPY."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from docqueue import events, store, validation
from docqueue.admission import ordering
from docqueue.exceptions import InvalidOption
from docqueue.states import Status
from docqueue.validation import NewItem


@dataclass(frozen=True, kw_only=True)
class Enqueued:
    """What became of an enqueue or requeue. `created` is False when the unique key named a live item already."""

    id: int
    status: Status
    wait_reason: str | None = None
    created: bool = True


def enqueue(using: str, columns: dict[str, Any], now: datetime | None = None) -> Enqueued:
    """Insert one validated item; under its unique key, if it has one, only when no live item has that key."""
    key = columns["unique_key"]
    return _insert(using, columns, now) if key is None else _insert_unique(using, columns, key, now)


def _insert(using: str, columns: dict[str, Any], now: datetime | None) -> Enqueued:
    item_id, status, wait_reason, contended = store.enqueue(using, {**columns, "now": now})
    if contended:
        # Only another enqueue of the same hash slot was in the way: try again as soon as the caller has committed.
        transaction.on_commit(lambda: ordering.promote(using, [columns["ordering_key"]]), using=using, robust=True)
    events.emit(
        events.EventName.ITEMS_ENQUEUED, logging.DEBUG, operation=columns["operation"], count=1, item_id=item_id
    )
    return Enqueued(id=item_id, status=Status(status), wait_reason=wait_reason)


def _insert_unique(using: str, columns: dict[str, Any], key: str, now: datetime | None) -> Enqueued:
    while True:
        with store.atomic(using):
            if store.run(using, "take_key", {"key": key, "now": now}):
                new = _insert(using, columns, now)
                store.run(using, "assign_key", {"key": key, "item_id": new.id})
                return new
        found = store.run(using, "key_holder", {"key": key})
        if found:
            item_id, status, wait_reason = found[0]
            return Enqueued(id=item_id, status=Status(status), wait_reason=wait_reason, created=False)
        # The holder ended between the two statements, so its key is free now; or its row was deleted by hand.
        store.count(using, "free_key", {"key": key})


def enqueue_many(using: str, items: Iterable[NewItem], now: datetime | None = None) -> list[int]:
    """Insert many items by COPY; see `DocumentQueueService.enqueue_many`."""
    rows = [validation.columns(item) for item in items]
    if any(row["unique_key"] is not None for row in rows):
        raise InvalidOption("enqueue_many takes no unique_key.", hint="Enqueue items with unique keys one by one.")
    if not rows:
        return []
    drawn = store.reserve(using, len(rows), now)
    store.copy_items(using, (validation.copy_row(row, *ids) for row, ids in zip(rows, drawn, strict=True)))
    keys = sorted({row["ordering_key"] for row in rows if row["ordering_key"] is not None})
    if keys:
        transaction.on_commit(lambda: ordering.promote(using, keys), using=using, robust=True)
    events.emit(events.EventName.ITEMS_ENQUEUED, logging.DEBUG, count=len(rows))
    return [item_id for item_id, _, _ in drawn]
