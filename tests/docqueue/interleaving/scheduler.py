"""The explorer: lets actors take their steps in an order that a seed decides, and has each schedule judged."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from random import Random
from time import monotonic

from django.db import connections

from docqueue import claiming, history, settling, store
from docqueue.conf import overridden
from docqueue.items import ClaimedItem
from docqueue.maintenance import promote, reap
from docqueue.service import DocumentQueueService
from tests.docqueue.interleaving import roles, scene
from tests.docqueue.interleaving.actors import (
    COMMIT,
    ROLLBACK,
    USING,
    Actor,
    Clock,
    Event,
    Performer,
    Report,
    hooked,
    prepare_session,
)
from tests.docqueue.interleaving.judge import Judge
from tests.docqueue.interleaving.ledger import Violation, must

WORKERS = ("worker 1", "worker 2", "worker 3")
OTHERS = {
    "promoter": roles.promoter,
    "reaper": roles.reaper,
    "canceller": roles.canceller,
    "producer": roles.producer,
}
PATIENCE_SECONDS = 0.002  # an answer that takes longer is asked after: does it wait for a lock?
CALM_SECONDS = 0.5  # the same where there is no lock to wait for
STUCK_SECONDS = 20.0
ROUNDS_TO_REST = 12
TABLES = ("item", "history", "attempt", "key", "worker", "audit")
VACUUM_EVERY = 250  # schedules; what they leave behind would make each look a longer walk

WAITING = "select pid, pg_blocking_pids(pid) from unnest(%s::int[]) pid where pg_blocking_pids(pid) && %s::int[]"


@dataclass
class Story:
    """One schedule: its trace, and what happened in it."""

    seed: int
    lines: list[str] = field(default_factory=list)
    facts: Counter[str] = field(default_factory=Counter)

    def digest(self) -> bytes:
        """The same for the same interleaving."""
        return hashlib.blake2s("\n".join(self.lines).encode(), digest_size=16).digest()


class Failure(AssertionError):
    """A schedule that broke a promise, with all that is needed to see it again."""

    def __init__(self, story: Story, promise: BaseException) -> None:
        self.seed, self.promise = story.seed, str(promise)
        trace = "\n".join(f"{n:4} {line}" for n, line in enumerate(story.lines, 1))
        super().__init__(f"seed {story.seed}: {promise!r}\n{trace}\nAgain: DOCQUEUE_INTERLEAVING_SEED={story.seed}")


class Explorer:
    """Actors with their connections, for any number of schedules."""

    def __init__(self) -> None:
        self._morning = datetime.now(UTC)
        self.clock = Clock(self._morning)
        self.facts: Counter[str] = Counter()
        self.traces: set[bytes] = set()
        self.played = 0
        self._reports: SimpleQueue[tuple[Actor, Report]] = SimpleQueue()
        self._actors = {name: Actor(name, self.clock, self._reports) for name in (*WORKERS, *OTHERS)}
        for _ in self._actors:
            _, report = self._reports.get(timeout=STUCK_SECONDS)
            assert report.error is None, report.error
        self._backends = [actor.backend for actor in self._actors.values()]
        self._by_backend = {actor.backend: actor for actor in self._actors.values()}
        self._main = Performer("main", self.clock, self._hear)
        self._service = DocumentQueueService(USING)

    def close(self) -> None:
        """Dismiss the actors."""
        for actor in self._actors.values():
            actor.dismiss()

    def play(self, seed: int) -> Story:
        """Play one schedule. Raises `Failure`."""
        if self.played % VACUUM_EVERY == 0:
            scene.query("vacuum " + ", ".join(f"docqueue_{table}" for table in TABLES))
        self.played += 1
        self.clock.now = self._morning
        self._story, self._judge, self._dice = Story(seed), Judge(), Random(seed)
        self._busy: set[Actor] = set()
        self._out: set[Actor] = set()  # those that have to report yet
        self._blocked: dict[Actor, str] = {}
        self._arrived: dict[Actor, Report] = {}
        self._ends = False
        try:
            with self._main.on_stage():
                programs = self._set_up()
                self._interleave(programs)
                self._judge.compare(*scene.look())
                self._come_to_rest()
                self._judge.compare_ends(*scene.strike())
        except BaseException as error:
            self._abandon()
            if isinstance(error, (Exception, Violation)):
                raise Failure(self._story, error) from error
            raise
        self._story.facts = self._judge.facts
        self.facts += self._judge.facts
        self.traces.add(self._story.digest())
        return self._story

    # -- before and after ----------------------------------------------------------------------------------------

    def _set_up(self) -> dict[Actor, Callable[[Actor], None]]:
        """A few items in several states, live workers, and what each actor will do."""
        dice, seed = self._dice, self._story.seed
        stage = roles.Stage(self._service, scene.build(self._judge, dice, self.clock.now))
        self._story.lines += [f"item {n}: {item}" for n, item in enumerate(self._judge.items.values(), 1)]
        programs: dict[Actor, Callable[[Actor], None]] = {}
        for name, worker in zip(WORKERS, scene.WORKERS, strict=True):
            programs[self._actors[name]] = roles.WorkerRole(stage, Random(f"{seed} {name}"), worker)
        for name, role in OTHERS.items():
            programs[self._actors[name]] = role(stage, Random(f"{seed} {name}"))
        return programs

    def _come_to_rest(self) -> None:
        """Do what is left to do, one thing after the other, until every item has ended."""
        for n in range(ROUNDS_TO_REST):
            live = [item for item in self._judge.items.values() if item.live and item.status != "dead"]
            if not live:
                return
            self.clock.now += timedelta(seconds=400)
            if any(item.status == "in_progress" for item in live):
                if n:  # a claim may have committed after its worker was swept: the duty `prune` looks for that
                    store.count(USING, "unsweep", {})
                reap.run(USING)
            if any(item.status == "waiting" for item in live):
                promote.run(USING)
            pending = [item for item in live if item.status == "pending"]
            suspects = sum(item.suspect for item in pending)
            claims: list[ClaimedItem | None] = []
            if len(pending) > suspects:
                claims += claiming.claim(USING, scene.LAST_WORKER, [roles.QUEUE], 100)
            for _ in range(suspects):
                claims.append(claiming.claim_suspect(USING, scene.LAST_WORKER, [roles.QUEUE]))
            settling.complete(USING, [(claim, None) for claim in claims if claim is not None])
        raise Violation(f"these items never end: {live}")

    # -- the schedule --------------------------------------------------------------------------------------------

    def _interleave(self, programs: dict[Actor, Callable[[Actor], None]]) -> None:
        dice = self._dice
        ticks = [dice.choice([5, 20, 20, 40]) for _ in range(3)]
        # How likely an actor goes on. It must also be so that one does much while another stands still.
        stay = dice.choice([0.0, 0.0, 0.5, 0.8])
        for actor, program in programs.items():
            self._busy.add(actor)
            self._out.add(actor)
            actor.begin(program, Random(f"{self._story.seed} {actor.name} splits"))
            self._wait_for([actor])
        last: Actor | None = None
        while self._busy:
            ready = [actor for actor in programs if actor in self._busy and actor not in self._blocked]
            must(bool(ready), f"nobody can go on: {[actor.name for actor in self._busy]} wait for each other")
            if last in ready and dice.random() < stay:
                actor = last
            else:
                if ticks and dice.random() < 0.08:
                    self._tick(ticks.pop())
                actor = dice.choice(ready)
            self._step(actor)
            last = actor

    def _tick(self, seconds: float) -> None:
        self.clock.now += timedelta(seconds=seconds)
        self._story.lines.append(f"time passes: {seconds} s")

    def _step(self, actor: Actor) -> None:
        step = actor.next
        self._out.add(actor)
        self._ends = False
        undisturbed = self._judge.alone(actor.name)
        actor.go_on(undisturbed=undisturbed)
        self._wait_for([actor], CALM_SECONDS if undisturbed or step in (COMMIT, ROLLBACK) else PATIENCE_SECONDS)
        if actor in self._blocked:
            self._story.lines.append(f"{actor.name}: {step} waits for {self._blocked[actor]}")
        elif self._blocked and (self._ends or self._arrived):  # it may have stood in their way
            self._wait_for([other for other in self._actors.values() if other in self._blocked])

    def _wait_for(self, actors: Sequence[Actor], patience: float = PATIENCE_SECONDS) -> None:
        """Until each of them has reported, or is known to wait for another's lock; they are heard in this order.

        Whom a COMMIT frees may be quicker than the actor that committed. Several whom it frees run at once: none of
        them commits before its next step, so it does not matter who is heard first.
        """
        deadline = monotonic() + STUCK_SECONDS
        while missing := [actor for actor in actors if actor not in self._arrived]:
            try:
                actor, report = self._reports.get(timeout=patience)
                self._arrived[actor] = report
            except Empty:
                if self._all_wait(missing):
                    break
                must(monotonic() < deadline, f"{[actor.name for actor in missing]} do not answer")
        for actor in actors:
            if actor in self._arrived:
                self._take(actor, self._arrived.pop(actor))

    def _all_wait(self, actors: Sequence[Actor]) -> bool:
        waiting = scene.query(WAITING, [[actor.backend for actor in actors], self._backends])
        if len(waiting) < len(actors):
            return False
        for backend, others in waiting:
            actor = self._by_backend[backend]
            if actor not in self._blocked:
                names = [self._by_backend[pid].name for pid in others if pid in self._by_backend]
                self._blocked[actor] = ", ".join(sorted(names))
                actor.waited = True
                self._judge.waits(actor.name, str(actor.next), names)
        return True

    def _take(self, actor: Actor, report: Report) -> None:
        self._out.discard(actor)
        freed = self._blocked.pop(actor, None) is not None
        self._judge.blocked.discard(actor.name)
        step, actor.next = actor.next, report.next
        if report.next is None:
            self._busy.discard(actor)
        for event in report.events:
            self._ends |= event.kind != "executed"
            self._hear(actor.name, event, freed=freed)
        if step is not None and not any(event.kind in ("executed", "failed") for event in report.events):
            self._story.lines.append(f"{actor.name}: {step}")
        if report.error is not None:
            raise report.error

    def _hear(self, name: str, event: Event, *, freed: bool = False) -> None:
        if event.kind in ("executed", "failed"):
            told = self._judge.in_words(*event.args)
            self._story.lines.append(f"{name}: {told}{' (it waited)' if freed else ''}")
        getattr(self._judge, event.kind)(name, *event.args)

    def _abandon(self) -> None:
        """Bring every actor home from a schedule that failed, and empty the tables."""
        deadline = monotonic() + STUCK_SECONDS
        for actor, report in self._arrived.items():
            self._out.discard(actor)
            if report.next is None:
                self._busy.discard(actor)
        for actor in self._busy - self._out:
            actor.abandon()
        while self._busy:
            assert monotonic() < deadline, f"{[actor.name for actor in self._busy]} do not come home"
            try:
                actor, report = self._reports.get(timeout=0.05)
            except Empty:
                for blocked in self._busy:
                    scene.query("select pg_cancel_backend(%s)", [blocked.backend])
                continue
            if report.next is None:
                self._busy.discard(actor)
            else:
                actor.abandon()
        scene.strike()


@contextmanager
def explorer() -> Iterator[Explorer]:
    """An explorer for the length of the block."""
    history.ensure(USING, weeks=2)
    with overridden(LISTEN=False), hooked():
        connections[USING].close()  # the next one is opened as the actors' are
        prepare_session()
        found = Explorer()
        try:
            yield found
        finally:
            found.close()
            connections[USING].close()
