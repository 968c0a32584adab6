"""Handlers in the supervisor's own process, for development and tests: the same interface, no isolation."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from docqueue.store import ClaimedItem
from docqueue.worker.child import run_item
from docqueue.worker.pool import Executor, ProgressReport, Report


class InlinePool:
    """Runs one item in each `collect`. Timeouts and memory limits do not apply."""

    def __init__(self, using: str) -> None:
        self.using = using
        self.items: deque[ClaimedItem] = deque()
        self.cancelled: set[int] = set()
        self.said: list[Report | ProgressReport] = []
        self.children: list[Executor] = []
        self.size = 1

    def start(self) -> None:
        """Nothing to start."""

    def held(self) -> int:
        """How many items wait here."""
        return len(self.items)

    def hungry(self, window: int) -> list[InlinePool]:
        """Itself, while it may have more."""
        return [self] if len(self.items) < window else []

    def give(self, child: object, items: Sequence[ClaimedItem]) -> None:
        """Take these items."""
        self.items.extend(items)

    def collect(self, timeout: float, also: Sequence[int]) -> tuple[list[Report | ProgressReport], list[ClaimedItem]]:
        """Run the next item, if there is one; else wait."""
        if not self.items:
            time.sleep(timeout)
            return [], []
        item = self.items.popleft()
        started = time.monotonic()
        outcome = run_item(item, self.using, self)
        news, self.said = [*self.said, Report(item=item, outcome=outcome, seconds=time.monotonic() - started)], []
        return news, []

    def progress(self, item: ClaimedItem, percent: int, stage: str, message: str) -> None:
        """`Channel`: kept until the item ends."""
        self.said.append(ProgressReport(item=item, percent=percent, stage=stage, message=message))

    def cancel_requested(self, item: ClaimedItem) -> bool:
        """`Channel`."""
        return item.id in self.cancelled

    def enforce(self, now: float) -> None:
        """Nothing to enforce: nobody else could end this process."""

    def cancel(self, item_id: int) -> None:
        """Remember that somebody asked to cancel an item."""
        self.cancelled.add(item_id)

    def stop(self) -> None:
        """Nothing runs between two calls."""

    def kill(self) -> None:
        """Drop what has not started."""
        self.items.clear()
