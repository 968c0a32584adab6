"""Bulk operations: one verb on all items that a filter matches, frozen when it is asked for, done in slices by a duty.

Asking costs a count and a row, whatever it is about; the work is in docqueue/maintenance/bulk.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from docqueue import outcomes, store, validation
from docqueue.exceptions import BulkNotFound, IllegalTransition, InvalidBulk
from docqueue.models import BulkOperation
from docqueue.states import Status

COUNTED = 50_000
LOOKED_AT = 60_000
"""So many matches are counted at the start, among so many items; where there may be more it says "at least"."""

MOST_CANARIES = 100
"""So many items may be asked to go first."""

KEYS = ("status", "queue", "operation", "document_id", "error_code", "fingerprint", "enqueued_before", "ended_before")
"""What a filter may ask for."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """An action: which states it is about when the filter names none, and which it may name."""

    usual: tuple[Status, ...]
    allowed: tuple[Status, ...]
    finished: bool = False


KINDS = {
    "requeue": Kind(usual=(Status.DEAD,), allowed=(Status.DEAD, Status.WAITING)),
    "cancel": Kind(
        usual=(Status.WAITING, Status.PENDING, Status.IN_PROGRESS),
        allowed=(Status.WAITING, Status.PENDING, Status.IN_PROGRESS),
    ),
    "discard": Kind(usual=(Status.DEAD,), allowed=(Status.DEAD,)),
    "purge": Kind(
        usual=(Status.COMPLETED, Status.CANCELLED), allowed=(Status.COMPLETED, Status.CANCELLED), finished=True
    ),
    "priority": Kind(usual=(Status.WAITING, Status.PENDING), allowed=(Status.WAITING, Status.PENDING)),
}


PERMISSIONS = {
    "requeue": "docqueue.requeue_item",
    "cancel": "docqueue.cancel_item",
    "discard": "docqueue.cancel_item",
    "purge": "docqueue.delete_historyitem",
    "priority": "docqueue.change_queueitem",
}
"""What users of the admin and the API need for each action, to start it and to abort it."""


class BulkOperations:
    """Verbs about many items at once."""

    using: str

    def bulk(
        self,
        action: str,
        *,
        everything: bool = False,
        priority: int | str | None = None,
        canary: int | None = None,
        by: str = "",
        reason: str = "",
        now: datetime | None = None,
        **asked: Any,
    ) -> BulkOperation:
        """Have one verb done to all items that match now. Returns at once: a duty of the workers does it in slices.

        `action`: "requeue" (dead items from their first attempt; with status="waiting" those that wait for their time),
        "cancel" (waiting, pending, in progress), "discard" (dead), "purge" (finished: deleted for good) or "priority"
        (waiting and pending get `priority`). The filter: `status` (one or several), `queue`, `operation`,
        `document_id`, `error_code`, `fingerprint`, `enqueued_before`, `ended_before` (when it finished, or
        died). Without any it needs `everything`.

        `canary`, for a requeue: so many items first, and the rest once these are completed; it ends aborted when one of
        them fails.

        What comes into the queue later, or dies later, is left alone; what has moved on when it is reached is counted
        as skipped. Raises `InvalidBulk`; nothing was started then.
        """
        found = checked(action, asked, everything=everything)
        number = None
        if (priority is not None) != (action == "priority"):
            raise InvalidBulk("The action priority, and no other, needs a priority.")
        if priority is not None:
            number = validation.priority(priority)
        if canary is not None and (action != "requeue" or not is_count(canary)):
            raise InvalidBulk(f"canary is a number of items from 1 to {MOST_CANARIES}, and only a requeue has one.")
        there = matching(self.using, action, found, number, now)
        with store.atomic(self.using):
            options = {"priority": number, "at_least": there.at_least or None, "canary": canary}
            said = {
                "action": action,
                "filter": json.dumps(found),
                "options": json.dumps({key: value for key, value in options.items() if value is not None}),
                "actor": outcomes.clean(by)[:255],
                "reason": outcomes.clean(reason)[:1000],
            }
            more = {"created_at": there.moment, "last_id": there.last_id, "total": there.total}
            [(bulk_id,)] = store.run(self.using, "bulk_start", {**said, **more})
            audit(self.using, f"bulk_{action}", bulk_id, found, there.total, said["actor"], said["reason"], now)
        return self.bulk_status(bulk_id)

    def bulk_abort(self, bulk_id: int, *, by: str = "", reason: str = "", now: datetime | None = None) -> BulkOperation:
        """End a bulk operation after the slice that is under way; what it has done stays done.

        Raises `BulkNotFound`, or `IllegalTransition` when it has ended.
        """
        with store.atomic(self.using):
            rows = finish(self.using, bulk_id, BulkOperation.State.ABORTED, by=by, why=reason, now=now)
        found = self.bulk_status(bulk_id)
        if not rows:
            raise IllegalTransition(f"Bulk operation {bulk_id} is {found.state} already.")
        return found

    def bulk_status(self, bulk_id: int) -> BulkOperation:
        """How far a bulk operation is. Raises `BulkNotFound`."""
        found = BulkOperation.objects.using(self.using).filter(pk=bulk_id).first()
        if found is None:
            raise BulkNotFound(f"There is no bulk operation {bulk_id}.")
        return found


def is_count(canary: Any) -> bool:
    """Whether it is a number of items that may go first."""
    return isinstance(canary, int) and not isinstance(canary, bool) and 1 <= canary <= MOST_CANARIES


def checked(action: str, asked: Mapping[str, Any], *, everything: bool) -> dict[str, Any]:
    """The filter of an action in the form it is stored in. Raises `InvalidBulk`, `InvalidKey`."""
    kind = KINDS.get(action)
    if kind is None:
        raise InvalidBulk(f"There is no action {action!r}: only {', '.join(KINDS)}.")
    keys = [key for key in KEYS if not (kind.finished and key == "fingerprint")]
    if unknown := [key for key in asked if key not in keys]:
        raise InvalidBulk(f"A filter for {action} has no {unknown[0]!r}: only {', '.join(keys)}.")
    found = {key: _value(key, value) for key, value in asked.items() if value is not None}
    if not found and not everything:
        raise InvalidBulk(f"Without a filter, {action} would be about everything: say so with everything=True.")
    names = found.setdefault("status", [status.value for status in kind.usual])
    if wrong := [name for name in names if name not in kind.allowed]:
        raise InvalidBulk(f"{action} is about items that are {' or '.join(kind.allowed)}, not {wrong[0]!r}.")
    return found


def _value(key: str, value: Any) -> Any:
    match key:
        case "status":
            names = [value] if isinstance(value, str) else list(value) if isinstance(value, list | tuple | set) else []
            if not names or not all(isinstance(name, str) for name in names):
                raise InvalidBulk("status must be a state, or a list of states.")
            return [str(name) for name in names]
        case "enqueued_before" | "ended_before":
            if not isinstance(value, datetime) or value.tzinfo is None:
                raise InvalidBulk(f"{key} must be a time with a time zone.")
            return value.isoformat()
        case "document_id" if isinstance(value, int | UUID) and not isinstance(value, bool):
            return str(value)
    return validation.key(key, value)


def parameters(action: str, found: Mapping[str, Any], priority: int | None) -> dict[str, Any]:
    """What the statements need to know of an operation: every key of the filter, None where it does not matter."""
    wanted = {key: found.get(key) for key in KEYS if key != "status"}
    return {**wanted, "statuses": list(found["status"]), "action": action, "priority": priority}


@dataclass(frozen=True, kw_only=True)
class Matching:
    """How many items a filter matches at a `moment`, `at_least`; none of them is newer than `last_id`."""

    total: int
    at_least: bool
    last_id: int
    moment: datetime


def matching(
    using: str, action: str, found: Mapping[str, Any], priority: int | None = None, now: datetime | None = None
) -> Matching:
    """Count what a checked filter matches, however long the queue is: among the first `LOOKED_AT` of its items."""
    count = "bulk_count_finished" if KINDS[action].finished else "bulk_count"
    params = parameters(action, found, priority) | {"stretch": LOOKED_AT, "now": now}
    [(total, cut, last_id, moment)] = store.run(using, count, params)
    return Matching(total=min(total, COUNTED), at_least=cut or total > COUNTED, last_id=last_id, moment=moment)


def finish(
    using: str, bulk_id: int, state: str, *, by: str | None = None, why: str = "", now: datetime | None = None
) -> list[store.Row]:
    """End an operation that runs, audited with what it has done. No row: it has ended already.

    `by` and `why`: by whom and why; as its start, where nothing is said.
    """
    rows = store.run(using, "bulk_finish", {"id": bulk_id, "state": state, "now": now})
    for action, found, actor, reason, done in rows:
        who = actor if by is None else outcomes.clean(by)[:255]
        said = outcomes.clean(why)[:1000] or reason
        audit(using, f"bulk_{action}_{state}", bulk_id, json.loads(found), done, who, said, now)
    return rows


def audit(
    using: str,
    action: str,
    bulk_id: int,
    found: Mapping[str, Any],
    count: int,
    actor: str,
    reason: str,
    now: datetime | None,
) -> None:
    """Write down that an operation began or ended: one entry for all its items."""
    said = {"actor": actor, "reason": reason, "action": action, "item_id": None, "count": count, "now": now}
    store.run(using, "audit", {**said, "filter": json.dumps({"bulk": bulk_id, **found})})
