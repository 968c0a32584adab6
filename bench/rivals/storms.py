"""The storms: a backlog, four workers at it, seeded strikes, and at the end what the database says of every item."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import Speaker
from bench.rivals.crew import Crew, Worker
from bench.rivals.rivals import STALE_SECONDS, Rival
from bench.server import Server
from config.postgres_place import ROLE
from docqueue.chaos import phases
from docqueue.chaos.ledger import Ledger

WORKERS = 4
UNTIL = 0.9  # of the backlog: behind that hardly anybody has something to do
WANTED = ((phases.COMPLETE, 0.15), (phases.HANDLER, 0.85))
AIM_SECONDS = 0.5
WHOLE = 0.5  # of the kills: a whole worker; the others hit the process that runs the handler
PATIENCE_SECONDS = 60.0  # without any item that ends; then what is left counts as stuck
QUIET_SECONDS, QUIET_PATIENCE = 1.0, 15.0
DEFAULT_ITEMS = 40
POISON_ITEMS, POISONS = 200, 2
WITNESSES = """
create table storm_effects (n bigint, run text);
create table storm_ends (n bigint, who text);
create function storm_end() returns trigger language plpgsql as $$
begin
    insert into storm_ends values ({number}, {who});
    return null;
end $$;
create trigger storm_end {ends} execute function storm_end()
"""


@dataclass(kw_only=True)
class Storm:
    """One storm over one queue. `told`: whether it is told to notice dead workers soon, or is as it comes."""

    server: Server
    rival: Rival
    speaker: Speaker
    folder: Path
    seed: int
    items: int
    strikes: int
    told: bool = True
    seconds: float = 0.0  # from the workers' start until the last item ended
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "phases").mkdir(parents=True)
        self.ledger = Ledger(self.folder / "ledger.jsonl")
        env: Mapping[str, str] = {"RIVALS_FOLDER": str(self.folder), **(self.rival.told if self.told else {})}
        self.crew = Crew(
            speaker=self.speaker, ledger=self.ledger, pages=self.folder / "phases", size=WORKERS, env=env
        )  # fmt: skip
        self.database = self.server.connect(self.speaker.env["PGDATABASE"], ROLE)

    def run(self, strike: Callable[[Storm], None]) -> None:
        """Fill the queue, strike while its workers are at it, wait for the end, write down what the database says."""
        told = {"queue": self.rival.name, "seed": self.seed, "items": self.items, "stale_seconds": STALE_SECONDS}
        self.ledger.write("storm", name=strike.__name__, **told)
        self.database.execute(
            WITNESSES.format(number=self.rival.number, who=self.rival.who, ends=self.rival.ends).encode()
        )
        poisons = self.strikes if strike is poison else 0
        self.speaker.ask("enqueue", self.items, self.seed, poisons, RIVALS_FOLDER=str(self.folder))
        began = time.monotonic()
        try:
            self.crew.start()
            while not self.crew.at_work():
                self.await_change(began)
            strike(self)
            self.seconds = self.await_end() - began
            self.crew.quiet(QUIET_SECONDS, QUIET_PATIENCE)
        finally:
            self.crew.end()
        self.final()

    def ended(self) -> int:
        """How many items have ended well."""
        row = self.database.execute("select count(distinct n) from storm_ends").fetchone()
        return int(row[0]) if row else 0

    def await_change(self, since: float) -> None:
        """A moment; who has ended is started again. Raises `TimeoutError` when nothing happens for too long."""
        self.crew.start()
        time.sleep(0.02)
        if time.monotonic() - since > PATIENCE_SECONDS:
            raise TimeoutError(f"nothing happened for {PATIENCE_SECONDS:.0f} s: {self.speaker.last_words()}")

    def await_share(self, share: float) -> None:
        """Until so much of the backlog has ended."""
        before, since = -1, time.monotonic()
        while (done := self.ended()) < self.items * share:
            if done != before:
                before, since = done, time.monotonic()
            self.await_change(since)

    def await_end(self) -> float:
        """Until every item has ended, or none has for a while. When the last one did."""
        before, since = -1, time.monotonic()
        while (done := self.ended()) < self.items and time.monotonic() - since < PATIENCE_SECONDS:
            if done != before:
                before, since = done, time.monotonic()
            self.crew.start()
            time.sleep(0.05)
        return since if done < self.items else time.monotonic()

    def phase(self) -> int:
        """Where the next victim is to be."""
        return self.dice.choices([p for p, _ in WANTED], [w for _, w in WANTED])[0]

    def victim(self, wanted: int) -> tuple[phases.At, Worker] | None:
        """A handler at work, in the wanted phase if there is one soon; None when nobody is at work."""
        deadline = time.monotonic() + AIM_SECONDS
        while True:
            found = self.crew.at_work()
            fitting = [pair for pair in found if pair[0].phase == wanted]
            if fitting or time.monotonic() > deadline:
                chosen = sorted(fitting or found, key=lambda pair: pair[0].pid)
                return self.dice.choice(chosen) if chosen else None
            time.sleep(0.0005)

    def final(self) -> None:
        """Of every item its status in the queue, whose effects were committed, and who ended it."""
        effects: dict[int, list[str]] = {}
        for n, run in self.database.execute("select n, run from storm_effects").fetchall():
            effects.setdefault(n, []).append(run)
        ends: dict[int, list[str]] = {}
        for n, who in self.database.execute("select n, who from storm_ends where n is not null").fetchall():
            ends.setdefault(n, []).append(who)
        states = self.database.execute(self.rival.states.encode()).fetchall()
        self.ledger.write_many(
            "final",
            [
                {"n": n, "status": status, "state": self.rival.state(status)}
                | {"effects": effects.get(n, []), "ends": ends.get(n, [])}
                for n, status in states
            ],
        )


def kill(storm: Storm) -> None:
    """kill -9 while a handler runs, spread over the backlog; who was killed is started again at once."""
    dice = storm.dice
    plan = [(dice.random(), dice.random() < WHOLE, storm.phase()) for _ in range(storm.strikes)]  # for all the same
    for number, (place, whole, wanted) in enumerate(plan):
        storm.await_share((number + place) / storm.strikes * UNTIL)
        if victim := storm.victim(wanted):
            storm.crew.kill(*victim, whole=whole)


def zombie(storm: Storm) -> None:
    """SIGSTOP to a worker while it runs a handler, SIGCONT 1.5 to 3 stale times later; half of them are awake."""
    dice = storm.dice
    plan = [(dice.uniform(1.5, 3.0), dice.uniform(0.3, 0.8), storm.phase()) for _ in range(storm.strikes)]
    while plan and storm.ended() < storm.items * UNTIL:
        asleep, pause, wanted = plan[0]
        if len(storm.crew.asleep()) < WORKERS // 2 and (victim := storm.victim(wanted)):
            storm.crew.stop(*victim, STALE_SECONDS * asleep)
            del plan[0]
        time.sleep(STALE_SECONDS * pause)


def poison(_: Storm) -> None:
    """Nobody strikes: some items are the death of the process that runs them."""


def default(storm: Storm) -> None:
    """One whole worker is killed."""
    if victim := storm.victim(phases.HANDLER):
        storm.crew.kill(*victim, whole=True)
