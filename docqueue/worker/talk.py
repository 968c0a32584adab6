"""One talk of a worker with the database: write what ended, look, claim. All that needs the database is in here.

A request says what the work loop wants; the answer says what came of it, as far as it came: what was written before a
statement failed counts as written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import Error as DatabaseError

from docqueue import claiming, outcomes, settling, store
from docqueue.admission import fair, gates, limits
from docqueue.conf import get_settings
from docqueue.items import LIMITED, ClaimedItem
from docqueue.states import Status
from docqueue.worker.lanes import Lanes
from docqueue.worker.outage import passing
from docqueue.worker.protocol import ProgressReport, Report

# Hold no more unstarted items than will start within this: a multiple of what a talk takes, and little enough that
# another worker, which has to run each of them alone when this one dies, is through with them soon.
AHEAD_SECONDS = 0.2
QUICK_SECONDS = 0.01
QUICK_AHEAD_SECONDS = 0.5  # of quick ones more: each claim is worth a batch, and they are over soon
LIMITED_SECONDS = 0.05  # what is limited is asked for no more often than this


@dataclass(frozen=True, kw_only=True)
class Appetite:
    """How much may be claimed: `size` handlers run side by side (of some queues `sizes`).

    `held` items of each queue are in hand. `pace` is how long an item of each queue takes, as far as that is known;
    `busy_seconds` how long everyone has been at an item at least; `limit` the most that may be claimed in all; `alone`:
    nothing is in hand.
    """

    size: int
    sizes: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    pace: Mapping[str, float] = field(default_factory=dict)
    busy_seconds: float = 0.0
    limit: int | None = None
    alone: bool = False

    def wanted(self, queue: str, others: Iterable[str]) -> int:
        """How many items to claim of `queue`, one of those that have some: `others`, and those of which we hold some.

        Each gets its share of the handlers, and of quick items as many as start soon. Not worth a statement
        while it is less than half of what may be in hand.
        """
        queues = len({queue, *others, *(held for held, count in self.held.items() if count)})
        settings = get_settings()
        batch = settings.BATCH_SIZE
        pace, ahead = self.pace.get(queue), 0
        if pace is not None:
            each = max(pace, self.busy_seconds, 1e-5)
            ahead = min(settings.PREFETCH, int((QUICK_AHEAD_SECONDS if each < QUICK_SECONDS else AHEAD_SECONDS) / each))
        target = -(-self.sizes.get(queue, self.size) * (1 + ahead) // queues)
        room = target - self.held.get(queue, 0)
        return 0 if room < max(1, min(batch, target // 2)) else min(batch, room)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to say and to ask. `known` (item ids with fences): release whatever else the database says that we hold.

    `every`: while there is nothing to claim, a talker of its own may look again after so many seconds (0: answer).
    `dependencies`: another talk has seen that items come after others.
    """

    said: Sequence[ProgressReport] = ()
    ended: Sequence[Report] = ()
    holding: bool = False
    known: Collection[tuple[int, int]] | None = None
    look: bool = False
    heard: Sequence[str] = ()
    appetite: Appetite | None = None
    every: float = 0.0
    dependencies: bool = False


@dataclass(kw_only=True)
class Answer:
    """What came of a request, as far as it came before `error`.

    `cancelled`: items that somebody asked to cancel, and how many seconds ago; `asked`: it tried to claim; `alone`:
    what it claimed must run alone; `followed`: items that waited for one of those completed were let go; `vain`: it
    looked and found nothing; `open`, `suspects`: there may be more to claim; `draining`: it is on us to run the
    suspects, so nothing else is to be claimed; `sole`: no other worker lives; `again_seconds`: until a limit may let
    something start; `paused`: queues of which nothing is to start; `dependencies`: some items come after others;
    `orders`: what a person asks of this worker, to be quiet or to stop.
    """

    settled: list[tuple[Report, Status | None]] = field(default_factory=list)
    told: list[ProgressReport] = field(default_factory=list)
    cancelled: dict[int, float] = field(default_factory=dict)
    claimed: list[ClaimedItem] = field(default_factory=list)
    alone: bool = False
    asked: bool = False
    followed: bool = False
    open: list[str] = field(default_factory=list)
    paused: AbstractSet[str] = frozenset()
    dependencies: bool = False
    orders: str = ""
    suspects: bool = False
    draining: bool = False
    sole: bool = False
    vain: bool = False
    again_seconds: float | None = None
    look_seconds: float = 0.0
    recover_seconds: float = 0.0
    error: BaseException | None = None


class Talk:
    """The worker's side of the conversation; one at a time."""

    def __init__(self, using: str, worker: int, lanes: Lanes) -> None:
        self.using = using
        self.worker = worker
        self.lanes = lanes
        self._turn = 0

    def __call__(self, request: Request) -> Answer:
        """Say and ask it all. Never raises: the answer has the error."""
        answer = Answer()
        try:
            self._report(request, answer)
            self._look(request, answer)
            self._step(request, answer)
        except BaseException as error:  # noqa: BLE001 - the work loop raises it
            answer.error = error
            if passing(error):
                store.close(self.using)
                self.lanes.forget()  # the server that comes back may be one that is behind
        answer.open, answer.suspects, answer.sole = self.lanes.open(), bool(self.lanes.suspects), self.lanes.sole
        answer.draining, answer.paused = self.lanes.draining, self.lanes.paused
        answer.dependencies, answer.orders = self.lanes.dependencies, self.lanes.orders
        return answer

    def _report(self, request: Request, answer: Answer) -> None:
        for said in request.said:
            params = {"item_id": said.item.id, "token": said.item.claim_token, "percent": said.percent}
            rows = store.run(self.using, "progress", {**params, "stage": said.stage, "message": said.message})
            answer.told.append(said)
            if rows and rows[0][0]:
                answer.cancelled[said.item.id] = 0.0
        if request.known is not None:
            began = time.monotonic()
            settling.release_unknown(self.using, self.worker, request.known)
            answer.recover_seconds = time.monotonic() - began
        if request.look and request.holding:
            answer.cancelled |= claiming.cancel_asked(self.using, self.worker)
        rest = [r for r in request.ended if not isinstance(r.outcome, outcomes.Completed)]
        if rest:
            self._carefully(rest, answer, self._settle)

    def _look(self, request: Request, answer: Answer) -> None:
        known = [self.lanes.stir(queue) for queue in request.heard if self.lanes.served(queue)]
        self.lanes.dependencies = self.lanes.dependencies or request.dependencies
        if request.look or not all(known):
            began = time.monotonic()
            self.lanes.look()
            answer.look_seconds = time.monotonic() - began
            answer.vain = not self.lanes.open() and not self.lanes.suspects
            answer.again_seconds = LIMITED_SECONDS if self.lanes.limited else None

    def _step(self, request: Request, answer: Answer) -> None:
        """Completions go along with the first claim."""
        done = [r for r in request.ended if isinstance(r.outcome, outcomes.Completed)]
        if request.appetite is not None and request.appetite.alone and self.lanes.suspects:
            self._claim_suspect(answer)
        if request.appetite is not None and not (self.lanes.draining or answer.alone):
            for queue, wanted in self._portions(request.appetite, answer):
                answer.asked = True
                if queue == LIMITED:
                    self._claim_limited(answer, wanted)
                    continue
                self._carefully(done, answer, partial(self._claim, queue=queue, wanted=wanted))
                done = []
        if done:
            self._carefully(done, answer, partial(self._claim, **self._followers(done, request.appetite, answer)))
        if answer.claimed and gates.fair():
            fair.promote_all(self.using)  # what was claimed has made room in the lanes

    def _followers(self, done: Sequence[Report], appetite: Appetite | None, answer: Answer) -> dict[str, Any]:
        """Where nothing else is to be claimed: the queue in which one may follow on one that is completed here."""
        if appetite is None or self.lanes.draining or answer.alone:
            return {}
        if appetite.limit is None or appetite.limit > len(answer.claimed):
            for report in done:
                if report.item.ordering_key is not None and self.lanes.served(report.item.queue):
                    return {"queue": report.item.queue, "wanted": 1}
        return {}

    def _claim_limited(self, answer: Answer, wanted: int) -> None:
        items, seconds = limits.claim(self.using, self.worker, self.lanes.limited, wanted)
        answer.claimed += items
        if seconds is None:
            self.lanes.limited.clear()
        answer.again_seconds = None if seconds is None else max(LIMITED_SECONDS, seconds)

    def _claim_suspect(self, answer: Answer) -> None:
        item = claiming.claim_suspect(self.using, self.worker, self.lanes.suspects)
        answer.asked, answer.alone = True, item is not None
        if item is None:
            self.lanes.no_suspects()
        else:
            answer.claimed.append(item)

    def _portions(self, appetite: Appetite, answer: Answer) -> Iterator[tuple[str, int]]:
        """From which queues to claim how much, each queue first in its turn, so that none starves."""
        names = self.lanes.open() + [LIMITED] * bool(self.lanes.limited)
        first = self._turn % max(1, len(names))
        self._turn += 1
        for queue in names[first:] + names[:first]:
            wanted = appetite.wanted(queue, names)
            if appetite.limit is not None:
                wanted = min(wanted, appetite.limit - len(answer.claimed))
            if wanted > 0:
                yield queue, wanted

    def _carefully(
        self, reports: Sequence[Report], answer: Answer, write: Callable[[Sequence[Report], Answer], None]
    ) -> None:
        """Write all at once; when that is refused, one by one: what can not be stored stops none of the others."""
        try:
            write(reports, answer)
        except Exception as error:
            if passing(error) or not reports:
                raise
            for report in reports:
                self._singly(report, answer)

    def _singly(self, report: Report, answer: Answer) -> None:
        try:
            (self._claim if isinstance(report.outcome, outcomes.Completed) else self._settle)([report], answer)
        except Exception as error:
            # Only what is in this item's values is its own fault.
            if isinstance(error, DatabaseError) and not store.sqlstate(error).startswith(("22", "23")):
                raise
            why = f"what came of its run can not be stored: {error!r}"[: outcomes.MESSAGE_MAX]
            pause = get_settings().RETRY_MAX_SECONDS  # the handler's own policy may be what is at fault
            refused = outcomes.Failed(code="outcome_refused", message=why, retry_after=pause)
            self._settle([report._replace(outcome=refused)], answer)

    def _claim(self, reports: Sequence[Report], answer: Answer, queue: str = "", wanted: int = 0) -> None:
        """One step: complete `reports`, claim `wanted` items of `queue`."""
        done = [(r, r.outcome) for r in reports if isinstance(r.outcome, outcomes.Completed)]
        step = settling.step(
            self.using,
            self.worker,
            [(r.item, o.result) for r, o in done if not o.settled],
            queue=queue,
            starts=self.lanes.starts(queue, wanted),
            limit=wanted,
            dependencies=self.lanes.dependencies,
        )
        kept = step.completed
        answer.settled += [(r, Status.COMPLETED if o.settled or r.item.id in kept else None) for r, o in done]
        answer.claimed += step.claimed
        answer.followed = answer.followed or step.followed
        if queue:
            self.lanes.claimed(queue, step.claimed, wanted, step.returned)

    def _settle(self, reports: Sequence[Report], answer: Answer) -> None:
        """Write every exit but completed."""
        statuses = settling.settle(self.using, [(r.item, r.outcome) for r in reports])
        answer.settled += [(r, statuses.get(r.item.id)) for r in reports]
