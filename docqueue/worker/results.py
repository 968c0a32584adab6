"""Ended runs on their way to the database: in batches, each written at most once, none lost in an outage."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from itertools import chain

from docqueue.conf import get_settings
from docqueue.worker.protocol import Report

FLUSH_SECONDS = 0.02  # a result waits for company no longer than this


class Results:
    """What has ended and is not settled yet: `waiting`, or taken by a talk that is under way."""

    def __init__(self) -> None:
        self.waiting: list[Report] = []
        self._taken: list[list[Report]] = []
        self._since = 0.0

    def __len__(self) -> int:
        return len(self.waiting) + sum(map(len, self._taken))

    def __iter__(self) -> Iterator[Report]:
        return chain(self.waiting, *self._taken)

    def add(self, report: Report) -> None:
        """Take one ended run."""
        if not self.waiting:
            self._since = time.monotonic()
        self.waiting.append(report)

    def due_in(self, now: float) -> float:
        """In how many seconds they should be written."""
        if len(self.waiting) >= get_settings().BATCH_SIZE:
            return 0.0
        return max(0.0, self._since + FLUSH_SECONDS - now)

    def take(self) -> list[Report]:
        """All that waits, for one talk."""
        taken, self.waiting = self.waiting, []
        self._taken.append(taken)
        return taken

    def written(self, taken: Sequence[Report], settled: Collection[tuple[Report, object]]) -> None:
        """The talk that took these is over and has settled those; the others wait on, first in line."""
        self._taken = [other for other in self._taken if other is not taken]
        if len(settled) < len(taken):
            done = {(report.item.id, report.item.claim_token) for report, _ in settled}
            self.waiting[:0] = [report for report in taken if (report.item.id, report.item.claim_token) not in done]
