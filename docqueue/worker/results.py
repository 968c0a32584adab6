"""Ended runs on their way to the database: in batches, each written at most once, none lost in an outage."""

from __future__ import annotations

import time
from dataclasses import replace

from docqueue import outcomes, settling
from docqueue.conf import get_settings
from docqueue.states import Status
from docqueue.worker.outage import passing
from docqueue.worker.protocol import Report
from docqueue.worker.tally import Tally

FLUSH_SECONDS = 0.02  # a result waits for company no longer than this


class Results:
    """What has ended and is not settled yet."""

    def __init__(self, using: str, tally: Tally) -> None:
        self.using = using
        self.tally = tally
        self.waiting: list[Report] = []
        self._since = 0.0

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

    def write(self) -> None:
        """Settle all. A database that is unwell raises, and what it has not taken stays.

        One that can not be stored stops none of the others.
        """
        try:
            self._write(self.waiting)
        except Exception as error:
            if passing(error):
                raise
            self._write_singly()

    def _write_singly(self) -> None:
        for report in list(self.waiting):
            try:
                self._write([report])
            except Exception as error:
                if passing(error):
                    raise
                why = f"what came of its run can not be stored: {error!r}"[: outcomes.MESSAGE_MAX]
                pause = get_settings().RETRY_MAX_SECONDS  # the handler's own policy may be what is at fault
                refused = outcomes.Failed(code="outcome_refused", message=why, retry_after=pause)
                self.waiting = [r for r in self.waiting if r is not report]
                self.waiting.append(instead := replace(report, outcome=refused))
                self._write([instead])

    def _write(self, reports: list[Report]) -> None:
        """Completions in one statement, all other exits in another; what is written leaves `waiting` at once."""
        done = [(r, r.outcome) for r in reports if isinstance(r.outcome, outcomes.Completed)]
        kept = settling.complete(self.using, [(r.item, o.result) for r, o in done if not o.settled])
        self._written([(r, Status.COMPLETED if o.settled or r.item.id in kept else None) for r, o in done])
        rest = [r for r in reports if not isinstance(r.outcome, outcomes.Completed)]
        ours = [(r.item, r.outcome) for r in rest if not isinstance(r.outcome, outcomes.Lost)]
        statuses = settling.settle(self.using, ours)
        self._written([(r, statuses.get(r.item.id)) for r in rest])

    def _written(self, reports: list[tuple[Report, Status | None]]) -> None:
        gone = {report for report, _ in reports}
        self.waiting = [report for report in self.waiting if report not in gone]
        for report, status in reports:
            self.tally.count(report, status)
