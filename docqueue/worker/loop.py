"""The work loop: claim, hand out, collect, settle. It decides how much to claim and when; SQL is below it."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from django.db import Error as DatabaseError

from docqueue import claiming, events, outcomes, settling, store
from docqueue.conf import get_settings
from docqueue.states import Status
from docqueue.store import ClaimedItem
from docqueue.worker.inline import InlinePool
from docqueue.worker.pool import ProcessPool, ProgressReport, Report
from docqueue.worker.tally import Tally

FLUSH_SECONDS = 0.02  # a result waits for company no longer than this
AHEAD_SECONDS = 0.5  # hold no more unstarted items than will start within this
CHILD_AHEAD_SECONDS = 0.05
FAST_SECONDS = 0.01  # only items this short are handed to a child several at a time
LOOK_SECONDS = 1.0  # how often lanes, pauses and cancels are read
UNWELL_MAX_SECONDS = 5.0


class Standing(Protocol):
    """The part of the lease that the loop asks."""

    def stands(self) -> bool: ...


@dataclass(kw_only=True)
class WorkLoop:
    """The hands of one worker row. `limit`: end after so many items (None: never)."""

    using: str
    worker: int
    pool: ProcessPool | InlinePool
    lease: Standing
    serve: Sequence[str] = ()
    exclude: Sequence[str] = ()
    limit: int | None = None
    wake: Sequence[int] = ()
    stopping: bool = False
    tally: Tally = field(default_factory=Tally)
    buffer: deque[ClaimedItem] = field(default_factory=deque)
    results: list[Report] = field(default_factory=list)
    average_seconds: float | None = None
    claimed: int = 0
    _results_since: float = 0.0
    _looked_at: float = float("-inf")
    _lanes: list[claiming.Lane] = field(default_factory=list)
    _alone: int | None = None
    _idle_seconds: float = 0.0
    _next_claim_at: float = 0.0
    _unwell_seconds: float = 0.0
    _unwell_until: float = 0.0
    _reconcile: bool = False

    def in_hand(self) -> int:
        """Items claimed and not yet settled."""
        return len(self.buffer) + self.pool.held() + len(self.results)

    def tick(self) -> None:
        """One round: wait for news, settle, claim, hand out."""
        now = time.monotonic()
        self._take_in(*self.pool.collect(self._patience(now), self.wake))
        now = time.monotonic()
        self.pool.enforce(now)
        if now < self._unwell_until:
            return
        try:
            if self._reconcile:
                self._give_back_unknown()
            if self.results and self._flush_due(now):
                self._settle()
            if now - self._looked_at >= LOOK_SECONDS and (self.in_hand() or not self.stopping):
                self._look(now)
            if not self.stopping and self.lease.stands():
                self._claim(now)
        except DatabaseError as error:
            self._database_failed(error)
            return
        if self._unwell_seconds:
            self._unwell_seconds = 0.0
            events.emit(events.EventName.DATABASE_BACK, worker_id=self.worker)
        self._hand_out()

    def _patience(self, now: float) -> float:
        """How long `collect` may wait."""
        if now < self._unwell_until:
            return self._unwell_until - now
        if self.results:
            return max(0.0, min(FLUSH_SECONDS, self._results_since + FLUSH_SECONDS - now))
        if self.in_hand():
            return 0.1 if self._target() <= self.in_hand() else max(0.0, min(0.1, self._next_claim_at - now))
        return max(0.0, min(LOOK_SECONDS, self._next_claim_at - now))

    def _take_in(self, news: list[Report | ProgressReport], unstarted: list[ClaimedItem]) -> None:
        self.buffer.extendleft(reversed(unstarted))
        if len(self.pool.children) < self.pool.size and not self.stopping:
            self.pool.start()
        for report in news:
            if isinstance(report, ProgressReport):
                self._progress(report)
                continue
            if not self.results:
                self._results_since = time.monotonic()
            self.results.append(report)
            mean = report.seconds if self.average_seconds is None else self.average_seconds
            self.average_seconds = mean + 0.2 * (report.seconds - mean)

    def _progress(self, said: ProgressReport) -> None:
        params = {"item_id": said.item.id, "token": said.item.claim_token, "percent": said.percent}
        try:
            rows = store.run(self.using, "progress", {**params, "stage": said.stage, "message": said.message})
        except DatabaseError as error:
            self._database_failed(error)
            return
        if rows and rows[0][0]:
            self.pool.cancel(said.item.id)

    def _flush_due(self, now: float) -> bool:
        idle = not self.buffer and not self.pool.held()
        full = len(self.results) >= get_settings().BATCH_SIZE
        return idle or full or now - self._results_since >= FLUSH_SECONDS

    def _settle(self) -> None:
        """Write all results: completions in one statement, other exits in another, each written at most once."""
        done = [(r, r.outcome) for r in self.results if isinstance(r.outcome, outcomes.Completed)]
        theirs = [(r, o) for r, o in done if not o.settled]
        kept = settling.complete(self.using, [(r.item, o.result) for r, o in theirs])
        for report, outcome in done:
            ours = outcome.settled or report.item.id in kept
            self.tally.count(report, Status.COMPLETED if ours else None)
        self.results = [r for r in self.results if not isinstance(r.outcome, outcomes.Completed)]
        others = [(r.item, r.outcome) for r in self.results if not isinstance(r.outcome, outcomes.Lost)]
        statuses = settling.settle(self.using, others)
        for report in self.results:
            self.tally.count(report, statuses.get(report.item.id))
        self.results = []
        if self._alone is not None and not self.in_hand():
            self._alone = None
            self._looked_at = float("-inf")

    def _look(self, now: float) -> None:
        """Read what changes seldom: which lanes have items, and which of ours were cancelled."""
        self._looked_at = now
        if not self.stopping:
            self._lanes = claiming.lanes(self.using, self.serve, self.exclude)
        if self.buffer or self.pool.held():
            for item_id, held in claiming.held(self.using, self.worker).items():
                if held.cancel_requested:
                    self._cancel(item_id)

    def _cancel(self, item_id: int) -> None:
        for item in list(self.buffer):
            if item.id == item_id:
                self.buffer.remove(item)
                self.results.append(Report(item=item, outcome=outcomes.Released(), seconds=0.0))
                return
        self.pool.cancel(item_id)

    def _target(self) -> int:
        """How many items to have in hand: one a process, and of fast ones as many as start within AHEAD_SECONDS."""
        ahead = 0
        if self.average_seconds is not None:
            ahead = int(AHEAD_SECONDS / max(self.average_seconds, 1e-5))
        target = self.pool.size * (1 + min(get_settings().BATCH_SIZE, ahead))
        return target if self.limit is None else min(target, self.limit - self.claimed + self.in_hand())

    def _claim(self, now: float) -> None:
        room = self._target() - self.in_hand()
        if self._alone is not None or now < self._next_claim_at or room < max(1, self._target() // 2):
            return
        if any(lane.suspect for lane in self._lanes):
            # Claim nothing else until the suspects are through: each must run alone.
            if not self.in_hand():
                self._claim_suspect(now)
            return
        names = [lane.queue for lane in self._lanes if lane.plain]
        found: list[ClaimedItem] = []
        if names:
            share = -(-room // len(names))  # from each in turn, none starves
            first = self.claimed % len(names)
            for queue in names[first:] + names[:first]:
                wanted = min(share, room - len(found))
                found += claiming.claim(self.using, self.worker, [queue], wanted) if wanted > 0 else []
        self._claimed(found, now)

    def _claim_suspect(self, now: float) -> None:
        item = claiming.claim_suspect(self.using, self.worker, [lane.queue for lane in self._lanes if lane.suspect])
        if item is None:
            self._looked_at = float("-inf")
        else:
            self._alone = item.id
        self._claimed([item] if item else [], now)

    def _claimed(self, items: list[ClaimedItem], now: float) -> None:
        self.buffer.extend(items)
        self.claimed += len(items)
        if items:
            self._idle_seconds = 0.0
            self._next_claim_at = now
            events.emit(events.EventName.ITEMS_CLAIMED, 10, worker_id=self.worker, count=len(items))
            return
        settings = get_settings()
        self._idle_seconds = min(settings.POLL_MAX_SECONDS, max(settings.POLL_MIN_SECONDS, self._idle_seconds * 1.5))
        self._next_claim_at = now + self._idle_seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        self._looked_at = float("-inf")  # the next try starts with a fresh look at the lanes

    def _hand_out(self) -> None:
        fast = self.average_seconds is not None and self.average_seconds < FAST_SECONDS
        window = 1
        if fast and self._alone is None:
            window = max(
                1, min(get_settings().BATCH_SIZE, int(CHILD_AHEAD_SECONDS / max(self.average_seconds or 1, 1e-5)))
            )
        while self.buffer and (hungry := self.pool.hungry(window)):
            child = hungry[0]
            room = window - (self.pool.held() if isinstance(self.pool, InlinePool) else len(child.items))
            self.pool.give(child, [self.buffer.popleft() for _ in range(min(room, len(self.buffer)))])  # type: ignore[arg-type]

    def looked_in_vain(self) -> bool:
        """Whether the last look and claim found nothing."""
        return self._idle_seconds > 0 and not self._lanes

    def settle_now(self) -> None:
        """Write what is finished, if the database can be reached; otherwise the lease's end frees it."""
        try:
            self._settle()
        except DatabaseError as error:
            self._database_failed(error)

    def hand_back(self) -> None:
        """Release what has not been handed to a child: its place in the lane is kept, the attempt given back."""
        self.results += [Report(item=i, outcome=outcomes.Released(), seconds=0.0) for i in self.buffer]
        self.buffer.clear()

    def _give_back_unknown(self) -> None:
        """After an answer was lost: release what the database says is ours and we do not know of."""
        known = {i.id: i.claim_token for i in self.buffer}
        known |= {r.item.id: r.item.claim_token for r in self.results}
        known |= {i.id: i.claim_token for c in self.pool.children for i in c.items}
        if isinstance(self.pool, InlinePool):
            known |= {i.id: i.claim_token for i in self.pool.items}
        settling.release_unknown(self.using, self.worker, known)
        self._reconcile = False

    def _database_failed(self, error: DatabaseError) -> None:
        """Keep what is finished, claim nothing, try again with backoff. Anything but an unwell database is a bug: raise."""
        if not store.is_unwell(error):
            raise error
        if not self._unwell_seconds:
            events.emit(events.EventName.DATABASE_UNWELL, 40, worker_id=self.worker, error=str(error).strip()[:300])
        store.close(self.using)
        self._reconcile = True
        self._unwell_seconds = min(UNWELL_MAX_SECONDS, max(0.2, self._unwell_seconds * 2))
        self._unwell_until = time.monotonic() + self._unwell_seconds * random.uniform(0.5, 1.0)  # noqa: S311
