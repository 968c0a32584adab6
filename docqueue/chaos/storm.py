"""A storm: a backlog, workers at it, strikes, and a ledger of all that. The scenarios say what is struck, and how."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from django.db import InterfaceError, OperationalError
from django.db.models import Max

from docqueue import store
from docqueue.chaos import phases
from docqueue.chaos.fleet import Fleet
from docqueue.chaos.handlers import EFFECT, OPERATION, POISON, register
from docqueue.chaos.ledger import Entry, Ledger, now
from docqueue.models import AnyItem, Attempt, AuditEntry, QueueItem, Worker
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status

SLICE = 1000
SECONDS = (0.001, 0.5)  # of a handler, evenly over the orders of magnitude
COMPLETE_SECONDS = 0.02
KEYS = 50  # ordering keys that a tenth of the items share
WANTED_PHASES = ((phases.COMPLETE, 0.15), (phases.HANDLER, 0.55), (None, 0.30))
AIM_SECONDS = 0.5  # how long the storm waits for a victim in the phase that it wants
LAST_SECONDS = 120.0  # after the last strike everything has to end within this
START_SECONDS = 60.0
UNWELL_SECONDS = 90.0  # how long the storm itself waits for a database that is away
T = TypeVar("T")


@dataclass(kw_only=True)
class Storm:
    """One run of a scenario. `strikes`: how many; what they are is up to the scenario."""

    about: ClassVar[str]
    usual: ClassVar[Mapping[str, int]] = {}
    """What it differs in from the command's own defaults: items, strikes, workers, processes."""

    max_crashes: ClassVar[int] = 100  # nobody is to die of what the storm does to it
    using: str
    folder: Path
    seed: int
    items: int
    strikes: int
    workers: int
    processes: int
    lease_seconds: float
    say: Callable[[str], None]
    dice: random.Random = field(init=False)
    _newest: int = 0  # the newest item from before the storm

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - to be repeated, not to be secret
        (self.folder / "phases").mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger(self.folder / "ledger.jsonl")
        self.service = DocumentQueueService(self.using)
        self.fleet = Fleet(
            folder=self.folder,
            ledger=self.ledger,
            size=self.workers,
            processes=self.processes,
            settings={
                "LEASE_SECONDS": self.lease_seconds,
                "MAX_CRASHES": self.max_crashes,
                "DATABASE": self.using,
                "QUEUES": (),
                "EXCLUDE_QUEUES": (),
            },
            environment=self.environment,
        )

    # -- what scenarios say ----------------------------------------------------------------------------------

    def environment(self, number: int) -> Mapping[str, str]:
        """What differs in the environment of the worker that is started as the `number`th."""
        return {}

    def prepare(self) -> None:
        """Before the first worker is started."""
        self.enqueue(self.items)

    def strike(self) -> None:
        """What is done while the workers are at it."""
        raise NotImplementedError

    def clear_away(self) -> None:
        """End what the scenario has started; also after a failure."""

    # -- the run ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Prepare, strike, wait for the end, write down what the database says."""
        register()
        self._newest = AnyItem.objects.using(self.using).aggregate(newest=Max("id"))["newest"] or 0
        told = {"seed": self.seed, "items": self.items, "strikes": self.strikes, "lease_seconds": self.lease_seconds}
        self.ledger.write("storm", name=type(self).__name__.lower(), **told)
        try:
            self.prepare()
            self.fleet.start()
            try:
                self.strike()
                self.say(f"the last strike is done, {self.left():,} items are left")
                deadline = time.monotonic() + LAST_SECONDS + self.left() * 0.05
                while self.left() and time.monotonic() < deadline:
                    self.fleet.start()
                    time.sleep(0.2)
            finally:
                peaceful = self.fleet.stop()
            self.ledger.write("stopped", peaceful=peaceful)
            self.patiently(self.final)
        finally:
            self.clear_away()

    def enqueue(self, count: int) -> None:
        """So many items, acknowledged slice by slice: some delayed, some that fail first, some with a key."""
        for start in range(0, count, SLICE):
            made = [self.new_item() for _ in range(min(SLICE, count - start))]
            ids = self.service.enqueue_many([item for item, _ in made])
            self.ledger.write_many("enqueued", [{"id": i, **note} for i, (_, note) in zip(ids, made, strict=True)])

    def new_item(self) -> tuple[NewItem, Entry]:
        """The next one, as the dice fall, and what is to be noted of it."""
        low, high = SECONDS
        payload = {
            "seconds": low * (high / low) ** self.dice.random(),
            "complete_seconds": COMPLETE_SECONDS * self.dice.random(),
            "fails": int(self.dice.random() < 0.03),
        }
        delay = self.dice.uniform(0.5, 5.0) if self.dice.random() < 0.03 else None
        key = f"chaos-{self.dice.randrange(KEYS)}" if self.dice.random() < 0.1 else None
        item = NewItem(operation=OPERATION, payload=payload, delay_seconds=delay, ordering_key=key)
        return item, {} if delay is None else {"due": now() + delay}

    def patiently(self, work: Callable[[], T]) -> T:
        """Do something with the database, again and again while it is unwell."""
        deadline = time.monotonic() + UNWELL_SECONDS
        while True:
            try:
                return work()
            except (OperationalError, InterfaceError):
                store.close(self.using)
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def left(self) -> int:
        """How many items are not at their end."""
        total = self.patiently(self.service.get_queue_stats).total
        return total.pending + total.in_progress + total.waiting + total.retrying

    def over(self, number: int) -> bool:
        """Whether the backlog is gone; said so, since a strike would hit nobody then."""
        if self.left():
            return False
        self.say(f"the backlog was gone after {number} strikes: give it more --items")
        return True

    def await_share(self, share: float) -> None:
        """Until so much of the backlog is done, or nothing of it is for a minute."""
        least, deadline = self.items, time.monotonic() + START_SECONDS
        while (left := self.left()) > self.items * (1 - share) and time.monotonic() < deadline:
            if left < least:
                least, deadline = left, time.monotonic() + START_SECONDS
            time.sleep(0.02)

    def await_work(self) -> None:
        """Until every worker is at work, or has had a minute for it."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if len({phases.parent(at.pid) for at in self.fleet.executors()}) == self.workers:
                return
            time.sleep(0.05)

    def victim(self) -> phases.At | None:
        """An executor, in the phase that the dice want if there is one soon; None when there is none at all."""
        wanted = self.dice.choices([p for p, _ in WANTED_PHASES], [w for _, w in WANTED_PHASES])[0]
        deadline = time.monotonic() + AIM_SECONDS
        while True:
            found = self.fleet.executors()
            fitting = [at for at in found if wanted is None or at.phase == wanted]
            if fitting or time.monotonic() > deadline:
                chosen = fitting or found
                return self.dice.choice(sorted(chosen, key=lambda at: at.pid)) if chosen else None
            time.sleep(0.0005)

    def note_held(self, pid: int, struck: float) -> None:
        """Write down what the database says that a worker holds, which was struck at that moment."""
        ours = Worker.objects.using(self.using).filter(pid=pid, kind=Worker.Kind.WORKER)
        held = QueueItem.objects.using(self.using).filter(status=Status.IN_PROGRESS, worker_id__in=ours.values("id"))
        rows = self.patiently(lambda: list(held.values_list("id", "claim_no")))
        about = {"t": struck, "pid_struck": pid}
        self.ledger.write_many("held", [{"id": i, "claim": claim, **about} for i, claim in rows])

    def final(self) -> None:
        """What the database says of every item since the storm began, item by item."""
        effects: dict[int, list[int]] = {}
        first = self._newest + 1
        found = AuditEntry.objects.using(self.using).filter(action=EFFECT, item_id__gte=first)
        rows: Any = found.values_list("item_id", "actor")
        for item_id, actor in rows.iterator():
            effects.setdefault(item_id or 0, []).append(int(actor))
        attempts: dict[int, list[tuple[object, ...]]] = {}
        rows = Attempt.objects.using(self.using).filter(item_id__gte=first)
        rows = rows.values_list("item_id", "claim_no", "outcome", "code", "started_at", "ended_at")
        for item_id, claim, outcome, code, started, ended in rows.iterator():
            attempts.setdefault(item_id, []).append((claim, outcome, code, (ended - started).total_seconds()))
        told = ("id", "status", "claim_no", "crashes", "unique_key")
        rows = AnyItem.objects.using(self.using).filter(operation__in=[OPERATION, POISON], id__gte=first)
        rows = rows.values_list(*told)
        self.ledger.write_many(
            "final",
            [
                {"id": i, "status": s, "claim": claim, "crashes": crashes, "unique": unique}
                | {"effects": effects.get(i, []), "attempts": attempts.get(i, [])}
                for i, s, claim, crashes, unique in rows.iterator()
            ],
        )
