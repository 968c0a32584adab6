"""The work loop: claim, hand out, collect, settle. It decides how much to claim and when; SQL is below it.

A round never waits for the database: talks with it go on beside the handlers (talker.py). One claims and writes what
ended; while it is under way and a whole batch more has ended, a second does so (scribe.py), if no other worker lives.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db import Error as DatabaseError

from docqueue import claiming, events, outcomes
from docqueue.conf import get_settings
from docqueue.items import ClaimedItem
from docqueue.pausing import LOOK
from docqueue.states import Status
from docqueue.worker.buffer import Buffer
from docqueue.worker.conversations import Conversation, Conversations
from docqueue.worker.inline import InlinePool
from docqueue.worker.lanes import Lanes
from docqueue.worker.lease import Standing
from docqueue.worker.looks import LOOK_SECONDS, Looks
from docqueue.worker.outage import Outage
from docqueue.worker.pool import ProcessPool
from docqueue.worker.protocol import News, ProgressReport, Report
from docqueue.worker.results import Results
from docqueue.worker.scribe import Lender, Scribe
from docqueue.worker.speeds import Speeds
from docqueue.worker.talk import Answer, Appetite, Request, Talk
from docqueue.worker.talker import Direct, Talker
from docqueue.worker.tally import Tally

HOLD_SECONDS = 1.0  # what could not be started in so long is handed back
WATCH_SECONDS = 0.1  # how often running items are checked for their timeouts
CUT_OFF_SECONDS = 5.0


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
    make_talker: Callable[[Talk], Talker] = Direct
    lender: Lender | None = None
    stopping: bool = False
    speeds: Speeds = field(default_factory=Speeds)
    claimed: int = 0
    _said: dict[int, ProgressReport] = field(default_factory=dict)
    _heard: set[str] = field(default_factory=set)
    _alone: bool = False
    _held: Counter[str] = field(default_factory=Counter)
    last: Answer = field(default_factory=Answer)
    _vain: bool = False
    _eager: bool = False
    _stirred: bool = False

    def __post_init__(self) -> None:
        self.buffer = Buffer(apart=bool(self.pool.threads))
        self.results = Results()
        self.outage = Outage(self.using)
        self.looks = Looks()
        scribe = Scribe(self._new_talk(), self.lender) if self.lender else None
        self.talks = Conversations(self.make_talker(self._new_talk()), scribe)
        self._uncounted: list[tuple[Report, Status | None]] = []

    def _new_talk(self) -> Talk:
        return Talk(self.using, self.worker, Lanes(self.using, self.serve, self.exclude, self.worker))

    def in_hand(self) -> int:
        """Items claimed and not yet settled."""
        return len(self.buffer) + self.pool.held() + len(self.results)

    def tick(self) -> None:
        """One round: wait for news, settle, claim, hand out."""
        self._take_in(*self.pool.collect(self._patience(time.monotonic()), [*self.wake, *self.talks.wake()]))
        now = time.monotonic()
        self.buffer.put_back(self.pool.enforce(now))
        self._listen(now)
        if now >= self.outage.until:
            self._talk(now)
        self._hand_out(now)
        self._count()  # last: the database is at work meanwhile

    def _talk(self, now: float) -> None:
        if self.talks.claimer.under_way is not None:
            full = len(self.results.waiting) >= get_settings().BATCH_SIZE
            if self.last.sole and full and (scribe := self.talks.free_scribe()):
                scribe.ask(Request(ended=self.results.take(), dependencies=self.last.dependencies))
            return
        self._eager, request = False, self._compose(now)
        if request is not None:
            self.talks.claimer.ask(request)
            self._listen(now)  # the answer is there already where no thread is between

    def _compose(self, now: float) -> Request | None:
        """What there is to say and to ask; None when it can wait."""
        idle = not self.buffer and not self.pool.held()
        ended = self.results.take() if self.results.waiting and (idle or not self.results.due_in(now)) else []
        look = self.looks.look.due(now) or LOOK in self._heard
        self._heard.discard(LOOK)
        curious = look or any(report.item.ordering_key is not None for report in ended)
        appetite = self._appetite(now) if self._hungry(look=curious, idle=idle, now=now) else None
        if not (ended or look or appetite or self._said):
            return None
        known = self._known() if self.looks.recover.due(now) else None
        nothing_else = look and idle and appetite is not None and known is None and not (ended or self._said)
        heard, self._heard = (self._heard, set()) if appetite else (set(), self._heard)
        return Request(
            said=list(self._said.values()),
            ended=ended,
            holding=bool(self.buffer or self.pool.held()),
            known=known,
            look=look,
            heard=sorted(heard),
            appetite=appetite,
            every=self.looks.every(listening=self.talks.listening) if nothing_else else 0.0,
        )

    def _may_claim(self) -> bool:
        if self.stopping or self._alone or not self.pool.ready() or not self.lease.stands():
            return False
        return self.limit is None or self.claimed < self.limit

    def _hungry(self, *, look: bool, idle: bool, now: float) -> bool:
        """Whether something may be claimed, there may be something to claim, and enough of it is wanted."""
        if not self._may_claim():
            return False
        if self.last.suspects and (idle or self.last.draining):
            return idle  # the suspects first, and each must run alone
        if look or self._heard:
            return True
        appetite = self._appetite(now)
        return any(appetite.wanted(queue, self.last.open) for queue in self.last.open)

    def _appetite(self, now: float) -> Appetite:
        return Appetite(
            size=self.pool.size,
            sizes=self.pool.sizes,
            held=dict(self._held),
            pace=dict(self.speeds.means),
            busy_seconds=self.pool.busy_seconds(now),
            limit=None if self.limit is None else self.limit - self.claimed,
            alone=not self.buffer and not self.pool.held(),
        )

    def _known(self) -> set[tuple[int, int]]:
        items = (*self.buffer, *self.pool.in_hand(), *(report.item for report in self.results))
        return {(item.id, item.claim_token) for item in items}

    def _listen(self, now: float) -> None:
        """Take in an answer and notifications, if there are any."""
        for conversation in self.talks:
            if told := conversation.answer():
                self._told(conversation, *told, now)
            if broken := conversation.talker.broken():
                self._failed(broken)
            self._heard |= conversation.talker.heard()  # last: whatever comes now wakes us again

    def _told(self, conversation: Conversation, request: Request, answer: Answer, now: float) -> None:
        self.results.written(request.ended, answer.settled)
        self._uncounted += answer.settled
        if not self.in_hand():
            self._alone = False
        for said in answer.told:
            if self._said.get(said.item.id) is said:
                del self._said[said.item.id]
        for item_id, seconds_ago in answer.cancelled.items():
            self._cancel(item_id, now - seconds_ago)
        self._claimed(answer, now)
        if answer.error is not None:
            self._failed(answer.error)
            return
        self.outage.over(worker_id=self.worker)
        # What ended may have let its followers go: look afresh, unless a claim is on its way; it is not empty yet.
        self._stirred = self._stirred or bool(answer.settled)
        over = answer.followed or (self._stirred and not self.in_hand() and self.talks.claimer.under_way is None)
        self._stirred = self._stirred and not over
        if conversation is self.talks.claimer:
            self.last, self._vain = answer, answer.vain and not over
            listening, busy = self.talks.listening, not self._may_claim()
            self.looks.talked(request, answer, now, busy=busy, listening=listening, over=over)
        elif over:
            self.looks.look.soon()
            self._vain = False

    def _failed(self, error: BaseException) -> None:
        """A statement failed. What a lost answer gave us is found by comparing."""
        self.looks.lost_an_answer()
        if not isinstance(error, DatabaseError):
            raise error
        self.outage.failed(error, worker_id=self.worker)

    def _count(self) -> None:
        self.tally.count(self._uncounted)
        self._uncounted = []

    def _claimed(self, answer: Answer, now: float) -> None:
        if items := answer.claimed:
            self._eager = True  # there may be more, and this may have been less than is wanted
            self._alone = answer.alone
            self.buffer.append(items)
            self._held.update(item.line for item in items)
            self.claimed += len(items)
            events.emit(events.EventName.ITEMS_CLAIMED, logging.DEBUG, worker_id=self.worker, count=len(items))

    def _patience(self, now: float) -> float:
        """How long `collect` may wait."""
        longest = WATCH_SECONDS if self.in_hand() else LOOK_SECONDS
        if self.talks.claimer.under_way is not None:
            return longest
        if now < self.outage.until:
            return min(longest, self.outage.until - now)
        if self._eager:
            return 0.0
        if self.results.waiting:
            longest = min(longest, self.results.due_in(now))
        return max(0.0, min(longest, self.looks.look.next - now))

    def _take_in(self, news: list[News], unstarted: list[ClaimedItem]) -> None:
        self.buffer.put_back(unstarted)
        if not self.stopping:
            self.pool.start()
        for report in news:
            if isinstance(report, ProgressReport):
                self._said[report.item.id] = report
                continue
            self._end(report)
            self.speeds.note(report)

    def _cancel(self, item_id: int, asked_at: float) -> None:
        if (item := self.buffer.remove(item_id)) is None:
            self.pool.cancel(item_id, asked_at)
        else:
            self._end(Report(item=item, outcome=outcomes.Released(), seconds=0.0))

    def _end(self, report: Report) -> None:
        self.results.add(report)
        self._held[report.item.line] -= 1

    def _hand_out(self, now: float) -> None:
        if self.stopping:
            self.hand_back()
            return

        def feed(queue: str, line: deque[ClaimedItem], *, spare: bool) -> int:
            return self.pool.feed(line, 1 if self._alone else self.speeds.window(queue), spare=spare)

        self._release(self.buffer.take(self.last.paused))
        self.buffer.hand_out(feed, now)
        self._release(self.buffer.overdue(now - HOLD_SECONDS))

    def hand_back(self) -> None:
        """Release what has not been handed to a child: its place in the lane is kept, the attempt given back."""
        self._release(self.buffer.clear())

    def _release(self, items: Sequence[ClaimedItem]) -> None:
        self.claimed -= len(items)
        for item in items:
            self._end(Report(item=item, outcome=outcomes.Released(), seconds=0.0))

    def looked_in_vain(self) -> bool:
        """Whether the last look found nothing to claim, and nothing has happened since."""
        return self._vain and not self.busy()

    def stop(self) -> None:
        """Claim and start nothing more: what has not started is released at once, what runs may finish."""
        self.stopping = True
        self.talks.hurry()
        self.buffer.append(self.pool.stop())
        self.hand_back()

    def busy(self) -> bool:
        """Whether something is in hand, or may come with an answer that is still on its way."""
        return bool(self.in_hand()) or self.talks.under_way

    def cut_off(self) -> None:
        """End what still runs, release it uncharged, and write that, if the database can be reached."""
        self.stopping = True
        self.pool.cut_off()
        deadline = time.monotonic() + CUT_OFF_SECONDS
        while self.pool.children and time.monotonic() < deadline:
            self._take_in(*self.pool.collect(WATCH_SECONDS))
        self.stop()
        self._last_words(deadline)

    def _last_words(self, deadline: float) -> None:
        """Write what is left, waiting for the talk that is under way; not past the deadline."""
        while time.monotonic() < deadline:
            self._listen(time.monotonic())
            self.hand_back()  # an answer may have brought items
            if not self.talks.under_way:
                if not self.results.waiting or time.monotonic() < self.outage.until:
                    break
                self.talks.claimer.ask(Request(ended=self.results.take()))
            else:
                self.pool.collect(WATCH_SECONDS, self.talks.wake())
        self._count()

    def sign_off(self) -> None:
        """Mark the worker row stopped, so that what it may still hold is freed at once; else the lease runs out."""
        self.talks.close()
        if self.lease.stands():
            try:
                claiming.stop(self.using, self.worker)
                self.tally.ended.write(self.using)
            except DatabaseError as error:
                self.outage.failed(error, worker_id=self.worker)
