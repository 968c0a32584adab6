"""`DocumentQueueService`: one method a verb. Everything that changes an item comes through here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from docqueue import claiming, history, outcomes, settling, store, validation
from docqueue.acting import Acting
from docqueue.admission import gates
from docqueue.bulk import BulkOperations
from docqueue.cloning import Cloning
from docqueue.conf import get_settings
from docqueue.enqueuing import Enqueued
from docqueue.exceptions import AlreadyClaimed, IllegalTransition, LeaseLost
from docqueue.failures import Failures
from docqueue.flows import Flows
from docqueue.items import ClaimedItem, in_claim_order
from docqueue.jsontext import result_text
from docqueue.listing import Listing
from docqueue.looking import HasId, Looking, id_of
from docqueue.models import QueueItem, Schedule
from docqueue.pausing import Pausing
from docqueue.rules import Rules
from docqueue.scheduling import Scheduling
from docqueue.staffing import Staffing
from docqueue.states import LIVE, Status, allowed
from docqueue.templates import Templates
from docqueue.validation import NewItem

__all__ = ["ClaimedItem", "DocumentQueueService", "Enqueued", "NewItem", "Rules"]


class DocumentQueueService(
    Templates, Flows, Cloning, Looking, Listing, Scheduling, BulkOperations, Failures, Pausing, Staffing
):
    """The queue in one database (default: DOCQUEUE["DATABASE"]). Cheap to make; holds no state but the alias."""

    def __init__(self, using: str | None = None) -> None:
        self.using = using or get_settings().DATABASE

    def acting_as(self, user: Any) -> Acting:
        """The verbs of people in this user's hands: each asks for its permission (`NotAllowed`), `by` is the user."""
        return Acting(self, user)

    # -- claiming --------------------------------------------------------------------------------------------

    def get_pending_items(self, limit: int = 100, queue: str | None = None) -> list[QueueItem]:
        """The pending items that would be claimed next, in that order per queue. A look: nothing is claimed."""
        found = QueueItem.objects.using(self.using).filter(status=Status.PENDING)
        if queue is not None:
            found = found.filter(queue=queue)
        return list(found.order_by("-returned", "-priority", "position")[:limit])

    def claim(
        self,
        limit: int = 1,
        *,
        queues: Sequence[str] | None = None,
        worker: int | None = None,
        lease_seconds: float | None = None,
        now: datetime | None = None,
    ) -> list[ClaimedItem]:
        """Claim up to `limit` pending items, in claim order, each with a fresh fence.

        Never blocks: items another claimer is taking are skipped. Raises nothing when the queue is empty or
        paused: the list is. Without `worker` (a worker row's id) the caller gets a lease row of its own, and an
        item that may have killed an earlier claimer comes first and alone.
        """
        if worker is None:
            return claiming.claim_as_caller(self.using, queues or (), limit, lease_seconds, now)
        return claiming.claim_fronts(self.using, worker, queues or (), limit, now)

    def mark_in_progress(
        self, queue_item: HasId | int, *, lease_seconds: float | None = None, now: datetime | None = None
    ) -> ClaimedItem:
        """Claim this pending item. Raises `AlreadyClaimed` when another caller was first or it is not pending.

        The claim is leased for `lease_seconds` (default CALLER_LEASE_SECONDS); `heartbeat` renews it.
        """
        item_id = id_of(queue_item)
        with store.atomic(self.using):
            worker = claiming.register_caller(self.using, lease_seconds, now)
            params = {"worker_id": worker, "token": store.new_token(), "item_id": item_id, "now": now}
            found = in_claim_order(store.run(self.using, "claim_one", params))
            if not found:
                raise AlreadyClaimed(f"Item {item_id} is not pending any more.")
        return found[0]

    def heartbeat(
        self, queue_item: ClaimedItem, lease_seconds: float | None = None, *, now: datetime | None = None
    ) -> None:
        """Renew the lease of a claim made outside a worker. Raises `LeaseLost` when it is not the newest any more."""
        lease = get_settings().CALLER_LEASE_SECONDS if lease_seconds is None else lease_seconds
        params = {
            "item_id": queue_item.id,
            "worker_id": queue_item.worker_id,
            "token": queue_item.claim_token,
            "lease_seconds": lease,
            "now": now,
        }
        if not store.run(self.using, "heartbeat_item", params):
            raise _lost(queue_item)

    # -- settling --------------------------------------------------------------------------------------------

    def mark_completed(self, queue_item: ClaimedItem, *, result: Any = None, now: datetime | None = None) -> None:
        """Complete a claimed item; it moves to the history with `result` (JSON). Raises `LeaseLost`."""
        if not settling.complete(self.using, [(queue_item, result_text(result))], now):
            raise _lost(queue_item)
        self._forget_caller(queue_item)

    def mark_failed(
        self,
        queue_item: ClaimedItem,
        error_message: str,
        *,
        code: str = "failed",
        traceback: str = "",
        retryable: bool = True,
        retry_after: float | None = None,
        now: datetime | None = None,
    ) -> Status:
        """Record a failed attempt: `waiting` (it will be retried), `dead` or `cancelled`. Raises `LeaseLost`."""
        wait = None if retry_after is None else validation.seconds("retry_after", retry_after)
        failed = outcomes.Failed(
            code=code, message=str(error_message), traceback=traceback, retryable=retryable, retry_after=wait
        )
        return self._settle_one(queue_item, failed, now)

    def move_to_dead(
        self, queue_item: ClaimedItem, reason: str, *, code: str = "moved_to_dead", now: datetime | None = None
    ) -> Status:
        """Set a claimed item aside for a person to look at. Returns `dead` or `cancelled`. Raises `LeaseLost`."""
        return self._settle_one(queue_item, outcomes.Dead(code=code, message=str(reason)), now)

    def release(self, queue_item: ClaimedItem, *, now: datetime | None = None) -> Status:
        """Hand a claimed item back unrun: it keeps its place, the attempt is given back. Raises `LeaseLost`."""
        return self._settle_one(queue_item, outcomes.Released(), now)

    def snooze(self, queue_item: ClaimedItem, seconds: float, *, now: datetime | None = None) -> Status:
        """Not now: run it again after `seconds`; the attempt is given back. Raises `LeaseLost`."""
        wait = validation.seconds("seconds", seconds)
        return self._settle_one(queue_item, outcomes.Snoozed(seconds=wait), now)

    def _settle_one(self, item: ClaimedItem, outcome: outcomes.Outcome, now: datetime | None) -> Status:
        settled = settling.settle(self.using, [(item, outcome)], now)
        if item.id not in settled:
            raise _lost(item)
        self._forget_caller(item)
        return settled[item.id]

    def _forget_caller(self, item: ClaimedItem) -> None:
        store.run(self.using, "forget_caller", {"worker_id": item.worker_id})

    # -- people ----------------------------------------------------------------------------------------------

    def cancel(self, item: HasId | int, *, by: str = "", reason: str = "", now: datetime | None = None) -> Status:
        """Cancel an item in any live state: `cancelled` at once, or `in_progress` when its handler was asked to stop.

        Raises `ItemNotFound`, or `IllegalTransition` when it is finished already.
        """
        return self._cancel("cancel", id_of(item), list(LIVE), by, reason, now)

    def discard(self, item: HasId | int, *, by: str = "", reason: str = "", now: datetime | None = None) -> Status:
        """Give a dead item up for good: it ends cancelled, audited. Raises `ItemNotFound`, `IllegalTransition`."""
        return self._cancel("discard", id_of(item), [Status.DEAD], by, reason, now)

    def _cancel(
        self, verb: str, item_id: int, sources: list[Status], by: str, reason: str, now: datetime | None
    ) -> Status:
        params = {"ids": [item_id], "statuses": [s.value for s in sources], "created_at": None, "now": now}

        def write() -> list[store.Row]:
            with store.atomic(self.using):
                rows = store.run(self.using, "cancel", params)
                if rows:
                    self._audit(verb, item_id, by, reason, now)
                return rows

        rows = history.with_partition(self.using, now, write)
        if not rows:
            raise self._refusal(verb, item_id)
        status = Status(rows[0][1])
        if status == Status.CANCELLED:
            gates.after_finish(self.using, [rows[0][2]], [rows[0][3]], [item_id])
        return status

    def requeue(
        self,
        item: HasId | int,
        *,
        delay_seconds: float = 0,
        reset_attempts: bool = True,
        clear_steps: bool = False,
        by: str = "",
        reason: str = "",
        now: datetime | None = None,
    ) -> Enqueued:
        """Put a dead item back into the queue, or let one that waits for its time run now.

        With `reset_attempts` it starts from attempt 1 again, else it gets one more. The durable steps that it has
        behind it are skipped, unless `clear_steps` has it begin at the first. An item with an ordering key takes its
        turn again. Raises `ItemNotFound`, `IllegalTransition`.
        """
        return self._put_back(
            "requeue",
            id_of(item),
            [Status.DEAD, Status.WAITING],
            delay_seconds=validation.seconds("delay_seconds", delay_seconds),
            reset_attempts=reset_attempts,
            clear_steps=clear_steps,
            by=by,
            reason=reason,
            now=now,
        )

    def run_now(
        self, item: HasId | int | Schedule | str, *, by: str = "", reason: str = "", now: datetime | None = None
    ) -> Enqueued:
        """Let an item go on at once that waits for its time, or for an item that it comes after.

        The rules of admission still hold: its turn, its slot, its rate limit. Raises `ItemNotFound`, or
        `IllegalTransition` when it does not wait, or waits for one of those. A schedule, or the name of one, is run
        beside its ticks: see `Scheduling.run_now`.
        """
        if isinstance(item, Schedule | str):
            return super().run_now(item, by=by, reason=reason, now=now)
        return self._put_back("run_now", id_of(item), [Status.WAITING], by=by, reason=reason, now=now)

    def change_priority(
        self, item: HasId | int, priority: int | str, *, by: str = "", reason: str = "", now: datetime | None = None
    ) -> bool:
        """Give a waiting or pending item another priority (-100 … 100, or a word); audited.

        A pending one goes to the end of its new lane. False: it has that priority already, and nothing was changed.
        Raises `InvalidPriority`, `ItemNotFound`, or `IllegalTransition` when it neither waits nor is pending.
        """
        item_id, number = id_of(item), validation.priority(priority)
        params = {"ids": [item_id], "statuses": [Status.WAITING.value, Status.PENDING.value], "priority": number}
        with store.atomic(self.using):
            rows = store.run(self.using, "bulk_priority", params)
            if rows:
                self._audit("priority", item_id, by, reason, now, priority=number)
        if not rows:
            found = self.get_item(item_id)
            if found.priority == number and allowed("change_priority", Status(found.status)):
                return False
            raise self._refusal("change_priority", item_id)
        gates.after_commit(self.using, rows)
        return True

    def _put_back(
        self,
        verb: str,
        item_id: int,
        sources: list[Status],
        *,
        delay_seconds: float = 0,
        reset_attempts: bool = True,
        clear_steps: bool = False,
        by: str,
        reason: str,
        now: datetime | None,
    ) -> Enqueued:
        params = {
            "item_id": item_id,
            "statuses": [s.value for s in sources],
            "delay_seconds": delay_seconds,
            "reset_attempts": reset_attempts,
            "fair": gates.fair(),
            "now": now,
        }
        with store.atomic(self.using):
            rows = store.run(self.using, "requeue", params)
            if rows:
                self._audit(verb, item_id, by, reason, now)
                if clear_steps:
                    store.count(self.using, "clear_checkpoints", {"item_id": item_id})
        if not rows:
            raise self._refusal(verb, item_id)
        gates.after_commit(self.using, rows)
        _, status, wait_reason, *_ = rows[0]
        return Enqueued(id=item_id, status=Status(status), wait_reason=wait_reason, created=False)

    def audit(
        self,
        action: str,
        *,
        by: str,
        reason: str = "",
        item_id: int | None = None,
        count: int = 1,
        now: datetime | None = None,
        **about: Any,
    ) -> None:
        """Write down what a person did to what items stand for: a part of the caller's transaction.

        `about` are JSON values, by which it is found again; `item_id`: the item that it was about, or led to.
        """
        said = {"actor": outcomes.clean(by)[:255], "reason": outcomes.clean(reason)[:1000], "action": action}
        said |= {"filter": json.dumps(about)}
        store.run(self.using, "audit", {**said, "item_id": item_id, "count": count, "now": now})

    def _audit(self, action: str, item_id: int, by: str, reason: str, now: datetime | None, **more: Any) -> None:
        self.audit(action, by=by, reason=reason, item_id=item_id, now=now, **more)

    def _refusal(self, verb: str, item_id: int) -> IllegalTransition:
        status = self.get_status(item_id)
        if allowed(verb, status):
            return IllegalTransition(f"Item {item_id} is {status.label}; {verb} does not apply to why it waits.")
        return IllegalTransition(f"Item {item_id} is {status.label}: {verb} is not possible.")


def _lost(item: ClaimedItem) -> LeaseLost:
    return LeaseLost(f"Claim {item.claim_no} of item {item.id} is not the newest any more; nothing was changed.")
