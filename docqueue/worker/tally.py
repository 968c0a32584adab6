"""What a work loop has done: counted by outcome, and told to the observers, one event an item."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from docqueue import correlation, events, outcomes
from docqueue.states import Status
from docqueue.worker.ended import Ended
from docqueue.worker.protocol import Report

QUICK_SECONDS = 0.010
QUICK_LINES_A_SECOND = 20


@dataclass(kw_only=True)
class Tally:
    """Items by how they ended. `failed` counts failed attempts: each was `retried` or is `dead`."""

    completed: int = 0
    failed: int = 0
    retried: int = 0
    dead: int = 0
    cancelled: int = 0
    snoozed: int = 0
    released: int = 0
    lost: int = 0
    _window: int = 0
    _lines: int = 0
    _unsaid: int = 0

    def __post_init__(self) -> None:
        self.ended = Ended()

    def count(self, settled: Sequence[tuple[Report, Status | None]]) -> None:
        """Add ended runs, each with what the database made of it: None when the claim was no longer ours."""
        self._turn_page()
        if not settled:
            return
        runs: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
        every = events.heard(events.EventName.ITEM_FINISHED, logging.DEBUG)
        for report, status in settled:
            item, word = report.item, self._word(report.outcome, status)
            runs[item.queue, item.operation, word].append(report.seconds)
            if word in ("completed", "cancelled"):
                quick = report.seconds < QUICK_SECONDS
                if not quick or self._lines < QUICK_LINES_A_SECOND:
                    self._lines += quick
                    self._tell(report, word, logging.INFO)
                    continue
                self._unsaid += 1
            elif word in ("retried", "dead", "lost"):
                self._tell(report, word, logging.WARNING)
                continue
            if every:
                self._tell(report, word, logging.DEBUG)
        for (queue, operation, word), seconds in runs.items():
            setattr(self, word, getattr(self, word) + len(seconds))
            self.ended.add(queue, word, len(seconds))
            if word in ("retried", "dead"):
                self.failed += len(seconds)
            said = {"queue": queue, "operation": operation, "outcome": word, "count": len(seconds)}
            events.emit(events.EventName.RUNS_ENDED, logging.DEBUG, **said, seconds=seconds)

    def _word(self, outcome: outcomes.Outcome, status: Status | None) -> str:
        if status is Status.COMPLETED:
            return "completed"
        match status:
            case None:
                return "lost"
            case Status.DEAD | Status.CANCELLED:
                return status.value
        if isinstance(outcome, outcomes.Snoozed):
            return "snoozed"
        return "released" if isinstance(outcome, outcomes.Released) else "retried"

    def _tell(self, report: Report, word: str, level: int) -> None:
        item, outcome = report.item, report.outcome
        fields: dict[str, Any] = {
            "item_id": item.id,
            "operation": item.operation,
            "document": item.document_id,
            "queue": item.queue,
            "attempt": max(1, item.attempt),  # that of a probe does not count
            "outcome": word,
            "seconds": round(report.seconds, 3),
        }
        if isinstance(outcome, outcomes.Failed | outcomes.Dead | outcomes.Crashed):
            fields |= {"code": outcome.code, "error": outcome.message[:200]}
        with correlation.bind(**{k: v for k, v in item.metadata.items() if isinstance(k, str)}):
            events.emit(events.EventName.ITEM_FINISHED, level, **fields)

    def _turn_page(self) -> None:
        """Each second has some lines about quick items that ended well; the rest of a busy one is summed up in one."""
        second = int(time.monotonic())
        if second != self._window:
            self.sum_up()
            self._window, self._lines = second, 0

    def sum_up(self) -> None:
        """Tell how many items ended well without a line of their own."""
        if self._unsaid:
            events.emit(events.EventName.ITEMS_FINISHED, count=self._unsaid)
            self._unsaid = 0

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {name: number for name, number in asdict(self).items() if not name.startswith("_")}
