"""The half of the service that puts items in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from docqueue import enqueuing, validation
from docqueue.enqueuing import Enqueued
from docqueue.looking import HasId
from docqueue.rules import HOLD, NO_RULES, Rules
from docqueue.validation import DOCUMENT, FINISHED, RETURN, DocumentId, NewItem


class Producing:
    """Verbs of producers."""

    using: str

    def enqueue(
        self,
        document_id: DocumentId | None,
        operation: str | None = None,
        priority: int | str | None = None,
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
        after: Sequence[HasId | int] = (),
        if_parent_fails: str = HOLD,
        tenant: str | None = None,
        concurrency_key: str | None = None,
        concurrency_limit: int | None = None,
        limit_key: str | None = None,
        using: str | None = None,
        now: datetime | None = None,
    ) -> Enqueued:
        """Put one item into the queue, as part of the caller's transaction if there is one.

        `document_id` is kept as text and is the default `ordering_key`: two items of one document never run at once.
        `unique_for` says how long it has its `unique_key`: until "claimed", until "finished" (or dead; the default),
        for so many seconds whatever becomes of it, or "forever". Meanwhile another enqueue under the key does as
        `on_conflict` says: "return" that item (`created` False), "replace" its payload and metadata if it has not
        started (`replaced` True), or "refuse" (`DuplicateKey`). Under one `idempotency_key`, for callers that lost an
        answer, there is one item in 24 hours. An operation's `answer_seconds` may have a completed item answer for a
        new one (`answered`). The rest are rules of admission: see `Rules`. Raises an `InvalidItem`
        that says what is wrong; nothing was written then.
        """
        item = NewItem(
            document_id=document_id, operation=operation, priority=priority, payload=payload, queue=queue,
            run_after=run_after, delay_seconds=delay_seconds, unique_key=unique_key, unique_for=unique_for,
            on_conflict=on_conflict, idempotency_key=idempotency_key, ordering_key=ordering_key,
            max_attempts=max_attempts, timeout_seconds=timeout_seconds, metadata=metadata,
        )  # fmt: skip
        rules = Rules(
            after=after, if_parent_fails=if_parent_fails, tenant=tenant, concurrency_key=concurrency_key,
            concurrency_limit=concurrency_limit, limit_key=limit_key,
        )  # fmt: skip
        item.rules = None if rules == NO_RULES else rules
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
