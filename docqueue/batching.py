"""Batches: items that belong together, and what is enqueued when the last of them has ended.

Nothing counts: a batch is finished when it is sealed and a look finds nothing of it that could still run. So its row is
written three times, however many items it has: made, sealed, finished.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from docqueue import enqueuing, store, validation
from docqueue.exceptions import BatchNotFound, BatchSealed, InvalidOption
from docqueue.jsontext import json_text
from docqueue.rules import Gates
from docqueue.validation import REFUSE, Keys, NewItem

SLICE = 1000


@dataclass(frozen=True, kw_only=True)
class BatchStatus:
    """How far a batch is: its items by state; times with their zone, None for what has not happened yet.

    `outcome`: None until it is finished, then "completed" when every item was, else "failed". `callback_id`: the item
    that was enqueued then, if one was asked for.
    """

    id: int
    name: str
    pending: int
    in_progress: int
    waiting: int
    dead: int
    completed: int
    cancelled: int
    created_at: datetime
    sealed_at: datetime | None
    finished_at: datetime | None
    outcome: str | None
    callback_id: int | None

    @property
    def total(self) -> int:
        """How many items it has, as far as the history goes."""
        return self.pending + self.in_progress + self.waiting + self.dead + self.completed + self.cancelled

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self) | {"total": self.total}


def create(
    using: str, name: str, on_complete: NewItem | None, on_failure: NewItem | None, now: datetime | None = None
) -> int:
    """Make a batch. Raises an `InvalidItem` that says what is wrong with a callback, and `InvalidKey` for the name."""
    params = {"name": validation.key("name", name) if name else "", "now": now}
    params |= {"on_complete": _stored(on_complete), "on_failure": _stored(on_failure)}
    return int(store.run(using, "create_batch", params)[0][0])


def hold_open(using: str, batch_id: int) -> None:
    """Keep the batch from being sealed until the open transaction ends. Raises `BatchSealed`, `BatchNotFound`."""
    rows = store.run(using, "lock_batch", {"batch_id": batch_id})
    if not rows:
        raise BatchNotFound(f"There is no batch {batch_id}.")
    if rows[0][0]:
        raise BatchSealed(f"Batch {batch_id} is sealed: it takes no more items.")


def seal(using: str, batch_id: int, now: datetime | None = None) -> bool:
    """No more items. False: it was sealed already, and nothing was changed. Raises `BatchNotFound`."""
    sealed = bool(store.run(using, "seal_batch", {"batch_id": batch_id, "now": now}))
    if not sealed:
        status(using, [batch_id])
    # An accelerator: the duty finds it too.
    transaction.on_commit(lambda: finish(using, batch_id, now), using=using, robust=True)
    return sealed


def status(using: str, ids: Sequence[int], most: int | None = None) -> list[BatchStatus]:
    """How far these batches are, the newest first. Raises `BatchNotFound` when there is none of them.

    Counts the live, the dead and the finished items of each up to `most`.
    """
    names = BatchStatus.__dataclass_fields__
    rows = store.run(using, "batch_status", {"ids": [one for one in ids if one < 2**63], "most": most})
    found = [BatchStatus(**dict(zip(names, row, strict=True))) for row in rows]
    if not found:
        raise BatchNotFound(f"There is no batch {ids[0]}.")
    return found


def finish_all(using: str, now: datetime | None = None) -> int:
    """Finish every sealed batch that has nothing left to run. Returns how many were.

    One whose callback can not be enqueued stays open, and keeps no other: what was wrong is raised at the end.
    """
    total, after = 0, 0
    trouble: Exception | None = None
    while True:
        ids = [row[0] for row in store.run(using, "ended_batches", {"after": after, "limit": SLICE})]
        for batch_id in ids:
            try:
                total += finish(using, batch_id, now)
            except Exception as error:
                if store.is_unwell(error) or store.in_transaction(using):
                    raise
                trouble = trouble or error
        if len(ids) < SLICE:
            break
        after = ids[-1]
    if trouble is not None:
        raise trouble
    return total


def finish(using: str, batch_id: int, now: datetime | None = None) -> bool:
    """Set the outcome of a sealed batch that has nothing left to run, and enqueue what was asked for: both, or neither.

    It happens once, whoever asks. Returns whether it did now.
    """
    with store.atomic(using):
        rows = store.run(using, "finish_batch", {"batch_id": batch_id, "now": now})
        if not rows:
            return False
        _, callback = rows[0]
        if callback is not None:
            new = enqueuing.enqueue(using, _columns(json.loads(callback), batch_id), now)
            store.count(using, "note_callback", {"batch_id": batch_id, "item_id": new.id})
    return True


def _stored(item: NewItem | None) -> str | None:
    """A callback as it is kept: checked, and with what handler and settings say of it filled in.

    So it can not be refused any more when its time comes, by a worker that knows less than the caller did.
    """
    if item is None:
        return None
    columns = validation.columns(item)
    keys, gates, run_after = columns["keys"], columns["gates"], columns["run_after"]
    if gates is not None and (gates.after or gates.batch_id is not None):
        raise InvalidOption("A callback comes after its batch: it has no `after`, and belongs to no other batch.")
    if keys is not None and keys.on_conflict == REFUSE:
        raise InvalidOption("A callback can not refuse: on_conflict must be 'return' or 'replace'.")
    columns |= {name: json.loads(columns[name]) for name in ("payload", "metadata")}
    columns |= {"keys": keys and keys._asdict(), "gates": gates and gates._asdict()}
    return json_text("callback", columns | {"run_after": run_after and run_after.isoformat()})


def _columns(stored: dict[str, Any], batch_id: int) -> dict[str, Any]:
    keys, gates, run_after = stored["keys"], stored["gates"], stored["run_after"]
    return stored | {
        "keys": keys and Keys(**keys),
        "gates": gates and Gates(**gates | {"after": ()}),
        "run_after": run_after and datetime.fromisoformat(run_after),
        "payload": json_text("payload", stored["payload"]),
        "metadata": json_text("metadata", stored["metadata"] | {"batch_id": batch_id}),
    }
