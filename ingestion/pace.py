"""How long an intake still takes, by what it has done so far: measured by bytes, and None where nobody knows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

LEAST_SECONDS = 2.0
LEAST_SHARE = 50
"""One part in so many has to be done before it is said how long the rest takes."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What has been worked on since the intake is open (uploaded, or opened again), as weights of files.

    `began_at`: when the first of its files was started; `ended`: how many of those have ended; `done`: what they and
    the shares of running ones weigh; `left`: the rest. `moved_at`: when a file ended last, whenever that was.
    """

    began_at: datetime | None = None
    moved_at: datetime | None = None
    ended: int = 0
    done: int = 0
    left: int = 0

    def seconds_left(self, now: datetime) -> int | None:
        """Whole seconds until the last file has ended, at the speed so far; never negative.

        None before a file has ended, in the first seconds, and while next to nothing is done.
        """
        if self.began_at is None or not self.ended or self.done * LEAST_SHARE <= self.done + self.left:
            return None
        elapsed = (now - self.began_at).total_seconds()
        return math.ceil(elapsed * self.left / self.done) if elapsed >= LEAST_SECONDS else None
