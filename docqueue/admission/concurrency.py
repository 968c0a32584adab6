"""Concurrency per key: as many items as the key has slots, each in one of its own from its promotion to its end.

A slot is kept through a release and a reap. An item that backs off or is snoozed gives it back: nothing of it runs
meanwhile, and a lock that is held for an hour of backoff would stop everybody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from docqueue.admission import gates, keyed
from docqueue.states import WaitReason


@gates.looks_at(WaitReason.CONCURRENCY, "slot_key")
def promote(using: str, keys: Sequence[str]) -> int:
    """Give the free slots of these keys to the first in line. Returns how many got one."""
    return keyed.promote(using, "promote_slots", keys)


def promote_all(using: str, now: datetime | None = None) -> int:  # noqa: ARG001 - a rule's signature
    """Walk over every concurrency key that somebody waits for."""
    return keyed.promote_all(using, "waiting_slots", promote)
