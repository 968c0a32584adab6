"""What the drivers share: the items, and handlers' notes in a ledger outside the database.

Standard library only, as each driver runs in its peer's own environment. RIVALS_FOLDER is where ledger and phases are.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from docqueue.chaos import phases
from docqueue.chaos.ledger import Ledger

SECONDS = (0.001, 0.5)  # of a handler, evenly over the orders of magnitude
AFTER_SECONDS = 0.02  # at most, between the database effect and the handler's return
EFFECT = "insert into storm_effects (n, run) values (%s, %s)"
CHUNK = 500  # items of one bulk call

_numbers = itertools.count(1)


def payloads(count: int, seed: int, poisons: int) -> list[dict[str, Any]]:
    """The same items for every queue. `n` is an item's number, whatever id the queue gives it."""
    dice, (low, high) = random.Random(seed), SECONDS
    deadly = dice.sample(range(1, count + 1), poisons)
    return [
        {"n": n, "seconds": low * (high / low) ** dice.random(), "after": AFTER_SECONDS * dice.random()}
        | {"poison": n in deadly}
        for n in range(1, count + 1)
    ]


def chunks(count: int, seed: int, poisons: int) -> Iterator[list[dict[str, Any]]]:
    """The items to enqueue; each chunk is noted as acknowledged when the next is asked for."""
    made = payloads(count, seed, poisons)
    for first in range(0, count, CHUNK):
        chunk = made[first : first + CHUNK]
        yield chunk
        _tools()[0].write_many("enqueued", [{k: payload[k] for k in ("n", "poison")} for payload in chunk])


@cache
def _tools() -> tuple[Ledger, phases.Own]:
    folder = Path(os.environ["RIVALS_FOLDER"])
    return Ledger(folder / "ledger.jsonl"), phases.Own(folder / "phases")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a handler. `token` is its name in the database effect."""

    n: int
    token: str

    def outside(self) -> None:
        """The outside effect happens."""
        _tools()[0].write("outside", n=self.n, run=self.token)

    def written(self) -> None:
        """The database effect is written; committed where the handler's insert commits by itself."""
        _tools()[1].enter(phases.COMPLETE, self.n)

    def end(self) -> None:
        """Last thing before the handler returns, or its transaction commits."""
        _tools()[0].write("end", n=self.n, run=self.token)


@contextmanager
def run(n: int, who: object, *, poison: bool) -> Iterator[Run]:
    """Note that a handler runs. `who`: by what the trigger on the queue's table knows this run.

    A poisonous item is the death of the process that runs it.
    """
    ledger, own = _tools()
    token = f"{os.getpid()}-{next(_numbers)}"
    own.enter(phases.HANDLER, n)
    try:
        ledger.write("start", n=n, run=token, who=str(who))
        if poison:
            os.kill(os.getpid(), signal.SIGKILL)
        yield Run(n=n, token=token)
    finally:
        own.enter(phases.IDLE, n)  # still known: whoever is struck now may not have told the queue yet
