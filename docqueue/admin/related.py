"""Links from an item to what it stands for. The queue knows nothing of that: apps register functions that do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

log = logging.getLogger("docqueue")


class Link(NamedTuple):
    """One link of an item's page: what it leads to, what that is called, and where it is."""

    kind: str
    text: str
    address: str


Source = Callable[[Any, Any], Iterable[Link]]
"""Gets the item, live or finished, and the user who looks; gives the links that this user may follow."""
_sources: list[Source] = []


def register(source: Source) -> Source:
    """Show on each item's page what this function returns; a second time changes nothing."""
    if source not in _sources:
        _sources.append(source)
    return source


def links(item: Any, user: Any) -> list[Link]:
    """All links of an item. A function that fails is logged, and takes the page from nobody."""
    found: list[Link] = []
    for source in _sources:
        try:
            found += source(item, user)
        except Exception:
            log.exception("the links of item %s from %s could not be had", item.pk, source.__module__)
    return found
