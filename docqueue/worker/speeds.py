"""How long the items of each queue take, as this worker has seen it."""

from __future__ import annotations

from docqueue.conf import get_settings
from docqueue.worker.protocol import Report

CHILD_AHEAD_SECONDS = 0.05
FAST_SECONDS = 0.01  # only items this short are handed to a child several at a time
WEIGHT = 0.2  # of the newest run


class Speeds:
    """A mean for each queue in which the newest runs weigh most, in seconds."""

    def __init__(self) -> None:
        self.means: dict[str, float] = {}

    def note(self, report: Report) -> None:
        """Take in one run."""
        queue = report.item.queue
        mean = self.means.get(queue, report.seconds)
        self.means[queue] = mean + WEIGHT * (report.seconds - mean)

    def window(self, queue: str) -> int:
        """How many items of a queue a child may have in its hands: several only where they are quick."""
        mean = self.means.get(queue)
        if mean is None or mean >= FAST_SECONDS:
            return 1
        return max(1, min(get_settings().BATCH_SIZE, int(CHILD_AHEAD_SECONDS / max(mean, 1e-5))))
