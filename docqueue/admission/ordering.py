"""Ordering per key: the item whose turn it is holds the key; the others stand in line by id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from docqueue.admission import gates, keyed
from docqueue.states import WaitReason


@gates.looks_at(WaitReason.ORDERING, "ordering_key")
def promote(using: str, keys: Sequence[str]) -> int:
    """For each of these keys that is free, let the first item in line take it. Returns how many did."""
    return keyed.promote(using, "promote_keys", keys)


def promote_all(using: str, now: datetime | None = None) -> int:  # noqa: ARG001 - a rule's signature
    """Walk over every key that has somebody in line and promote the heads of those that are free."""
    return keyed.promote_all(using, "waiting_keys", promote)
