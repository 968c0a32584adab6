"""What an item may ask of the rules of admission: whom it comes after, and what it shares with others."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, NamedTuple

from docqueue.exceptions import InvalidOption

HOLD, CANCEL, RUN = "hold", "cancel", "run"
IF_FAILED = (HOLD, CANCEL, RUN)
MOST_SLOTS = 1000
MOST_PARENTS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """The optional rules for one item of `enqueue_many`; `enqueue` takes them as arguments of its own.

    `after`: ids of items, or `NewItem`s that stand before it in the same call, that have to be completed first;
    `if_parent_fails`: "hold", "cancel" or "run" this item when one of those dies or is cancelled. `tenant`: whose
    share of the lane it takes. `concurrency_key`: at most `concurrency_limit` (default 1) of that key run at once.
    `limit_key`: the key in the setting LIMITS.
    """

    after: Sequence[Any] = ()
    if_parent_fails: str = HOLD
    tenant: str | None = None
    concurrency_key: str | None = None
    concurrency_limit: int | None = None
    limit_key: str | None = None
    batch_id: int | None = None


NO_RULES = Rules()


class Gates(NamedTuple):
    """The same, checked, in the form it is stored in."""

    after: tuple[Any, ...] = ()
    if_parent_fails: str = HOLD
    tenant: str | None = None
    slot_key: str | None = None
    slot_limit: int | None = None
    limit_key: str | None = None
    batch_id: int | None = None


COLUMNS = ("batch_id", "tenant", "slot_key", "slot_limit", "limit_key")
"""Those of `Gates` that are columns of the item."""


def parents(after: Any) -> tuple[Any, ...]:
    """The items that one comes after: a list, or a single one. Raises `InvalidOption`."""
    found = tuple(after) if isinstance(after, Sequence | AbstractSet) else (after,)
    if len(found) > MOST_PARENTS:
        raise InvalidOption(f"An item comes after {MOST_PARENTS} others at most, not {len(found)}.")
    return tuple(dict.fromkeys(getattr(one, "id", one) if not isinstance(one, int) else one for one in found))


def if_parent_fails(value: str) -> str:
    """One of "hold", "cancel" and "run". Raises `InvalidOption`."""
    if value not in IF_FAILED:
        raise InvalidOption(f"if_parent_fails must be one of {', '.join(IF_FAILED)}.")
    return value


def slots(value: int | None) -> int:
    """How many items of a concurrency key may run at once; 1 where nothing is said. Raises `InvalidOption`."""
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_SLOTS:
        raise InvalidOption(f"concurrency_limit must be a whole number from 1 to {MOST_SLOTS}.")
    return value
