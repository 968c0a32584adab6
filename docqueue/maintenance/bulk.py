"""Go on with bulk operations: slice by slice, each one transaction with the note of how far it came.

Whoever dies leaves whole slices behind, and the next one goes on from there. Several workers share the operations:
each slice belongs to the one that holds the operation's row. What somebody else holds on to is waited for briefly, then
skipped, and never stops the rest.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from django.db import Error as DatabaseError

from docqueue import history, store
from docqueue.admission import gates
from docqueue.bulk import KINDS, finish, parameters
from docqueue.models import AnyItem, BulkOperation
from docqueue.states import Status

EVERY_SECONDS = 1.0
ROUND_SECONDS = 0.2  # other duties wait meanwhile, and who claims keeps more than nine tenths of the pace
SLICE = 1000
STRETCH = 20_000  # rows looked at for one slice
LOCK_MILLISECONDS = 100
NAMED = 5  # so many of the items that were skipped for one reason
GONE, REFUSED = "gone", "refused"  # stand for a state: there is no such item any more; the database refused the change
FINER = 10  # a slice that was refused is tried in parts so much smaller


class Slice(NamedTuple):
    """What one slice did. `over`: there is nothing more to do for the operation now."""

    done: int
    over: bool


def run(using: str, now: datetime | None = None, *, seconds: float = ROUND_SECONDS) -> int:
    """Go on with every operation in turn for about so long. Returns how many items were changed."""
    until = time.monotonic() + seconds
    total = 0
    sizes: dict[int, int] = {}
    open_ids = [row[0] for row in store.run(using, "bulk_running", {})]
    while open_ids:
        for bulk_id in list(open_ids):
            did = _carefully(using, bulk_id, sizes, now)
            if did is None or did.over:
                open_ids.remove(bulk_id)
            total += 0 if did is None else did.done
            if time.monotonic() >= until:
                return total
    return total


def _carefully(using: str, bulk_id: int, sizes: dict[int, int], now: datetime | None) -> Slice | None:
    """One slice; in smaller and smaller parts when it is refused, down to the one item that is at fault."""
    size = sizes.get(bulk_id, SLICE)
    try:
        did = one_slice(using, bulk_id, size, now)
        sizes[bulk_id] = min(SLICE, size * FINER)
    except DatabaseError as error:
        if store.is_unwell(error) or store.in_transaction(using):
            raise
        if size > 1:
            sizes[bulk_id] = max(1, size // FINER)
            return Slice(0, over=False)
        did = one_slice(using, bulk_id, 1, now, skip=True)
        sizes[bulk_id] = FINER
    return did


def one_slice(using: str, bulk_id: int, size: int, now: datetime | None = None, *, skip: bool = False) -> Slice | None:
    """Change the next `size` items, or `skip` them. None: somebody else is at it, or it has ended."""

    def write() -> Slice | None:
        with store.atomic(using):
            rows = store.run(using, "bulk_take", {"id": bulk_id})
            return _write(using, bulk_id, rows[0], size, now, skip=skip) if rows else None

    return history.with_partition(using, now, write)


def _write(using: str, bulk_id: int, row: store.Row, size: int, now: datetime | None, *, skip: bool) -> Slice:
    action, found, said, created_at, last_id, reached_id = row
    options = json.loads(said)
    canary, sent = options.get("canary", 0), options.get("canaries", [])
    if sent and (len(sent) >= canary or reached_id >= last_id):
        return _await_canaries(using, bulk_id, sent, now)
    params = parameters(action, json.loads(found), options.get("priority")) | {
        "created_at": created_at,
        "now": now,
    }
    stretch = {"reached": reached_id, "last_id": last_id, "limit": min(size, (canary - len(sent)) or size)}
    look = "bulk_slice_finished" if KINDS[action].finished else "bulk_slice"
    [(ids, reached)] = store.run(using, look, {**params, **stretch, "stretch": STRETCH})
    changed: set[int] = set()
    if ids and not skip:
        store.run(using, "limit_locks", {"milliseconds": LOCK_MILLISECONDS})
        changed = ACTIONS[action](using, {**params, "ids": ids, "fair": gates.fair(), "bulk_id": bulk_id})
        if canary:
            sent = [*sent, *ids]
            store.count(using, "bulk_canaries", {"id": bulk_id, "ids": sent})
    over = reached is None and not sent
    left = [item_id for item_id in ids if item_id not in changed]
    noted = {"reached": last_id if reached is None else reached, "done": len(changed), "skipped": len(left)}
    why = json.dumps(_why(using, left, options.get("skipped", {}), refused=skip)) if left else None
    store.count(using, "bulk_advance", {"id": bulk_id, **noted, "why": why})
    if over:
        finish(using, bulk_id, BulkOperation.State.DONE, now=now)
    return Slice(len(changed), over)


def _why(using: str, ids: list[int], known: dict[str, Any], *, refused: bool) -> dict[str, Any]:
    """What was `known` of the skipped items, with these: by where each is instead, how many and the first of them."""
    found = {key: {"number": said["number"], "first": [*said["first"]]} for key, said in known.items()}
    states = {} if refused else dict(AnyItem.objects.using(using).filter(pk__in=ids).values_list("pk", "status"))
    for item_id in ids:
        said = found.setdefault(REFUSED if refused else states.get(item_id, GONE), {"number": 0, "first": []})
        said["number"] += 1
        if len(said["first"]) < NAMED:
            said["first"].append(item_id)
    return found


def _await_canaries(using: str, bulk_id: int, ids: list[int], now: datetime | None) -> Slice:
    """Look how the items that went first are: the rest follows once all are completed, and not when one fails."""
    [(gone, failed, code)] = store.run(using, "canary", {"ids": ids})
    if failed is not None:
        why = f"canary: item {failed} {'was cancelled' if code == 'cancelled' else f'failed again ({code})'}"
        store.count(using, "bulk_stopped", {"id": bulk_id, "why": why})
        finish(using, bulk_id, BulkOperation.State.ABORTED, why=why, now=now)
    elif gone == len(ids):
        store.count(using, "bulk_canaries", {"id": bulk_id, "ids": None})
        return Slice(0, over=False)
    return Slice(0, over=True)


def _move(using: str, params: dict[str, Any], *, statement: str) -> set[int]:
    """Items that stay in the queue."""
    rows = store.run(using, statement, params)
    gates.after_commit(using, rows)
    return {row[0] for row in rows}


def _cancel(using: str, params: dict[str, Any]) -> set[int]:
    rows = store.run(using, "cancel", params)
    gone = [row for row in rows if row[1] == Status.CANCELLED]
    _count(using, params, gone)
    gates.after_finish(using, [row[2] for row in gone], [row[3] for row in gone], [row[0] for row in gone])
    return {row[0] for row in rows}


def _count(using: str, params: dict[str, Any], gone: list[store.Row]) -> None:
    """Add what has ended to the totals, as workers do: in rows of the operation's own, so that no slice waits here."""
    if gone:
        none = [0] * len(gone)
        counts = {"completed": none, "cancelled": [1] * len(gone), "dead": none}
        when = {"queues": [row[4] for row in gone], "ats": [row[5].timestamp() for row in gone], "now": params["now"]}
        store.run(using, "add_finished", {"worker_id": -params["bulk_id"], **when, **counts})


def _purge(using: str, params: dict[str, Any]) -> set[int]:
    return {row[0] for row in store.run(using, "bulk_purge", params)}


ACTIONS: dict[str, Callable[[str, dict[str, Any]], set[int]]] = {
    "requeue": partial(_move, statement="bulk_requeue"),
    "priority": partial(_move, statement="bulk_priority"),
    "cancel": _cancel,
    "discard": _cancel,
    "purge": _purge,
}
