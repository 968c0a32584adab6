"""The work loop: claim, hand out, collect, settle. It decides how much to claim and when; SQL is below it."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from django.db import Error as DatabaseError

from docqueue import claiming, events, outcomes, settling, store
from docqueue.conf import get_settings
from docqueue.store import ClaimedItem
from docqueue.worker.inline import InlinePool
from docqueue.worker.outage import Outage
from docqueue.worker.pool import ProcessPool
from docqueue.worker.protocol import News, ProgressReport, Report
from docqueue.worker.results import Results
from docqueue.worker.tally import Tally

AHEAD_SECONDS = 0.5  # hold no more unstarted items than will start within this …
HOLD_SECONDS = 1.0  # … and hand them back when in so long none could be started
CHILD_AHEAD_SECONDS = 0.05
FAST_SECONDS = 0.01  # only items this short are handed to a child several at a time
WATCH_SECONDS = 0.1  # how often running items are checked for their timeouts
LOOK_SECONDS = 1.0  # how often lanes, pauses and cancels are read
CUT_OFF_SECONDS = 5.0


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
    tally: Tally = field(default_factory=Tally)
    stopping: bool = False
    buffer: deque[ClaimedItem] = field(default_factory=deque)
    average_seconds: float | None = None
    claimed: int = 0
    _said: dict[int, ProgressReport] = field(default_factory=dict)
    _lanes: list[claiming.Lane] = field(default_factory=list)
    _looked_at: float = float("-inf")
    _alone: int | None = None
    _idle_seconds: float = 0.0
    _next_claim_at: float = 0.0
    _handed_out_at: float = 0.0

    def __post_init__(self) -> None:
        self.results = Results(self.using, self.tally)
        self.outage = Outage(self.using)

    def in_hand(self) -> int:
        """Items claimed and not yet settled."""
        return len(self.buffer) + self.pool.held() + len(self.results.waiting)

    def tick(self) -> None:
        """One round: wait for news, settle, claim, hand out."""
        self._take_in(*self.pool.collect(self._patience(time.monotonic()), self.wake))
        now = time.monotonic()
        self.buffer.extendleft(reversed(self.pool.enforce(now)))
        if now < self.outage.until:
            return
        try:
            self._talk(now)
        except DatabaseError as error:
            self._looked_at = float("-inf")  # what a lost answer gave us is found by a look
            self.outage.failed(error, worker_id=self.worker)
            return
        self.outage.over(worker_id=self.worker)
        self._hand_out(now)

    def _talk(self, now: float) -> None:
        """Everything that needs the database."""
        self._tell_progress()
        nothing_runs = not self.buffer and not self.pool.held()
        if self.results.waiting and (nothing_runs or not self.results.due_in(now)):
            self.results.write()
            if not self.in_hand():
                # What just ended may have let its followers go: look afresh, and do not take the queue for empty yet.
                self._alone = None
                self._looked_at = float("-inf")
                self._next_claim_at = now
                self._idle_seconds = 0.0
        if now - self._looked_at >= LOOK_SECONDS:
            self._look(now)
        if now >= self._next_claim_at:
            self._claim(now)

    def _patience(self, now: float) -> float:
        """How long `collect` may wait."""
        longest = WATCH_SECONDS if self.in_hand() else LOOK_SECONDS
        if now < self.outage.until:
            return min(longest, self.outage.until - now)
        if self.results.waiting:
            return min(longest, self.results.due_in(now))
        return max(0.0, min(longest, self._next_claim_at - now)) if self._room(now) else longest

    def _take_in(self, news: list[News], unstarted: list[ClaimedItem]) -> None:
        self.buffer.extendleft(reversed(unstarted))
        if len(self.pool.children) < self.pool.size and not self.stopping:
            self.pool.start()
        for report in news:
            if isinstance(report, ProgressReport):
                self._said[report.item.id] = report
                continue
            self.results.add(report)
            mean = report.seconds if self.average_seconds is None else self.average_seconds
            self.average_seconds = mean + 0.2 * (report.seconds - mean)

    def _tell_progress(self) -> None:
        """Write the last that each item has said. The answer carries a cancel."""
        while self._said:
            said = next(iter(self._said.values()))
            params = {"item_id": said.item.id, "token": said.item.claim_token, "percent": said.percent}
            rows = store.run(self.using, "progress", {**params, "stage": said.stage, "message": said.message})
            del self._said[said.item.id]
            if rows and rows[0][0]:
                self.pool.cancel(said.item.id)

    def _look(self, now: float) -> None:
        """Read what changes seldom: the lanes that have items, and what the database says that we hold."""
        self._looked_at = now
        self._lanes = claiming.lanes(self.using, self.serve, self.exclude)
        ours = {i.id: i.claim_token for i in (*self.buffer, *self.pool.in_hand())}
        ours |= {r.item.id: r.item.claim_token for r in self.results.waiting}
        held = claiming.held(self.using, self.worker)
        for item_id, claim in held.items():
            if claim.cancel_requested:
                self._cancel(item_id)
        if any(ours.get(item_id) != claim.token for item_id, claim in held.items()):
            settling.release_unknown(self.using, self.worker, ours)  # the answer to its claim was lost

    def _cancel(self, item_id: int) -> None:
        item = next((i for i in self.buffer if i.id == item_id), None)
        if item is None:
            self.pool.cancel(item_id)
        else:
            self.buffer.remove(item)
            self.results.add(Report(item=item, outcome=outcomes.Released(), seconds=0.0))

    def _target(self, now: float) -> int:
        """How many items to have in hand: one a process, and of fast ones as many as start within AHEAD_SECONDS."""
        ahead = 0
        if self.average_seconds is not None:
            pace = max(self.average_seconds, self.pool.busy_seconds(now), 1e-5)
            ahead = min(get_settings().BATCH_SIZE, int(AHEAD_SECONDS / pace))
        return self.pool.size * (1 + ahead)

    def _room(self, now: float) -> int:
        """How many items may be claimed now; not worth a statement while it is less than half of the target."""
        if self.stopping or self._alone is not None or not self.pool.ready() or not self.lease.stands():
            return 0
        in_hand = self.in_hand()
        if in_hand and any(lane.suspect for lane in self._lanes):
            return 0  # the suspects first, and each must run alone
        target = self._target(now)
        room = target - in_hand
        if room < max(1, target // 2):
            return 0
        return room if self.limit is None else min(room, self.limit - self.claimed)

    def _claim(self, now: float) -> None:
        room = self._room(now)
        if room < 1:
            return
        suspects = [lane.queue for lane in self._lanes if lane.suspect]
        if suspects:
            item = claiming.claim_suspect(self.using, self.worker, suspects)
            self._alone = item.id if item else None
            self._claimed([item] if item else [], now)
            return
        names = [lane.queue for lane in self._lanes]
        found: list[ClaimedItem] = []
        share = -(-room // max(1, len(names)))  # from each in turn, so that none starves
        first = self.claimed % max(1, len(names))
        for queue in names[first:] + names[:first]:
            wanted = min(share, room - len(found))
            found += claiming.claim(self.using, self.worker, [queue], wanted) if wanted > 0 else []
        self._claimed(found, now)

    def _claimed(self, items: list[ClaimedItem], now: float) -> None:
        if items:
            self.buffer.extend(items)
            self.claimed += len(items)
            self._idle_seconds = 0.0
            self._handed_out_at = now
            events.emit(events.EventName.ITEMS_CLAIMED, logging.DEBUG, worker_id=self.worker, count=len(items))
            return
        settings = get_settings()
        self._idle_seconds = min(settings.POLL_MAX_SECONDS, max(settings.POLL_MIN_SECONDS, self._idle_seconds * 1.5))
        self._next_claim_at = now + self._idle_seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        self._looked_at = float("-inf")  # the next try starts with a fresh look at the lanes

    def _hand_out(self, now: float) -> None:
        if self.stopping:
            self.hand_back()
            return
        window = 1
        average = self.average_seconds
        if average is not None and average < FAST_SECONDS and self._alone is None:
            window = max(1, min(get_settings().BATCH_SIZE, int(CHILD_AHEAD_SECONDS / max(average, 1e-5))))
        if self.pool.feed(self.buffer, window) or not self.buffer:
            self._handed_out_at = now
        elif now - self._handed_out_at > HOLD_SECONDS:
            self.hand_back()

    def hand_back(self) -> None:
        """Release what has not been handed to a child: its place in the lane is kept, the attempt given back."""
        self.claimed -= len(self.buffer)
        for item in self.buffer:
            self.results.add(Report(item=item, outcome=outcomes.Released(), seconds=0.0))
        self.buffer.clear()

    def looked_in_vain(self) -> bool:
        """Whether the last look and claim found nothing."""
        return self._idle_seconds > 0 and not self._lanes

    def stop(self) -> None:
        """Claim and start nothing more: what has not started is released at once, what runs may finish."""
        self.stopping = True
        self.buffer.extend(self.pool.stop())
        self.hand_back()

    def cut_off(self) -> None:
        """End what still runs, release it uncharged, and write that, if the database can be reached."""
        self.stopping = True
        self.pool.cut_off()
        deadline = time.monotonic() + CUT_OFF_SECONDS
        while self.pool.children and time.monotonic() < deadline:
            self._take_in(*self.pool.collect(WATCH_SECONDS))
        self.buffer.extend(self.pool.stop())
        self.hand_back()
        try:
            self.results.write()
        except DatabaseError as error:
            self.outage.failed(error, worker_id=self.worker)

    def sign_off(self) -> None:
        """Mark the worker row stopped, so that what it may still hold is freed at once; else the lease runs out."""
        if self.lease.stands():
            try:
                claiming.stop(self.using, self.worker)
            except DatabaseError as error:
                self.outage.failed(error, worker_id=self.worker)
