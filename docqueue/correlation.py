"""Values that travel with an item: bound around a request, stored in its metadata, bound again around its handler.

`correlation_id`, `user`, `intake` and the like stand on every log line between `bind` and its end, in the
process that enqueues and in the one that runs the item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

_Bound = dict[str, Any] | Callable[[], dict[str, Any]] | None
_bound: ContextVar[_Bound] = ContextVar("docqueue_correlation", default=None)


def current() -> dict[str, Any]:
    """A copy of the values bound here and now."""
    return dict(_read(_bound.get()))


def _read(bound: _Bound) -> dict[str, Any]:
    return bound() if callable(bound) else (bound or {})


class bind:  # noqa: N801 - read as a verb: `with bind(user=…)`
    """Add `values` to those bound already, until the block ends. Values of None are left out.

    A class, as a generator would cost more than a small item.
    """

    __slots__ = ("_token", "_values")

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __enter__(self) -> None:
        mine = {k: v for k, v in self._values.items() if v is not None}
        self._token = _bound.set(_read(_bound.get()) | mine)

    def __exit__(self, *exception: object) -> None:
        _bound.reset(self._token)


class bind_when_asked(bind):  # noqa: N801 - as `bind`
    """`bind` for values that `make` works out whenever somebody asks for them: most small items never say a word."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], Mapping[str, Any]]) -> None:
        self._make = make

    def __enter__(self) -> None:
        outer, make = _bound.get(), self._make
        self._token = _bound.set(lambda: _read(outer) | {k: v for k, v in make().items() if v is not None})


def add(**values: Any) -> None:
    """Add `values` until the enclosing `bind` block ends: for what is learnt half way, such as whose token it is."""
    _bound.set(current() | {k: v for k, v in values.items() if v is not None})
