"""The part of the service that puts in items that belong together: chains and batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from docqueue import batching, enqueuing, outcomes, store, validation
from docqueue.batching import BatchStatus
from docqueue.enqueuing import Enqueued
from docqueue.exceptions import InvalidOption
from docqueue.looking import HasId, id_of
from docqueue.rules import CANCEL, HOLD, NO_RULES, Rules, parents
from docqueue.validation import DocumentId, NewItem

RULES = frozenset(Rules.__dataclass_fields__) - {"batch_id"}


class Batch:
    """A batch that takes items until it is sealed. In a `with` block it is sealed at the end, if that is reached."""

    def __init__(self, using: str, batch_id: int) -> None:
        self.using = using
        self.id = batch_id

    def enqueue(
        self,
        document_id: DocumentId | None,
        operation: str | None = None,
        *,
        now: datetime | None = None,
        **options: Any,
    ) -> Enqueued:
        """Put one item into the queue, as part of the batch; `options` are those of `DocumentQueueService.enqueue`.

        An item that had the `unique_key` already does not become a part of it. Raises `BatchSealed`, `InvalidItem`.
        """
        rules = Rules(**{name: options.pop(name) for name in RULES & options.keys()}, batch_id=self.id)
        try:
            item = NewItem(document_id=document_id, operation=operation, rules=rules, **options)
        except TypeError as error:
            raise InvalidOption(f"There is no such option: {error}.") from error
        columns = validation.columns(item)
        with store.atomic(self.using):
            batching.hold_open(self.using, self.id)
            return enqueuing.enqueue(self.using, columns, now)

    def add(self, items: Iterable[NewItem], *, now: datetime | None = None) -> list[int]:
        """Put many items into the queue, as parts of the batch, as `enqueue_many`. Raises `BatchSealed`."""
        return self._add(_each_once((item, item.rules) for item in items), now)

    def chain(
        self, items: Iterable[NewItem], *, if_parent_fails: str = CANCEL, now: datetime | None = None
    ) -> list[int]:
        """Put items into the queue, as parts of the batch, each after the one before it; see the service's `chain`."""
        return self._add(_links(items, if_parent_fails), now)

    def seal(self, *, now: datetime | None = None) -> None:
        """No more items: when those that there are have ended, the batch is finished. Once is as good as twice."""
        batching.seal(self.using, self.id, now)

    def _add(self, items: Mapping[NewItem, Rules | None], now: datetime | None) -> list[int]:
        mine = {item: replace(rules or NO_RULES, batch_id=self.id) for item, rules in items.items()}
        with _lent(mine), store.atomic(self.using):
            batching.hold_open(self.using, self.id)
            return enqueuing.enqueue_many(self.using, list(mine), now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.seal()


class Flows:
    """Verbs for items that belong together."""

    using: str

    def chain(
        self, items: Iterable[NewItem], *, if_parent_fails: str = CANCEL, now: datetime | None = None
    ) -> list[int]:
        """Put items into the queue, each to run after the one before it has completed. Returns their ids in order.

        When one dies or is cancelled, the next ends cancelled (`if_parent_fails="cancel"`), waits for a requeue of it
        ("hold"), or runs all the same ("run"); an item whose own rules say "cancel" or "run" has its own way.
        All or none, as part of the caller's transaction; raises as `enqueue_many`.
        """
        links = _links(items, if_parent_fails)
        with _lent(links):
            return enqueuing.enqueue_many(self.using, list(links), now)

    def batch(
        self,
        name: str = "",
        *,
        on_complete: NewItem | None = None,
        on_failure: NewItem | None = None,
        now: datetime | None = None,
    ) -> Batch:
        """Make a batch, add items to it and seal it: when all have ended, one more item is enqueued.

        `on_complete` if every item was completed, `on_failure` if one is dead or was cancelled; its metadata has the
        `batch_id`. It is enqueued once, in the transaction that sets the outcome, within some seconds of the end; a
        member that is requeued later changes nothing of that. Raises an `InvalidItem` when a callback is wrong.
        """
        return Batch(self.using, batching.create(self.using, name, on_complete, on_failure, now))

    def get_batch(self, batch: HasId | int) -> Batch:
        """A batch to add to, in another process than the one that made it. Raises `BatchNotFound`."""
        return Batch(self.using, self.batch_status(batch).id)

    def seal_batch(self, batch: HasId | int, *, by: str = "", reason: str = "", now: datetime | None = None) -> bool:
        """For people: seal a batch that a program has left open. Audited. False: it was sealed already.

        Waits for those who are adding to it right now. Raises `BatchNotFound`.
        """
        batch_id = id_of(batch)
        with store.atomic(self.using):
            sealed = batching.seal(self.using, batch_id, now)
            if sealed:
                said = {"actor": outcomes.clean(by)[:255], "reason": outcomes.clean(reason)[:1000], "count": 1}
                said |= {"action": "seal_batch", "item_id": None, "filter": json.dumps({"batch": batch_id})}
                store.run(self.using, "audit", {**said, "now": now})
        return sealed

    def batch_status(self, batch: HasId | int, *, most: int | None = None) -> BatchStatus:
        """How far a batch is. Items of each kind (live, dead, finished) are counted up to `most`; None: all of them.

        Raises `BatchNotFound`.
        """
        return batching.status(self.using, [id_of(batch)], most)[0]


def _links(items: Iterable[NewItem], if_parent_fails: str) -> Mapping[NewItem, Rules | None]:
    """The rules with which each comes after the one before it, in order."""

    def linked() -> Iterator[tuple[NewItem, Rules | None]]:
        before: NewItem | None = None
        for item in items:
            rules = item.rules
            if before is not None:
                own = rules or NO_RULES
                fails = own.if_parent_fails if own.if_parent_fails != HOLD else if_parent_fails
                rules = replace(own, after=(*parents(own.after), before), if_parent_fails=fails)
            yield item, rules
            before = item

    return _each_once(linked())


def _each_once(items: Iterable[tuple[NewItem, Rules | None]]) -> Mapping[NewItem, Rules | None]:
    """The rules by item. One that came twice, perhaps changed meanwhile, would be lost without a word."""
    found: dict[NewItem, Rules | None] = {}
    for item, rules in items:
        if item in found:
            raise InvalidOption("An item can not stand in a chain or batch twice: make another one.")
        found[item] = rules
    return found


@contextmanager
def _lent(rules: Mapping[NewItem, Rules | None]) -> Iterator[None]:
    """Let the caller's items have these rules for the length of a call. (Others name them as parents: no copies.)"""
    own = {item: item.rules for item in rules}
    try:
        for item, lent in rules.items():
            item.rules = lent
        yield
    finally:
        for item, before in own.items():
            item.rules = before
