"""An item in the hands of its claimer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, NamedTuple


class _ClaimedRow(NamedTuple):
    """What every claim statement returns, in this order. A tuple: tens of thousands are made a second."""

    id: int
    claim_no: int
    claim_token: int
    worker_id: int
    queue: str
    operation: str
    document_id: str | None
    payload_text: str
    metadata_text: str
    priority: int
    ordering_key: str | None
    attempt: int
    max_attempts: int
    crashes: int
    timeout_seconds: float
    enqueued_epoch: float
    claimed_epoch: float
    suspect: bool
    position: int
    limit_key: str | None = None


# `decode` would look for white space around it, which PostgreSQL does not write.
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
LIMITED = "\0limited"
"""Stands for a queue where a worker tells lines apart: what came through a limit does not queue behind others."""
PAYLOAD = _ClaimedRow._fields.index("payload_text")


class ClaimedItem(_ClaimedRow):
    """An item in the hands of its claimer, with the fence (`claim_token`) that every later write carries."""

    __slots__ = ()

    @property
    def line(self) -> str:
        """Which line of its worker it stands in: its queue's, or that of all that came through a limit."""
        return self.queue if self.limit_key is None else LIMITED

    @property
    def payload(self) -> dict[str, Any]:
        """The payload given at enqueue, read anew at each call: where the item runs, and nowhere else."""
        found: dict[str, Any] = _scan(self.payload_text, 0)[0]
        return found

    @property
    def metadata(self) -> dict[str, Any]:
        """What travels with the item: correlation id, user …"""
        found: dict[str, Any] = {} if self.metadata_text == "{}" else _scan(self.metadata_text, 0)[0]
        return found

    @property
    def enqueued_at(self) -> datetime:
        """When it was enqueued."""
        return datetime.fromtimestamp(self.enqueued_epoch, UTC)

    @property
    def claimed_at(self) -> datetime:
        """When this claim was made."""
        return datetime.fromtimestamp(self.claimed_epoch, UTC)


_POSITION, _PRIORITY = attrgetter("position"), attrgetter("priority")


def in_claim_order(rows: Iterable[Sequence[Any]]) -> list[ClaimedItem]:
    """Rows of a claim as items: the highest priority first, then by position."""
    items = [ClaimedItem._make(row) for row in rows]
    items.sort(key=_POSITION)
    items.sort(key=_PRIORITY, reverse=True)  # it keeps the order of equals; twice is faster than once by a pair
    return items
