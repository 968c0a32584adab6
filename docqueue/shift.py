"""The queue's clock, moved ahead for tests: what statements get as `now` when their caller gives none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

_ahead: timedelta | None = None


@contextmanager
def ahead(by: timedelta) -> Iterator[None]:
    """Have statements that are given no `now` take this process's clock, so much ahead, inside the block."""
    global _ahead
    before, _ahead = _ahead, by
    try:
        yield
    finally:
        _ahead = before


def bound(params: Mapping[str, Any]) -> dict[str, Any]:
    """A statement's parameters with `now`; None, which is the rule, means the database's own clock."""
    bound = {"now": None, **params}
    if _ahead is not None and bound["now"] is None:
        bound["now"] = datetime.now(UTC) + _ahead
    return bound
