"""Dependencies: an item waits until those that it comes after have ended well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from docqueue import history, store
from docqueue.admission import gates
from docqueue.exceptions import UnknownParent
from docqueue.states import Status, WaitReason

T = TypeVar("T")
SLICE = 1000
LOOK = 200
"""Of children at once: each brings its parents along."""
AT_ONCE = 2000
"""So many children, and what is left of a slice, are let go right behind an end: whoever wrote it waits for that."""

Edge = tuple[int, int, str]
"""A child, a parent, and what becomes of the child if the parent fails."""


def add(using: str, edges: Sequence[Edge], now: datetime | None = None) -> dict[int, store.Row]:
    """Note whom new items come after. Raises `UnknownParent`: then the caller's transaction must not commit.

    Items whose parents have all ended already have nobody to announce it: they go on at once. Returns these, by id, as
    they were moved.
    """
    open_: set[int] = set()
    for part in _slices(edges):
        children, parents, if_failed = map(list, zip(*part, strict=True))
        rows = store.run(using, "add_dependencies", {"children": children, "parents": parents, "if_failed": if_failed})
        if missing := sorted({(child, parent) for child, parent, _ in part} - {row[:2] for row in rows}):
            raise UnknownParent(f"There is no item {missing[0][1]} to come after.")
        open_ |= {child for child, _, ended in rows if not ended}
    ready = sorted({child for child, _, _ in edges} - open_)
    moved = [row for part in _slices(ready, LOOK) for row in _look(using, part, now)]
    gates.after_commit(using, moved)
    gates.after_finish(using, parents=[row[0] for row in moved if row[1] == Status.CANCELLED])
    return {row[0]: row for row in moved}


@gates.looks_at(WaitReason.DEPENDENCY, "id")
def promote(using: str, children: Sequence[int], now: datetime | None = None) -> int:
    """Let these items go on, if all their parents have ended. Returns how many moved, those behind them included."""
    total, ended = _promote(using, children, now)
    return total + follow(using, ended, now)


@gates.looks_at(gates.PARENTS, "id")
def follow(using: str, parents: Sequence[int], now: datetime | None = None, *, everything: bool = False) -> int:
    """Do what there is to do about the children of these parents, which have ended. Returns how many moved.

    Without `everything` it leaves off when they are many: the promoter goes on with it.
    """
    total = 0
    while parents:  # what is cancelled with its parent is a parent itself
        ended: list[int] = []
        for part in _slices(parents):
            for children in _children(using, part):
                moved, cancelled = _promote(using, children, now, list(part))
                total += moved
                ended += cancelled
                if total >= AT_ONCE and not everything:
                    return total
        parents = ended
    return total


def promote_all(using: str, now: datetime | None = None) -> int:
    """Walk over every parent that somebody waits for, and do what is to be done about those that have ended."""
    total, after = 0, 0
    while True:
        rows = store.run(using, "unresolved_parents", {"after": after, "limit": SLICE})
        total += follow(using, [parent for parent, ended in rows if ended], now, everything=True)
        if len(rows) < SLICE:
            return total
        after = rows[-1][0]


def _children(using: str, parents: Sequence[int]) -> Iterator[list[int]]:
    after = 0
    while True:
        found = store.run(using, "children_of", {"parents": list(parents), "after": after, "limit": SLICE})
        yield [child for (child,) in found]
        if len(found) < SLICE:
            return
        after = found[-1][0]


def _promote(
    using: str, children: Sequence[int], now: datetime | None, parents: list[int] | None = None
) -> tuple[int, list[int]]:
    """How many moved; which of them ended cancelled. `parents`: those of theirs that have ended, if that is known."""
    total, ended = 0, []
    for part in _slices(children, LOOK):
        rows = _look(using, part, now, parents)
        total += len(rows)
        ended += [row[0] for row in rows if row[1] == Status.CANCELLED]
        gates.follow(using, rows)
    return total, ended


def _look(
    using: str, children: Sequence[int], now: datetime | None, parents: list[int] | None = None
) -> list[store.Row]:
    params = {"children": list(children), "parents": parents, "fair": gates.fair(), "now": now}
    return history.with_partition(using, now, lambda: store.run(using, "promote_children", params))


def _slices(values: Sequence[T], size: int = SLICE) -> Iterator[Sequence[T]]:
    return (values[start : start + size] for start in range(0, len(values), size))
