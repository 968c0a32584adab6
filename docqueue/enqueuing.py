"""Putting items in: one by one, under a unique key, or many by COPY."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any

from django.db import transaction

from docqueue import copying, events, store, waking
from docqueue.admission import ordering
from docqueue.states import Status
from docqueue.validation import Checked, Checker, NewItem

AHEAD = 1000
"""Of a long list, so many items are checked before the database is asked; the others while it takes these in."""


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
    queue, key = columns["queue"], columns["ordering_key"]
    open_transaction = store.in_transaction(using)
    wake = not open_transaction and waking.wanted(using, queue)
    new = _insert_row(using, columns | {"now": now, "wake": wake, "lock_class": store.LOCK_CLASS})
    if new is None:
        # Only another enqueue of the same hash slot was in the way: try again as soon as the caller has committed.
        new = store.run(using, "enqueue_in_line", columns | {"now": now})[0]
        transaction.on_commit(lambda: ordering.promote(using, [key]), using=using, robust=True)
    item_id, status, wait_reason = new[:3]
    if status == Status.PENDING:
        if wake:
            waking.note(using, queue)
        elif open_transaction:
            waking.notify(using, [queue])
    events.emit(
        events.EventName.ITEMS_ENQUEUED, logging.DEBUG, operation=columns["operation"], count=1, item_id=item_id
    )
    return Enqueued(id=item_id, status=Status(status), wait_reason=wait_reason)


def _insert_row(using: str, params: store.Params) -> store.Row | None:
    """Insert where the item belongs now. None: nothing was, as it is uncertain whose turn of its key it is."""
    if params["run_after"] is not None or params["delay_seconds"]:
        later = store.run(using, "enqueue_later", params)
        if later:
            return later[0]
    if params["ordering_key"] is None:
        return store.run(using, "enqueue", params)[0]
    placed = store.run(using, "enqueue_ordered", params)
    return placed[0] if placed else None


def _insert_unique(using: str, columns: dict[str, Any], key: str, now: datetime | None) -> Enqueued:
    while True:
        with store.atomic(using):
            if store.run(using, "take_keys", {"keys": [key], "item_ids": [0], "now": now}):
                new = _insert(using, columns, now)
                store.run(using, "assign_key", {"key": key, "item_id": new.id})
                return new
        found = store.run(using, "key_holders", {"keys": [key]})
        if found:
            _, item_id, status, wait_reason = found[0]
            return Enqueued(id=item_id, status=Status(status), wait_reason=wait_reason, created=False)
        # The holder ended between the two statements, so its key is free now; or its row was deleted by hand.
        store.count(using, "free_keys", {"keys": [key]})


def enqueue_many(using: str, items: Iterable[NewItem], now: datetime | None = None) -> list[int]:
    """Insert many items by COPY; see `DocumentQueueService.enqueue_many`."""
    checked = map(Checker().check, items)
    if isinstance(items, Collection) and all(item.unique_key is None for item in items):
        # A list stays as it is while we read it, so the rest of it may be checked while PostgreSQL is at work.
        ahead, count = list(islice(checked, AHEAD)), len(items)
    else:
        ahead = list(checked)
        count = len(ahead)
    if not count:
        return []
    if any(item.unique_key is not None for item in ahead):
        return _insert_many_unique(using, ahead, now)
    with store.atomic(using):
        ids, positions, clock = store.reserve(using, count, now)
        _copy(using, zip(chain(ahead, checked), ids, positions, strict=True), clock)
    events.emit(events.EventName.ITEMS_ENQUEUED, logging.DEBUG, count=count)
    return list(ids)


class _HoldersGone(Exception):
    """Some unique keys are neither ours nor a live item's."""

    def __init__(self, keys: list[str]) -> None:
        super().__init__(keys)
        self.keys = keys


def _insert_many_unique(using: str, items: Sequence[Checked], now: datetime | None) -> list[int]:
    while True:
        try:
            # Anew from the start each time: keys are taken in one order only while none is held already.
            with store.atomic(using):
                return _insert_those_with_free_keys(using, items, now)
        except _HoldersGone as gone:
            store.count(using, "free_keys", {"keys": gone.keys})


def _insert_those_with_free_keys(using: str, items: Sequence[Checked], now: datetime | None) -> list[int]:
    ids, positions, clock = store.reserve(using, len(items), now)
    owners: dict[str, int] = {}
    for item, item_id in zip(items, ids, strict=True):
        if item.unique_key is not None:
            owners.setdefault(item.unique_key, item_id)
    taken = store.run(using, "take_keys", {"keys": [*owners], "item_ids": [*owners.values()], "now": now})
    held = owners.keys() - {key for (key,) in taken}
    if held:
        holders = {row[0]: row[1] for row in store.run(using, "key_holders", {"keys": [*held]})}
        if holders.keys() != held:
            raise _HoldersGone(sorted(held - holders.keys()))
        owners |= holders
    answer = [i if item.unique_key is None else owners[item.unique_key] for item, i in zip(items, ids, strict=True)]
    new = [row for row, owner in zip(zip(items, ids, positions, strict=True), answer, strict=True) if row[1] == owner]
    _copy(using, new, clock)
    events.emit(events.EventName.ITEMS_ENQUEUED, logging.DEBUG, count=len(new))
    return answer


def _copy(using: str, items: Iterable[tuple[Checked, int, int]], clock: datetime) -> None:
    lines = copying.Lines(clock)
    store.copy_items(using, copying.COLUMNS, lines.chunks(items))
    waking.notify(using, lines.queues)
    if lines.keys:
        keys = list(lines.keys)
        transaction.on_commit(lambda: ordering.promote(using, keys), using=using, robust=True)
