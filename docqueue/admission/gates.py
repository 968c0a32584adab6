"""From one rule of admission to the next: what was let through by one, or was freed by a finish, the next one looks at.

Which gate comes after which is said by the function `docqueue_gate` in the database. All in here is an accelerator:
what it misses (a crash right here), each rule finds by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from django.db import transaction

from docqueue import waking
from docqueue.conf import get_settings
from docqueue.states import Status, WaitReason


class Moved(NamedTuple):
    """An item that a statement has moved, as those in sql/ return it."""

    id: int
    status: str
    wait_reason: str | None
    queue: str
    ordering_key: str | None
    slot_key: str | None


Look = Callable[[str, Sequence[Any]], object]
L = TypeVar("L", bound=Look)

PARENTS = "parents"
"""Stands beside the wait reasons: what is done about the children of items that have ended."""

_looks: dict[str, tuple[str, Look]] = {}
"""By wait reason: what of a moved item its rule wants to know, and what it does with that."""


def looks_at(reason: WaitReason | str, column: str) -> Callable[[L], L]:
    """Register what a rule does about items that come before it: it is given this column of theirs, each value once."""

    def register(look: L) -> L:
        _looks[str(reason)] = (column, look)
        return look

    return register


def fair() -> bool:
    """Whether tenants have shares of the lanes."""
    return get_settings().FAIR_SHARE > 0


def follow(using: str, rows: Iterable[Sequence[Any]]) -> None:
    """Wake the workers for what is theirs now, and have the rules look that what was moved came to."""
    found: dict[str, dict[Any, None]] = {}
    queues = set()
    for moved in map(Moved._make, rows):
        if moved.status == Status.PENDING or moved.wait_reason == WaitReason.LIMITED:
            queues.add(moved.queue)
        elif moved.wait_reason in _looks:
            column, _ = _looks[moved.wait_reason]
            found.setdefault(moved.wait_reason, {})[getattr(moved, column)] = None
    waking.notify(using, queues)
    for reason in filter(found.__contains__, WaitReason.values):  # who comes through one gate stands at the next
        _looks[reason][1](using, list(found[reason]))


def after_commit(using: str, rows: Sequence[Sequence[Any]]) -> None:
    """The same once the caller's transaction has committed."""
    if rows:
        transaction.on_commit(lambda: follow(using, rows), using=using, robust=True)


def after_finish(
    using: str, keys: Iterable[str | None] = (), slots: Iterable[str | None] = (), parents: Iterable[int] = ()
) -> None:
    """Let go what waited for these ordering keys, slots of concurrency keys and parents, once the caller has committed.

    What is None among the keys is left out.
    """
    freed: dict[str, list[Any]] = {
        WaitReason.ORDERING.value: list(dict.fromkeys(key for key in keys if key is not None)),
        WaitReason.CONCURRENCY.value: list(dict.fromkeys(key for key in slots if key is not None)),
        PARENTS: list(parents),
    }

    def let_go() -> None:
        for reason, values in freed.items():
            if values and reason in _looks:
                _looks[reason][1](using, values)

    if any(freed.values()):
        transaction.on_commit(let_go, using=using, robust=True)
