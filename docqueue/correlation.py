"""Values that travel with an item: bound around a request, stored in its metadata, bound again around its handler.

`correlation_id`, `user`, `intake` and the like stand on every log line between `bind` and its end, in the
process that enqueues and in the one that runs the item.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

_bound: ContextVar[dict[str, Any] | None] = ContextVar("docqueue_correlation", default=None)


def current() -> dict[str, Any]:
    """A copy of the values bound here and now."""
    return dict(_bound.get() or {})


class bind:  # noqa: N801 - read as a verb: `with bind(user=…)`
    """Add `values` to those bound already, until the block ends. Values of None are left out.

    A class, as a generator would cost more than a small item.
    """

    __slots__ = ("_token", "_values")

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __enter__(self) -> None:
        mine = {k: v for k, v in self._values.items() if v is not None}
        self._token = _bound.set((_bound.get() or {}) | mine)

    def __exit__(self, *exception: object) -> None:
        _bound.reset(self._token)


def add(**values: Any) -> None:
    """Add `values` until the enclosing `bind` block ends: for what is learnt half way, such as whose token it is."""
    _bound.set(current() | {k: v for k, v in values.items() if v is not None})
