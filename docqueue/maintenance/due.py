"""Promote what has just become due: often, and at a cost that does not grow however long somebody holds a snapshot."""

from __future__ import annotations

import time
from dataclasses import dataclass

from docqueue.admission import due

EVERY_SECONDS = 1.0


@dataclass
class Rounds:
    """Rounds that leave no gap: each looks back to the one before it, and a while beyond."""

    _began: float = float("-inf")

    def run(self, using: str) -> int:
        """Returns how many were promoted. The first round looks back as little as any."""
        now = time.monotonic()
        gap = now - self._began if self._began > 0 else 0.0
        done = due.promote_just_due(using, seconds=due.JUST_SECONDS + gap)
        self._began = now
        return done
