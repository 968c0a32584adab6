"""One list over live and finished items, page by page, at a bounded cost whatever the filter matches.

Documents, keys, batches and ids are found by indexes. Other filters have none that serves them: a page looks at the
newest `WINDOW` items only, and says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import QuerySet

from docqueue import handlers, store
from docqueue.states import FINISHED, LIVE, Status, WaitReason

WINDOW = 20_000
"""So many items are looked at for one page, where no index serves the filter."""

FOUND = 2_000
"""So many items of one document, or of one batch, are found by indexes; of a larger batch the newest are looked at."""

NEWEST = 2**63 - 1

INDEXED = {
    reason.value
    for reason in (
        WaitReason.RETRY, WaitReason.ORDERING, WaitReason.CONCURRENCY, WaitReason.LIMITED, WaitReason.FAIR_SHARE
    )
}  # fmt: skip
"""What waits for these has an index of its own."""


class ListedItem(NamedTuple):
    """An item as a list shows it. Columns that a state does not know are None."""

    id: int
    status: str
    wait_reason: str | None
    queue: str
    operation: str
    document_id: str | None
    priority: int
    ordering_key: str | None
    unique_key: str | None
    tenant: str | None
    batch_id: int | None
    attempt: int
    max_attempts: int
    crashes: int
    enqueued_at: datetime
    claimed_at: datetime | None
    finished_at: datetime | None
    died_at: datetime | None
    next_retry_at: datetime | None
    cancel_requested_at: datetime | None
    worker_id: int | None
    error_code: str | None
    error_message: str | None

    @property
    def pk(self) -> int:
        """The id, as models have it."""
        return self.id


@dataclass(frozen=True, kw_only=True)
class ItemFilter:
    """What items to list: those that fit all that is given.

    `text`: an exact id, document, unique key, or the name of a registered operation.
    """

    statuses: Sequence[Status] = ()
    queue: str | None = None
    operation: str | None = None
    document_id: str | None = None
    unique_key: str | None = None
    error_code: str | None = None
    batch_id: int | None = None
    tenant: str | None = None
    enqueued_after: datetime | None = None
    enqueued_before: datetime | None = None
    text: str | None = None

    @property
    def empty(self) -> bool:
        """Whether every item fits."""
        return self == ItemFilter()


@dataclass(frozen=True, kw_only=True)
class ItemPage:
    """Items, the newest first. `looked_at`: how many were looked at for them, where that is not known by an index.

    `before`: where the next page starts; None: there is none. `complete`: it is known that nothing older fits.
    Without it, and without `before`, this may be missing: what is pending under another ordering key than its document;
    of a document that has more than `FOUND` items all but so many; of a key those that have lost it without being
    completed, further back than `WINDOW` live items.
    """

    items: list[ListedItem]
    looked_at: int
    before: int | None
    complete: bool


class Listing:
    """The verb that lists."""

    using: str

    def list_items(self, wanted: ItemFilter = ItemFilter(), *, limit: int = 50, before: int | None = None) -> ItemPage:
        """Items that fit, live and finished, the newest first, below the id `before`.

        A page looks at a bounded number of items: it may have few or none and still a next one.
        """
        if wanted.text is not None and wanted.text in handlers.operations():
            wanted = replace(wanted, text=None, operation=wanted.text)
        params = _params(wanted) | {"before": before or NEWEST, "limit": limit + 1}
        if wanted.document_id is not None or wanted.unique_key is not None or wanted.text is not None:
            return self._found(wanted, params, limit)[0]
        if wanted.batch_id is not None:
            page, exact = self._found(wanted, params, limit)
            if exact:
                return page
        return self._walked(wanted, params, limit)

    def _walked(self, wanted: ItemFilter, params: dict[str, Any], limit: int) -> ItemPage:
        """Walk down the ids, for so long."""
        window = limit + 1 if wanted.empty else WINDOW
        statuses = set(wanted.statuses) or set(Status)
        kinds = {"live": bool(statuses & LIVE), "finished": bool(statuses & FINISHED), "window": window}
        [(ids, looked_at, last)] = store.run(self.using, "list_items", params | kinds)
        over = looked_at < window
        further = None if over else last
        before = ids[limit - 1] if len(ids) > limit else further
        return ItemPage(
            items=self._shown(ids[:limit]), looked_at=looked_at, before=before, complete=over and before is None
        )

    def _found(self, wanted: ItemFilter, params: dict[str, Any], limit: int) -> tuple[ItemPage, bool]:
        """Ask the indexes. And whether nothing can be missing of what they gave."""
        asked: dict[str, Any] = {
            "document_id": wanted.document_id,
            "unique_key": wanted.unique_key,
            "ids": [],
            "of_batch": wanted.batch_id,
            "operations": handlers.operations(),
            "window": WINDOW,
            "most": FOUND,
        }
        if wanted.text is not None:
            asked |= {"document_id": wanted.text, "unique_key": wanted.text, "ids": _ids(wanted.text), "of_batch": None}
        [(ids, looked_at, exact)] = store.run(self.using, "find_items", params | asked)
        before = ids[limit - 1] if len(ids) > limit else None
        known = exact and before is None and wanted.unique_key is None and wanted.text is None
        return ItemPage(items=self._shown(ids[:limit]), looked_at=looked_at, before=before, complete=known), exact

    def _shown(self, ids: Sequence[int]) -> list[ListedItem]:
        """These items, as far as they are there."""
        return [ListedItem._make(row) for row in store.run(self.using, "items_shown", {"ids": [*ids]})] if ids else []


def nearest(line: QuerySet[Any], keyset: Sequence[str], found: QuerySet[Any]) -> tuple[QuerySet[Any], Any]:
    """`found` as far as it is among the first `WINDOW` rows of `line`, and the last of these; None: `line` has no more.

    `line` is what an index has in order, the highest first: by an id, or by a moment and then an id (`keyset`). `found`
    are those rows of it that a filter leaves for which there is no index.
    """
    order = [f"-{name}" for name in keyset]
    last = next(iter(line.order_by(*order).only(*keyset)[WINDOW - 1 : WINDOW]), None)
    if last is None:
        return found, None
    first, *rest = [(name, getattr(last, name)) for name in keyset]
    found = found.filter(**{f"{first[0]}__gte": first[1]})
    for name, value in rest:
        found = found.exclude(**{first[0]: first[1], f"{name}__lt": value})
    return found, last


def few_live(
    using: str, statuses: Collection[Status] = (), *, queue: str | None = None, wait_reason: str | None = None
) -> list[int] | None:
    """Ids among which are all live items in these states (empty: any) of a queue that wait for this.

    None where indexes find more than `FOUND`.
    """
    ids = some_live(using, FOUND + 1, statuses, queue=queue, wait_reason=wait_reason)
    return ids if len(ids) <= FOUND else None


def some_live(
    using: str,
    most: int,
    statuses: Collection[Status] = (),
    *,
    queue: str | None = None,
    wait_reason: str | None = None,
) -> list[int]:
    """The same, `most` of each kind at most, in no order: each by an index, and no further than that."""
    wanted = ({*statuses} or LIVE) & ({Status.WAITING} if wait_reason is not None else LIVE)
    params = {
        "queue": queue,
        "wait_reason": wait_reason,
        "indexed": wait_reason in INDEXED,
        "statuses": [status.value for status in wanted],
        "most": most,
        "window": WINDOW,
    }
    return [item_id for (item_id,) in store.run(using, "few_live", params)]


def small_batch(using: str, batch_id: int, *, live: bool = False, dead: bool = False, finished: bool = False) -> bool:
    """Whether a batch has no more than `FOUND` items of these kinds."""
    [sizes] = store.run(using, "batch_size", {"batch_id": batch_id, "most": FOUND + 1})
    return bool(sum(size for size, asked in zip(sizes, (live, dead, finished), strict=True) if asked) <= FOUND)


def _params(wanted: ItemFilter) -> dict[str, Any]:
    return {
        "statuses": [s.value for s in wanted.statuses] or None,
        "queue": wanted.queue,
        "operation": wanted.operation,
        "error_code": wanted.error_code,
        "tenant": wanted.tenant,
        "batch_id": wanted.batch_id,
        "enqueued_after": wanted.enqueued_after,
        "enqueued_before": wanted.enqueued_before,
    }


def _ids(text: str) -> list[int]:
    """The id that a text may be."""
    return [int(text)] if text.isascii() and text.isdigit() and len(text) < 19 else []
