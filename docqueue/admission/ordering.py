"""Ordering per key: the item whose turn it is holds the key; the others stand in line by id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from docqueue import store, waking

SLICE = 1000
UNIQUE_VIOLATION = "23505"


def promote(using: str, keys: Sequence[str]) -> int:
    """For each of these keys that is free, let the first item in line take it. Returns how many were promoted."""
    total = 0
    for start in range(0, len(keys), SLICE):
        total += _promote_slice(using, list(keys[start : start + SLICE]))
    return total


def _promote_slice(using: str, keys: list[str]) -> int:
    try:
        with store.savepoint_if_open(using):
            rows = store.run(using, "promote_keys", {"keys": keys, "lock_class": store.LOCK_CLASS})
    except IntegrityError as error:
        if store.sqlstate(error) != UNIQUE_VIOLATION:
            raise
        # Somebody took one of the keys between our snapshot and our lock: one conflict must not fail the slice.
        return 0 if len(keys) == 1 else sum(_promote_slice(using, [key]) for key in keys)
    waking.notify(using, {queue for _, _, queue in rows})
    return len(rows)


def after_finish(using: str, keys: Sequence[str]) -> None:
    """Accelerator: promote the followers of keys that were just freed, once the caller's transaction has committed.

    Only an accelerator: what it misses (a crash right here), `promote_all` finds.
    """
    if keys:
        wanted = list(dict.fromkeys(keys))
        transaction.on_commit(lambda: promote(using, wanted), using=using, robust=True)


def promote_all(using: str, now: datetime | None = None) -> int:  # noqa: ARG001 - a rule's signature
    """Walk over every key that has somebody in line and promote the heads of those that are free."""
    total, after = 0, ""
    while True:
        keys = [row[0] for row in store.run(using, "waiting_keys", {"after": after, "limit": SLICE})]
        total += promote(using, keys)
        if len(keys) < SLICE:
            return total
        after = keys[-1]
