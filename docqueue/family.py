"""An item's parents and children, as they stand in the dependencies."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from docqueue import store


class Parent(NamedTuple):
    """An item that another comes after. `outcome`: "completed", "dead", "cancelled"; None while it has not ended."""

    id: int
    outcome: str | None
    result: Any


def parents(using: str, item_id: int) -> list[Parent]:
    """The items that this one comes after, by id."""
    return [
        Parent(parent, outcome, None if result is None else json.loads(result))
        for parent, outcome, result, _ in store.run(using, "parents", {"item_id": item_id})
    ]


def relatives(using: str, item_id: int, most: int) -> dict[str, list[dict[str, Any]]]:
    """For people: the `parents`, without results, and the first `children`; `if_failed`: what becomes of the child."""
    before = store.run(using, "parents", {"item_id": item_id})
    behind = store.run(using, "children", {"item_id": item_id, "limit": most})
    return {
        "parents": [{"id": row[0], "outcome": row[1], "if_failed": row[3]} for row in before],
        "children": [{"id": row[0], "if_failed": row[1]} for row in behind],
    }
