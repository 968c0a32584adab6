"""When a failed item runs again: retry policies as values."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, Protocol


class RetryPolicy(Protocol):
    """How long to wait before the next attempt."""

    def delay_seconds(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Exponential:
    """`base_seconds` · `factor`^(attempt - 1), at most `max_seconds`.

    `jitter="full"` draws evenly from 0 to that bound, which spreads a crowd of failures best (AWS Architecture
    Blog, "Exponential Backoff and Jitter", 2015); `"none"` returns the bound itself.
    """

    base_seconds: float = 5.0
    factor: float = 5.0
    max_seconds: float = 3600.0
    jitter: Literal["full", "none"] = "full"

    def __post_init__(self) -> None:
        if self.base_seconds < 0 or self.max_seconds < 0 or self.factor < 1:
            raise ValueError("Exponential: base_seconds and max_seconds must be >= 0, factor >= 1")

    def delay_seconds(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1)."""
        try:
            bound = min(self.max_seconds, self.base_seconds * self.factor ** max(0, attempt - 1))
        except OverflowError:
            bound = self.max_seconds
        return random.uniform(0, bound) if self.jitter == "full" else bound  # noqa: S311 - jitter, no secret


@dataclass(frozen=True)
class Fixed:
    """The same number of `seconds` after every failure."""

    seconds: float

    def delay_seconds(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt`."""
        return self.seconds
