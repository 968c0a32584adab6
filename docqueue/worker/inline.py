"""Handlers in the supervisor's own process, for development and tests: the same interface, no isolation."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from docqueue.items import ClaimedItem
from docqueue.worker.executor import Executor
from docqueue.worker.protocol import News, ProgressReport, Report
from docqueue.worker.readable import readable
from docqueue.worker.running import run_item

SLICE_SECONDS = 0.01  # the loop looks up from its items so often


class InlinePool:
    """Runs items in `collect`, those that fit in a hundredth of a second. Timeouts and memory limits do not apply."""

    def __init__(self, using: str) -> None:
        self.using = using
        self.items: deque[ClaimedItem] = deque()
        self.cancelled: set[int] = set()
        self.said: list[News] = []
        self.children: list[Executor] = []
        self.size = 1
        self.threads = 0
        self.sizes: dict[str, int] = {}

    def start(self) -> None:
        """Nothing to start."""

    def ready(self) -> bool:
        """It is."""
        return True

    def held(self) -> int:
        """How many items wait here."""
        return len(self.items)

    def in_hand(self) -> list[ClaimedItem]:
        """The items that wait here."""
        return list(self.items)

    def feed(self, line: deque[ClaimedItem], window: int, *, spare: bool = False) -> int:
        """Take items from the front of `line`, up to `window` in all; none when the room is to be spared. How many."""
        given = 0
        while line and len(self.items) < window and not spare:
            self.items.append(line.popleft())
            given += 1
        return given

    def collect(self, timeout: float, also: Sequence[int] = ()) -> tuple[list[News], list[ClaimedItem]]:
        """Run the next items, if there are any; else wait."""
        if not self.items:
            readable(also, timeout)
            return [], []
        news: list[News] = []
        self.said = news
        ended = time.monotonic()
        until = ended + SLICE_SECONDS
        while self.items and ended < until:
            item, started = self.items.popleft(), ended
            outcome = run_item(item, self.using, self)
            ended = time.monotonic()
            news.append(Report(item, outcome, ended - started))
            self.cancelled.discard(item.id)
        return news, []

    def progress(self, item: ClaimedItem, percent: int, stage: str, message: str) -> None:
        """`Channel`: kept until the item ends."""
        self.said.append(ProgressReport(item=item, percent=percent, stage=stage, message=message))

    def cancel_requested(self, item: ClaimedItem) -> bool:
        """`Channel`."""
        return item.id in self.cancelled

    def enforce(self, now: float) -> list[ClaimedItem]:
        """Nothing to enforce: nobody else could end this process."""
        return []

    def busy_seconds(self, now: float) -> float:
        """Between two calls nothing runs."""
        return 0.0

    def cancel(self, item_id: int, asked_at: float) -> None:
        """Remember that somebody asked to cancel an item."""
        self.cancelled.add(item_id)

    def resize(self, size: int) -> list[ClaimedItem]:
        """Nothing to change."""
        return []

    def slots(self, now: float) -> list[dict[str, Any]]:
        """Nothing runs between two calls."""
        return []

    def stop(self) -> list[ClaimedItem]:
        """What has not started."""
        back, self.items = list(self.items), deque()
        return back

    def cut_off(self) -> None:
        """Nothing runs between two calls."""

    def close(self, patience: float = 0.0) -> None:
        """Drop what has not started."""
        self.items.clear()
