"""How often something periodic may run, however long it takes."""

from __future__ import annotations

import random

SHARE = 20  # what took one second does not run again for twenty: at most a twentieth of the time


def jittered(seconds: float) -> float:
    """About so many seconds, so that workers that began together do not ask together for ever."""
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311 - no secret


class Pace:
    """Due every `seconds`, but never so often that it takes more than 5 % of the time.

    While somebody holds a snapshot, what walks over an index from its front gets slower and slower.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.next = float("-inf")

    def due(self, now: float) -> bool:
        """Whether it is time (`now` is monotonic)."""
        return now >= self.next

    def soon(self) -> None:
        """Let it be time now."""
        self.next = float("-inf")

    def took(self, now: float, seconds: float, pause: float | None = None) -> None:
        """It ran at `now` and took so long; again after `pause` (default: `seconds` as made)."""
        self.next = now + max(self.seconds if pause is None else pause, SHARE * seconds)
