"""Dependencies: an item waits until those that it comes after have ended well."""

from __future__ import annotations

from collections.abc import Sequence

from docqueue import store
from docqueue.exceptions import UnknownParent

SLICE = 1000
Edge = tuple[int, int, str]
"""A child, a parent, and what becomes of the child if the parent fails."""


def add(using: str, edges: Sequence[Edge]) -> None:
    """Note whom new items come after. Raises `UnknownParent`: then the caller's transaction must not commit."""
    for start in range(0, len(edges), SLICE):
        part = edges[start : start + SLICE]
        children, parents, if_failed = map(list, zip(*part, strict=True))
        rows = store.run(using, "add_dependencies", {"children": children, "parents": parents, "if_failed": if_failed})
        if missing := sorted({(child, parent) for child, parent, _ in part} - set(rows)):
            raise UnknownParent(f"There is no item {missing[0][1]} to come after.")
