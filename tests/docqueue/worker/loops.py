"""What the tests of the work loop share: a loop on a worker row of its own, and ways to drive it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from docqueue import claiming
from docqueue.models import Worker
from docqueue.worker.inline import InlinePool
from docqueue.worker.loop import WorkLoop


@dataclass
class Standing:
    """A lease whose state the test says."""

    standing: bool = True

    def stands(self) -> bool:
        return self.standing


def make_loop(pool: Any = None, **options: Any) -> WorkLoop:
    """A work loop; without a pool, one that runs handlers in this process."""
    worker = claiming.register("default", Worker.Kind.WORKER, lease_seconds=60)
    options = {"lease": Standing()} | options
    return WorkLoop(using="default", worker=worker, pool=pool or InlinePool("default"), **options)


def drive(loop: WorkLoop, done: Callable[[], bool], seconds: float = 20) -> int:
    """Tick until `done`. Returns how many rounds it took."""
    deadline = time.monotonic() + seconds
    rounds = 0
    while not done():
        assert time.monotonic() < deadline, "it did not come true in time"
        loop.tick()
        rounds += 1
    return rounds


def drain(loop: WorkLoop, seconds: float = 20) -> int:
    """Tick until nothing is left. Returns how many rounds it took."""
    return drive(loop, lambda: not loop.in_hand() and loop.looked_in_vain(), seconds)


def rounds_in(loop: WorkLoop, seconds: float) -> int:
    """How many rounds it makes in so many seconds."""
    deadline = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < deadline:
        loop.tick()
        rounds += 1
    return rounds
