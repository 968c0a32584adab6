"""Putting items in: one by one, under a unique key, or many by COPY."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice
from typing import Any

from django.db import transaction

from docqueue import copying, events, handlers, store, waking
from docqueue.admission import dependencies, limits, ordering
from docqueue.admission import gates as admission_gates
from docqueue.exceptions import DuplicateKey, InvalidOption, UnknownParent
from docqueue.rules import Gates
from docqueue.states import Status
from docqueue.validation import IDEMPOTENT, REFUSE, REPLACE, RETURN, Checked, Checker, Keys, NewItem

IDEMPOTENCY_SECONDS = 86_400.0
AHEAD = 1000
"""Of a long list, so many items are checked before the database is asked; the others while it takes these in."""


@dataclass(frozen=True, kw_only=True)
class Enqueued:
    """What became of an enqueue or requeue.

    `created` is False when the unique or idempotency key named an item already; `replaced`: that one got the payload;
    `answered`: it is completed, and its result stands for this one's, as the operation's `answer_seconds` has it.
    `status` is None only where the key has outlived all that is known of its item.
    """

    id: int
    status: Status | None
    wait_reason: str | None = None
    created: bool = True
    replaced: bool = False
    answered: bool = False


def enqueue(using: str, columns: dict[str, Any], now: datetime | None = None) -> Enqueued:
    """Insert one validated item; under its keys, if it has any, only when no other item has them."""
    keys: Keys | None = columns.pop("keys")
    new = _insert(using, columns, now) if keys is None else _insert_with_keys(using, columns, keys, now)
    if columns["gates"] is not None and new.created and not store.in_transaction(using):
        # Its rules may have let it through right behind the commit.
        status, wait_reason = store.run(using, "status", {"item_id": new.id})[0]
        return replace(new, status=Status(status), wait_reason=wait_reason)
    return new


def _insert(using: str, columns: dict[str, Any], now: datetime | None) -> Enqueued:
    gates: Gates | None = columns["gates"]
    if gates is not None:
        return _insert_gated(using, columns, gates, now)
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


def _insert_gated(using: str, columns: dict[str, Any], gates: Gates, now: datetime | None) -> Enqueued:
    """An item with rules of its own: it is let through the first that allow it as soon as the caller has committed."""
    params = columns | gates._asdict() | {"held": bool(gates.after), "fair": admission_gates.fair(), "now": now}
    del params["gates"], params["after"]
    with store.atomic(using) if gates.after else nullcontext():
        row = store.run(using, "enqueue_gated", params)[0]
        if gates.after:
            edges = [(row[0], _known(parent), gates.if_parent_fails) for parent in gates.after]
            moved = dependencies.add(using, edges, now)
            row = moved.get(row[0], row)
    admission_gates.after_commit(using, [row])
    limits.after_commit(using, [gates.limit_key], now)
    events.emit(events.EventName.ITEMS_ENQUEUED, logging.DEBUG, operation=columns["operation"], count=1, item_id=row[0])
    return Enqueued(id=row[0], status=Status(row[1]), wait_reason=row[2])


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


def _insert_with_keys(using: str, columns: dict[str, Any], keys: Keys, now: datetime | None) -> Enqueued:
    while True:
        try:
            # Anew from the start each time: all of it, or nothing.
            with store.atomic(using):
                return _insert_if_free(using, columns, keys, now)
        except _HoldersGone as gone:
            store.count(using, "free_keys", {"keys": gone.keys, "now": now})


def _insert_if_free(using: str, columns: dict[str, Any], keys: Keys, now: datetime | None) -> Enqueued:
    """The idempotency key is taken first, so that callers who want the same two wait for each other in one order."""
    own, key = keys.idempotency_key and IDEMPOTENT + keys.idempotency_key, columns["unique_key"]
    if own and not _take(using, [own], [0], [("period", IDEMPOTENCY_SECONDS)], now):
        return _holder(using, own, now)
    if (answer := _answer(using, columns, now)) is not None:
        new = answer
        taken = [own] if own else []
    elif key is None or _take(using, [key], [0], [(keys.lifetime, keys.seconds)], now):
        if _answer(using, columns, now) is not None:
            raise _HoldersGone([])  # it was completed while we waited for the key: all anew
        new = _insert(using, columns, now)
        taken = [one for one in (own, key) if one]
    else:
        new = _conflict(using, columns, keys, _holder(using, key, now))
        taken = [own] if own else []
    for one in taken:
        store.run(using, "assign_key", {"key": one, "item_id": new.id})
    return new


def _answer(using: str, columns: dict[str, Any], now: datetime | None) -> Enqueued | None:
    """The completed item that answers instead of a new one, where the operation allows it and there is one."""
    handler = handlers.find(columns["operation"])
    if handler is None or handler.answer_seconds is None or columns["unique_key"] is None:
        return None
    given = {name: columns[name] for name in ("operation", "unique_key", "payload")}
    for (item_id,) in store.run(using, "cached_answer", {**given, "seconds": handler.answer_seconds, "now": now}):
        return Enqueued(id=item_id, status=Status.COMPLETED, created=False, answered=True)
    return None


def _take(
    using: str, keys: list[str], ids: list[int], lifetimes: list[tuple[str, float | None]], now: datetime | None
) -> set[str]:
    """Take these keys for these items; which of them nobody had."""
    names, seconds = [name for name, _ in lifetimes], [length for _, length in lifetimes]
    params = {"keys": keys, "item_ids": ids, "lifetimes": names, "seconds": seconds, "now": now}
    return {key for (key,) in store.run(using, "take_keys", params)}


def _holder(using: str, key: str, now: datetime | None) -> Enqueued:
    """The item that has this key. Raises `_HoldersGone`: it has just ended, or its row was deleted by hand."""
    found = store.run(using, "key_holders", {"keys": [key], "now": now})
    if not found:
        raise _HoldersGone([key])
    _, item_id, status, wait_reason = found[0]
    known = None if status is None else Status(status)
    return Enqueued(id=item_id, status=known, wait_reason=wait_reason, created=False)


def _conflict(using: str, columns: dict[str, Any], keys: Keys, holder: Enqueued) -> Enqueued:
    if keys.on_conflict == REFUSE:
        raise DuplicateKey(f"Item {holder.id} has the key {columns['unique_key']!r} already.", item_id=holder.id)
    if keys.on_conflict == REPLACE:
        given = {name: columns[name] for name in ("payload", "metadata")}
        for _, status, wait_reason in store.run(using, "replace_payload", {"item_id": holder.id, **given}):
            return replace(holder, status=Status(status), wait_reason=wait_reason, replaced=True)
    return holder


def enqueue_many(using: str, items: Iterable[NewItem], now: datetime | None = None) -> list[int]:
    """Insert many items by COPY; see `DocumentQueueService.enqueue_many`."""
    check, ahead = Checker().check, []
    if not isinstance(items, Collection):
        read = [(item, _bulk_only(check(item))) for item in items]  # what it yields may be another's a moment later
        items, ahead = [item for item, _ in read], [one for _, one in read]
    if not items:
        return []
    gated = bool(handlers.ruled) or admission_gates.fair() or any(item.rules is not None for item in items)
    unique = any(item.unique_key is not None for item in items)
    # A list stays as it is while we read it, so the rest of it may be checked while PostgreSQL is at work.
    checked = map(_bulk_only, map(check, islice(items, len(ahead), None)))
    ahead += checked if gated or unique else islice(checked, AHEAD)
    if unique:
        return _insert_many_unique(using, items, ahead, gated, now)
    with store.atomic(using):
        ids, positions, clock = store.reserve(using, len(items), now)
        _copy(using, zip(chain(ahead, checked), ids, positions, strict=True), clock, gated=gated)
        if gated:
            dependencies.add(using, _edges(items, ahead, ids), now)
    events.emit(events.EventName.ITEMS_ENQUEUED, logging.DEBUG, count=len(items))
    return list(ids)


def _edges(items: Iterable[NewItem], checked: Sequence[Checked], ids: Sequence[int]) -> list[dependencies.Edge]:
    """Whom each comes after; a parent may be one that stands before it in `items`.

    Under one unique key several are one item: it has the rules of the first of them, and is one parent.
    """
    known: dict[int, int] = {}
    seen: set[int] = set()
    found: list[dependencies.Edge] = []
    for item, one, item_id in zip(items, checked, ids, strict=True):
        if one.gates is not None:
            before = dict.fromkeys(_known(parent, known) for parent in one.gates.after)
            found += [(item_id, parent, one.gates.if_parent_fails) for parent in before if item_id not in seen]
        known[id(item)] = item_id
        seen.add(item_id)
    return found


def _known(parent: object, before: Mapping[int, int] | None = None) -> int:
    found = parent if isinstance(parent, int) else (before or {}).get(id(parent))
    if found is None or isinstance(found, bool):
        raise UnknownParent("`after` names ids of items, or items that stand before this one in the same call.")
    if not 0 < found < 2**63:
        raise UnknownParent(f"There is no item {found} to come after.")
    return found


def _bulk_only(item: Checked) -> Checked:
    if item.keys is not None and (item.keys.on_conflict != RETURN or item.keys.idempotency_key is not None):
        raise InvalidOption(
            "In bulk a conflict returns the item that has the key, and there are no idempotency keys.",
            hint="Enqueue such items one by one.",
        )
    return item


class _HoldersGone(Exception):
    """Some keys are neither ours nor a live item's, or what we went by is not so any more."""

    def __init__(self, keys: list[str]) -> None:
        super().__init__(keys)
        self.keys = keys


def _insert_many_unique(
    using: str, new: Iterable[NewItem], items: Sequence[Checked], gated: bool, now: datetime | None
) -> list[int]:
    while True:
        try:
            # Anew from the start each time: keys are taken in one order only while none is held already.
            with store.atomic(using):
                answer, made = _insert_those_with_free_keys(using, items, gated, now)
                if gated:
                    edges = _edges(new, items, answer)
                    dependencies.add(using, [edge for edge in edges if edge[0] in made], now)
                return answer
        except _HoldersGone as gone:
            store.count(using, "free_keys", {"keys": gone.keys, "now": now})


def _insert_those_with_free_keys(
    using: str, items: Sequence[Checked], gated: bool, now: datetime | None
) -> tuple[list[int], set[int]]:
    """The ids that the items got, and those of them that are new."""
    ids, positions, clock = store.reserve(using, len(items), now)
    owners: dict[str, int] = {}
    lifetimes: list[tuple[str, float | None]] = []
    for item, item_id in zip(items, ids, strict=True):
        if item.unique_key is not None and item.keys is not None and item.unique_key not in owners:
            owners[item.unique_key] = item_id
            lifetimes.append((item.keys.lifetime, item.keys.seconds))
    held = owners.keys() - _take(using, [*owners], [*owners.values()], lifetimes, now)
    if held:
        holders = {row[0]: row[1] for row in store.run(using, "key_holders", {"keys": [*held], "now": now})}
        if holders.keys() != held:
            raise _HoldersGone(sorted(held - holders.keys()))
        owners |= holders
    answer = [i if item.unique_key is None else owners[item.unique_key] for item, i in zip(items, ids, strict=True)]
    new = [row for row, owner in zip(zip(items, ids, positions, strict=True), answer, strict=True) if row[1] == owner]
    _copy(using, new, clock, gated=gated)
    events.emit(events.EventName.ITEMS_ENQUEUED, logging.DEBUG, count=len(new))
    return answer, {item_id for _, item_id, _ in new}


def _copy(using: str, items: Iterable[tuple[Checked, int, int]], clock: datetime, *, gated: bool = False) -> None:
    lines = copying.Lines(clock, gated=gated, fair=admission_gates.fair())
    store.copy_items(using, copying.GATED_COLUMNS if gated else copying.COLUMNS, lines.chunks(items))
    waking.notify(using, lines.queues)
    admission_gates.after_commit(using, lines.moved)
    limits.after_commit(using, lines.limits, clock)
    if lines.keys:
        keys = list(lines.keys)
        transaction.on_commit(lambda: ordering.promote(using, keys), using=using, robust=True)
