"""The scenarios: what is done to the workers while they are at a backlog. Each is seeded and can be run again."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from docqueue.chaos import phases
from docqueue.chaos.fleet import Fleet
from docqueue.chaos.handlers import EFFECT, OPERATION, register
from docqueue.chaos.ledger import Ledger
from docqueue.exceptions import ConfigurationError
from docqueue.models import AnyItem, Attempt, AuditEntry
from docqueue.service import DocumentQueueService, NewItem

SLICE = 1000
SECONDS = (0.001, 0.5)  # of a handler, evenly over the orders of magnitude
COMPLETE_SECONDS = 0.02
KEYS = 50  # ordering keys that a tenth of the items share
WANTED_PHASES = ((phases.COMPLETE, 0.15), (phases.HANDLER, 0.55), (None, 0.30))
AIM_SECONDS = 0.5  # how long the storm waits for a victim in the phase that it wants
LAST_SECONDS = 120.0  # after the last strike everything has to end within this


@dataclass(kw_only=True)
class Storm:
    """One run of a scenario."""

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
            lease_seconds=self.lease_seconds,
        )

    def run(self, name: str) -> None:
        """Enqueue, strike, wait for the end, write down what the database says. Raises `ConfigurationError`."""
        strike = STORMS.get(name)
        if strike is None:
            raise ConfigurationError(f"There is no storm {name!r}: choose one of {', '.join(STORMS)}.")
        register()
        told = {"seed": self.seed, "items": self.items, "strikes": self.strikes, "lease_seconds": self.lease_seconds}
        self.ledger.write("storm", name=name, **told)
        self.enqueue()
        self.fleet.start()
        try:
            strike(self)
            self.say(f"the last strike is done, {self.left():,} items are left")
            deadline = time.monotonic() + LAST_SECONDS + self.left() * 0.05
            while self.left() and time.monotonic() < deadline:
                self.fleet.start()
                time.sleep(0.2)
        finally:
            peaceful = self.fleet.stop()
        self.ledger.write("stopped", peaceful=peaceful)
        self.final()

    def enqueue(self) -> None:
        """The backlog, acknowledged slice by slice: some delayed, some that fail first, some with a key."""
        for start in range(0, self.items, SLICE):
            new, notes = [], []
            for _ in range(min(SLICE, self.items - start)):
                low, high = SECONDS
                payload = {
                    "seconds": low * (high / low) ** self.dice.random(),
                    "complete_seconds": COMPLETE_SECONDS * self.dice.random(),
                    "fails": int(self.dice.random() < 0.03),
                }
                delay = self.dice.uniform(0.5, 5.0) if self.dice.random() < 0.03 else None
                key = f"chaos-{self.dice.randrange(KEYS)}" if self.dice.random() < 0.1 else None
                new.append(NewItem(operation=OPERATION, payload=payload, delay_seconds=delay, ordering_key=key))
                notes.append({} if delay is None else {"due": time.time() + delay})
            ids = self.service.enqueue_many(new)
            self.ledger.write_many("enqueued", [{"id": i, **note} for i, note in zip(ids, notes, strict=True)])

    def left(self) -> int:
        """How many items are not at their end."""
        total = self.service.get_queue_stats().total
        return total.pending + total.in_progress + total.waiting + total.retrying

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

    def final(self) -> None:
        """What the database says of every item of this storm, item by item."""
        effects: dict[int, list[int]] = {}
        for item_id, actor in (
            AuditEntry.objects.using(self.using).filter(action=EFFECT).values_list("item_id", "actor")
        ):
            effects.setdefault(item_id or 0, []).append(int(actor))
        attempts: dict[int, list[tuple[object, ...]]] = {}
        rows = Attempt.objects.using(self.using).values_list("item_id", "claim_no", "outcome", "code")
        for item_id, *row in rows.iterator():
            attempts.setdefault(item_id, []).append(tuple(row))
        found = AnyItem.objects.using(self.using).filter(operation=OPERATION).values_list("id", "status", "claim_no")
        self.ledger.write_many(
            "final",
            [
                {"id": i, "status": s, "claim": c, "effects": effects.get(i, []), "attempts": attempts.get(i, [])}
                for i, s, c in found.iterator()
            ],
        )


def kill(storm: Storm) -> None:
    """kill -9: four of five strikes hit an executor, one a supervisor, which is started again at once."""
    for number in range(storm.strikes):
        time.sleep(storm.dice.uniform(0.05, 0.35))
        if storm.left() == 0:
            storm.say(f"the backlog was gone after {number} strikes: give it more --items")
            return
        if storm.dice.random() < 0.2:
            storm.fleet.kill_worker(storm.dice.choice(storm.fleet.workers))
            storm.fleet.start()
        elif victim := storm.victim():
            storm.fleet.kill(victim, "child")


def zombie(storm: Storm) -> None:
    """SIGSTOP to a worker with its executors for 1.5 to 3 leases, then SIGCONT: they do not know what they missed.

    Half of the workers at least are awake: nobody could take over where all sleep.
    """
    sleepers: dict[int, threading.Thread] = {}
    for number in range(storm.strikes):
        if storm.left() == 0:
            storm.say(f"the backlog was gone after {number} strikes: give it more --items")
            break
        awake = [w for w in storm.fleet.workers if w.pid not in sleepers or not sleepers[w.pid].is_alive()]
        victim = storm.victim()
        worker = next((w for w in awake if victim and victim in storm.fleet.children(w)), None)
        if worker is not None and len(awake) > (storm.workers + 1) // 2:
            pids = [worker.pid, *(at.pid for at in storm.fleet.children(worker))]
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            for pid in pids[1:]:
                storm.fleet.note("stop", pid, "zombie")
            seconds = storm.lease_seconds * storm.dice.uniform(1.5, 3.0)
            sleepers[worker.pid] = threading.Thread(target=_wake, args=(pids, seconds))
            sleepers[worker.pid].start()
        time.sleep(storm.lease_seconds * storm.dice.uniform(0.3, 0.8))
    for sleeper in sleepers.values():
        sleeper.join()


def _wake(pids: list[int], seconds: float) -> None:
    time.sleep(seconds)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue  # the fleet has ended it meanwhile


STORMS: dict[str, Callable[[Storm], None]] = {"kill": kill, "zombie": zombie}
