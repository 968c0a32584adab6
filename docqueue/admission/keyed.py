"""What the rules have in common that hand out something under a key."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import IntegrityError

from docqueue import store
from docqueue.admission import gates

SLICE = 1000
UNIQUE_VIOLATION = "23505"


def promote(using: str, statement: str, keys: Sequence[str]) -> int:
    """Run a rule's statement over these keys in slices. Returns how many items it let through."""
    total = 0
    for start in range(0, len(keys), SLICE):
        total += _promote_slice(using, statement, list(keys[start : start + SLICE]))
    return total


def _promote_slice(using: str, statement: str, keys: list[str]) -> int:
    params = {"keys": keys, "lock_class": store.LOCK_CLASS, "fair": gates.fair()}
    try:
        with store.savepoint_if_open(using):
            rows = store.run(using, statement, params)
    except IntegrityError as error:
        if store.sqlstate(error) != UNIQUE_VIOLATION:
            raise
        # Somebody took one of the keys between our snapshot and our lock: one conflict must not fail the slice.
        return 0 if len(keys) == 1 else sum(_promote_slice(using, statement, [key]) for key in keys)
    gates.follow(using, rows)
    return len(rows)


def promote_all(using: str, walk: str, promote: Callable[[str, Sequence[str]], int]) -> int:
    """Walk over the keys that somebody waits for, slice by slice, and promote."""
    total, after = 0, ""
    while True:
        keys = [row[0] for row in store.run(using, walk, {"after": after, "limit": SLICE})]
        total += promote(using, keys)
        if len(keys) < SLICE:
            return total
        after = keys[-1]
