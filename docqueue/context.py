"""What a handler gets: its item, and the few things it may do with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from docqueue import family, history, outcomes, settling, store
from docqueue.exceptions import Cancelled, LeaseLost
from docqueue.family import Parent
from docqueue.items import ClaimedItem
from docqueue.jsontext import result_text
from docqueue.steps import Steps

IDLE_IN_COMPLETE_MS = 5_000  # between two statements: an open transaction holds up vacuum, and locks others out
PROGRESS_SECONDS = 0.25  # at most one message to the supervisor in so long; the first of a stage and 100 % always go


class Channel(Protocol):
    """How a running handler talks to its supervisor."""

    def progress(self, item: ClaimedItem, percent: int, stage: str, message: str) -> None:
        """Tell how far the item is."""

    def cancel_requested(self, item: ClaimedItem) -> bool:
        """Whether somebody asked to cancel it."""


class Context:
    """The item that a handler runs, as the handler sees it."""

    def __init__(self, item: ClaimedItem, using: str, channel: Channel, *, tested: bool = False) -> None:
        """`tested`: a transaction is open around everything, as in a test that rolls back."""
        self.item = item
        self.using = using
        self.settled = False
        self._tested = tested
        self._payload: dict[str, Any] | None = None
        self._metadata: dict[str, Any] | None = None
        self._channel = channel
        self._steps: Steps | None = None
        self._parents: list[Parent] | None = None
        self._said_at = 0.0
        self._said_stage = ""

    @property
    def id(self) -> int:
        """The item's id."""
        return self.item.id

    @property
    def operation(self) -> str:
        """The operation's name."""
        return self.item.operation

    @property
    def document_id(self) -> str | None:
        """The document this is about, as text."""
        return self.item.document_id

    @property
    def payload(self) -> dict[str, Any]:
        """The payload given at enqueue."""
        if self._payload is None:
            self._payload = self.item.payload
        return self._payload

    @property
    def metadata(self) -> dict[str, Any]:
        """What travels with the item: correlation id, user …"""
        if self._metadata is None:
            self._metadata = self.item.metadata
        return self._metadata

    @property
    def parents(self) -> list[Parent]:
        """The items that this one comes after, by id: each with `id`, `outcome`, `result`. Read when first asked."""
        if self._parents is None:
            self._parents = family.parents(self.using, self.id)
        return self._parents

    @property
    def parent_results(self) -> dict[int, Any]:
        """The results of those by id; None for one that has none, or did not complete."""
        return {parent.id: parent.result for parent in self.parents}

    @property
    def attempt(self) -> int:
        """Number of this attempt, from 1."""
        return max(1, self.item.attempt)  # that of a probe does not count

    @property
    def max_attempts(self) -> int:
        """The last attempt there will be."""
        return self.item.max_attempts

    @property
    def idempotency_key(self) -> str:
        """The same through all attempts, crashes and requeues: give it to the outside systems that you call."""
        return f"docqueue-{self.item.id}"

    def check(self) -> None:
        """Raise `Cancelled` when somebody asked to cancel this item. Call it in long loops."""
        if self._channel.cancel_requested(self.item):
            raise Cancelled(f"item {self.id} was cancelled")

    def progress(self, percent: float, stage: str = "", message: str = "") -> None:
        """Say how far the item is, 0–100. Cheap: throttled, written by the supervisor. Raises `Cancelled`."""
        self.check()
        now = time.monotonic()
        if now - self._said_at >= PROGRESS_SECONDS or stage != self._said_stage or percent >= 100:
            self._said_at, self._said_stage = now, stage
            whole = max(0, min(100, int(percent)))
            self._channel.progress(self.item, whole, outcomes.clean(stage)[:100], outcomes.clean(message)[:500])

    def step(self, name: str, function: Callable[..., Any], *args: Any, atomic: bool = False, **kwargs: Any) -> Any:
        """Run `function` once for this item, however often its handler runs: a later attempt gets the stored result.

        The result is stored as soon as the function has returned, as JSON (and handed back as such: a tuple becomes a
        list), PAYLOAD_MAX_BYTES at most. The function runs outside of any transaction, and again if the process dies
        before its result is stored. With `atomic` it runs inside the transaction that stores it, so that its own
        database writes, which must be short, happen exactly once. Raises what the function raises, `Cancelled`,
        `InvalidStep` for a name used twice in one run, `PayloadNotJson`, `PayloadTooLarge`, and `LeaseLost` when the
        claim is not the newest any more: then nothing was stored.
        """
        if not self._tested and not store.connection(self.using).get_autocommit():
            raise RuntimeError("ctx.step() stores its result at once: use it outside of any transaction")
        if self._steps is None:
            self._steps = Steps(self.item, self.using)
        self._steps.take(name)
        self.check()
        known, result = self._steps.stored(name)
        return result if known else self._steps.run(name, partial(function, *args, **kwargs), atomic=atomic)

    @contextmanager
    def complete(self, result: Any = None) -> Iterator[None]:
        """Commit the block's database writes and the item's completion together: both happen, or neither.

        The writes must go to the queue's database. The fenced removal of the item comes last before COMMIT; when
        the claim is not the newest any more, everything rolls back and `LeaseLost` leaves the block. `result` is
        read when the block ends, so the block may still fill it in. Use it once, last, and outside of any
        transaction: what is around it could still roll the completion back. Be short: after 5 s without a statement
        PostgreSQL ends the transaction, and that is a failed attempt.
        """
        if self.settled:
            raise RuntimeError("ctx.complete() was used already: the item is completed")
        if not self._tested and not store.connection(self.using).get_autocommit():
            raise RuntimeError("ctx.complete() opens the transaction itself: use it outside of any other")
        history.ensure(self.using)
        with store.atomic(self.using):
            if not self._tested:
                store.run(self.using, "limit_idle", {"milliseconds": IDLE_IN_COMPLETE_MS})
            yield
            text = result_text(result)
            if not settling.complete(self.using, [(self.item, text)]):
                raise LeaseLost(f"Item {self.id} is in other hands; nothing of this run was written.")
        self.settled = True
