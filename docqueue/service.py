"""`DocumentQueueService`: one method a verb. Everything that changes an item comes through here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from docqueue import claiming, enqueuing, history, outcomes, settling, stats, store, validation
from docqueue.admission import ordering
from docqueue.conf import get_settings
from docqueue.enqueuing import Enqueued
from docqueue.exceptions import AlreadyClaimed, IllegalTransition, ItemNotFound, LeaseLost
from docqueue.items import ClaimedItem
from docqueue.jsontext import result_text
from docqueue.models import AnyItem, QueueItem
from docqueue.states import LIVE, Status, allowed
from docqueue.validation import DOCUMENT, FINISHED, RETURN, DocumentId, NewItem

__all__ = ["ClaimedItem", "DocumentQueueService", "Enqueued", "NewItem"]


class HasId(Protocol):
    """Anything with an item's id."""

    @property
    def id(self) -> int: ...


class DocumentQueueService:
    """The queue in one database (default: DOCQUEUE["DATABASE"]). Cheap to make; holds no state but the alias."""

    def __init__(self, using: str | None = None) -> None:
        self.using = using or get_settings().DATABASE

    # -- producing -------------------------------------------------------------------------------------------

    def enqueue(
        self,
        document_id: DocumentId | None,
        operation: str | None = None,
        priority: int | str = 0,
        *,
        payload: Mapping[str, Any] | None = None,
        queue: str | None = None,
        run_after: datetime | None = None,
        delay_seconds: float | None = None,
        unique_key: str | None = None,
        unique_for: str | float | timedelta = FINISHED,
        on_conflict: str = RETURN,
        idempotency_key: str | None = None,
        ordering_key: str | None = DOCUMENT,
        max_attempts: int | None = None,
        timeout_seconds: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        using: str | None = None,
        now: datetime | None = None,
    ) -> Enqueued:
        """Put one item into the queue, as part of the caller's transaction if there is one.

        `document_id` is kept as text and is the default `ordering_key`: two items of one document never run at once.
        `unique_for` says how long it has its `unique_key`: until "claimed", until "finished" (or dead; the default),
        for so many seconds whatever becomes of it, or "forever". Meanwhile another enqueue under the key does as
        `on_conflict` says: "return" that item (`created` False), "replace" its payload and metadata if it has not
        started (`replaced` True), or "refuse" (`DuplicateKey`). Under one `idempotency_key`, for callers that lost an
        answer, there is one item in 24 hours. Raises an `InvalidItem` that says what is wrong; nothing was written.
        """
        item = NewItem(
            document_id=document_id, operation=operation, priority=priority, payload=payload, queue=queue,
            run_after=run_after, delay_seconds=delay_seconds, unique_key=unique_key, unique_for=unique_for,
            on_conflict=on_conflict, idempotency_key=idempotency_key, ordering_key=ordering_key,
            max_attempts=max_attempts, timeout_seconds=timeout_seconds, metadata=metadata,
        )  # fmt: skip
        return enqueuing.enqueue(using or self.using, validation.columns(item), now)

    def enqueue_many(self, items: Iterable[NewItem], *, now: datetime | None = None) -> list[int]:
        """Put many items into the queue by COPY, as part of the caller's transaction. Returns their ids in order.

        All or none: an invalid item raises its `InvalidItem` and nothing is inserted. Items with an ordering key
        start `waiting` and are promoted right after the commit. For an item whose `unique_key` another has, or one
        before it in `items`, that one's id is returned; the other answers to a conflict, and idempotency keys, are for
        `enqueue` (`InvalidOption`). A list is faster than a generator, each of whose items has
        to be read and checked before the first is sent.
        """
        return enqueuing.enqueue_many(self.using, items, now)

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
        lanes = [lane.queue for lane in claiming.lanes(self.using, queues or ()) if lane.plain]
        return claiming.claim(self.using, worker, lanes, limit, now)

    def mark_in_progress(
        self, queue_item: HasId | int, *, lease_seconds: float | None = None, now: datetime | None = None
    ) -> ClaimedItem:
        """Claim this pending item. Raises `AlreadyClaimed` when another caller was first or it is not pending.

        The claim is leased for `lease_seconds` (default CALLER_LEASE_SECONDS); `heartbeat` renews it.
        """
        item_id = _id(queue_item)
        with store.atomic(self.using):
            worker = claiming.register_caller(self.using, lease_seconds, now)
            params = {"worker_id": worker, "token": store.new_token(), "item_id": item_id, "now": now}
            found = store.claimed(store.run(self.using, "claim_one", params))
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
        return self._cancel("cancel", _id(item), list(LIVE), by, reason, now)

    def discard(self, item: HasId | int, *, by: str = "", reason: str = "", now: datetime | None = None) -> Status:
        """Give a dead item up for good: it ends cancelled, audited. Raises `ItemNotFound`, `IllegalTransition`."""
        return self._cancel("discard", _id(item), [Status.DEAD], by, reason, now)

    def _cancel(
        self, verb: str, item_id: int, sources: list[Status], by: str, reason: str, now: datetime | None
    ) -> Status:
        params = {"item_id": item_id, "sources": [s.value for s in sources], "now": now}

        def write() -> list[store.Row]:
            with store.atomic(self.using):
                rows = store.run(self.using, "cancel", params)
                if rows:
                    self._audit(verb, item_id, by, reason, now)
                return rows

        rows = history.with_partition(self.using, now, write)
        if not rows:
            raise self._refusal(verb, item_id)
        status, key = Status(rows[0][1]), rows[0][2]
        if status == Status.CANCELLED and key is not None:
            ordering.after_finish(self.using, [key])
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
        item_id = _id(item)
        params = {
            "item_id": item_id,
            "delay_seconds": validation.seconds("delay_seconds", delay_seconds),
            "reset_attempts": reset_attempts,
            "now": now,
        }
        with store.atomic(self.using):
            rows = store.run(self.using, "requeue", params)
            if rows:
                self._audit("requeue", item_id, by, reason, now)
                if clear_steps:
                    store.count(self.using, "clear_checkpoints", {"item_id": item_id})
        if not rows:
            raise self._refusal("requeue", item_id)
        _, status, wait_reason, key = rows[0]
        if wait_reason == "ordering":
            ordering.after_finish(self.using, [key])
        return Enqueued(id=item_id, status=Status(status), wait_reason=wait_reason, created=False)

    def _audit(self, action: str, item_id: int, by: str, reason: str, now: datetime | None) -> None:
        said = {"actor": outcomes.clean(by)[:255], "reason": outcomes.clean(reason)[:1000], "action": action}
        store.run(self.using, "audit", {**said, "item_id": item_id, "filter": "{}", "count": 1, "now": now})

    def _refusal(self, verb: str, item_id: int) -> IllegalTransition:
        status = self.get_status(item_id)
        if allowed(verb, status):
            return IllegalTransition(f"Item {item_id} is {status.label}; {verb} does not apply to why it waits.")
        return IllegalTransition(f"Item {item_id} is {status.label}: {verb} is not possible.")

    # -- looking ---------------------------------------------------------------------------------------------

    def get_item(self, item: HasId | int) -> AnyItem:
        """The item, live or finished. Raises `ItemNotFound`."""
        item_id = _id(item)
        found = AnyItem.objects.using(self.using).filter(pk=item_id).first()
        if found is None:
            raise ItemNotFound(f"There is no item {item_id}.")
        return found

    def get_status(self, item: HasId | int) -> Status:
        """Where the item is, live or finished. Raises `ItemNotFound`."""
        item_id = _id(item)
        rows = store.run(self.using, "status", {"item_id": item_id})
        if not rows:
            raise ItemNotFound(f"There is no item {item_id}.")
        return Status(rows[0][0])

    def get_queue_stats(self, *, now: datetime | None = None) -> stats.QueueStats:
        """Depths per queue and in total, workers, queues that none serves. Finished: as far as history goes."""
        return stats.read(self.using, now)

    def explain(self, item: HasId | int, *, now: datetime | None = None) -> str:
        """One plain sentence: where the item is, why, and what would move it. Raises `ItemNotFound`."""
        return stats.explain(self.using, self.get_item(item), now)


def _id(item: HasId | int) -> int:
    return item if isinstance(item, int) else item.id


def _lost(item: ClaimedItem) -> LeaseLost:
    return LeaseLost(f"Claim {item.claim_no} of item {item.id} is not the newest any more; nothing was changed.")
