"""What every Python driver shares: commands, payload, the counters that handlers bump, timed enqueues.

Standard library only, and any Python from 3.11 on: each driver runs in its peer's own environment. A driver is run as
`driver.py COMMAND [ARGUMENTS]` and prints one line of JSON last. The environment says the rest:

BENCH_DSN       the database
BENCH_COUNTER   folder where each process that runs handlers keeps a file: three 64-bit numbers, the count of handler
                runs and when the first and the last of them started (CLOCK_MONOTONIC, ns)
BENCH_STARTS    file of 64-bit numbers: when the handler of item n started
BENCH_GO        file that does not exist yet: a driver that is ready to begin makes BENCH_GO.PID and waits for it
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

TEXT = "x" * 180
WARM_UP = 20
DSN = os.environ.get("BENCH_DSN", "")
CHUNK = 5_000  # rows of one bulk call, for peers whose bulk call is one statement

_lock = threading.Lock()
_slots: dict[str, memoryview] = {}
_starts: memoryview | None = None


def payload(n: int) -> dict[str, Any]:
    """About 200 bytes of JSON."""
    return {"text": TEXT, "n": n}


def shared(path: Path, numbers: int = 0) -> memoryview:
    """A file of 64-bit numbers, mapped; made with so many zeros when it is not there."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        if numbers:
            file.truncate(8 * numbers)
        return memoryview(mmap.mmap(file.fileno(), 0)).cast("q")


def hit(n: int | None = None, kind: str = "") -> int:
    """Count this run of a handler (of item `n`); returns when that was."""
    with _lock:  # some workers run handlers in threads
        slot = _slots.get(kind)
        if slot is None:
            slot = _slots[kind] = _open(kind)
        now = time.monotonic_ns()
        slot[0] += 1
        slot[1] = slot[1] or now
        slot[2] = now
    if n is not None and _starts is not None:
        _starts[n] = now
    return now


def _open(kind: str) -> memoryview:
    global _starts
    if os.environ.get("BENCH_STARTS"):
        _starts = shared(Path(os.environ["BENCH_STARTS"]))
    folder = Path(os.environ["BENCH_COUNTER"]) / kind
    folder.mkdir(exist_ok=True)
    return shared(folder / str(os.getpid()), 3)


def _forget() -> None:
    global _lock
    _slots.clear()
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget)  # a forked executor counts in a file of its own


def handled() -> int:
    """How many handlers have run, in all workers of this measurement."""
    folder = Path(os.environ["BENCH_COUNTER"])
    return sum(int.from_bytes(f.read_bytes()[:8], "little") for f in folder.glob("**/*") if f.is_file())


def ready() -> None:
    """Everything is imported: wait until the others are as far."""
    go = os.environ.get("BENCH_GO")
    if go:
        Path(f"{go}.{os.getpid()}").touch()
        while not Path(go).exists():
            time.sleep(0.001)


class Timed:
    """Enqueues one by one and their latencies."""

    def __init__(self, count: int, pause: float) -> None:
        self.count, self.pause = count, pause
        self.latencies: list[float] = []
        self.committed: list[int] = []
        self.first = 0

    def begin(self) -> None:
        """The warm-up is over."""
        ready()
        self.first = time.monotonic_ns()

    def note(self, started: int) -> None:
        """One is committed."""
        now = time.monotonic_ns()
        self.latencies.append((now - started) / 1e6)
        self.committed.append(now)

    def report(self) -> dict[str, Any]:
        """The driver's answer."""
        self.latencies.sort()
        return {
            "rate": self.count / ((self.committed[-1] - self.first) / 1e9),
            "p50_ms": self.latencies[len(self.latencies) // 2],
            "p99_ms": self.latencies[int(len(self.latencies) * 0.99)],
            "first_ns": self.first,
            "last_ns": self.committed[-1],
            "committed_ns": self.committed if self.pause else [],
        }


def enqueue_one(send: Callable[[int], Any], count: int, pause: float = 0.0) -> dict[str, Any]:
    """Call `send(n)` for each item, with `pause` seconds between (then without a warm-up)."""
    timed = Timed(count, pause)
    for n in range(0 if pause else WARM_UP):
        send(n)
    timed.begin()
    for n in range(count):
        started = time.monotonic_ns()
        send(n)
        timed.note(started)
        if pause:
            time.sleep(pause * (0.8 + 0.4 * (n % 7) / 6))  # not in step with anybody's polling
    return timed.report()


async def aenqueue_one(send: Callable[[int], Awaitable[Any]], count: int, pause: float = 0.0) -> dict[str, Any]:
    """The same for a peer whose API is asynchronous."""
    import asyncio

    timed = Timed(count, pause)
    for n in range(0 if pause else WARM_UP):
        await send(n)
    timed.begin()
    for n in range(count):
        started = time.monotonic_ns()
        await send(n)
        timed.note(started)
        if pause:
            await asyncio.sleep(pause * (0.8 + 0.4 * (n % 7) / 6))
    return timed.report()


def bulk(send: Callable[[range], Any], count: int, chunk: int = CHUNK) -> dict[str, Any]:
    """Call `send` with ranges of `chunk` item numbers until `count` are in."""
    started = time.monotonic()
    for first in range(0, count, chunk):
        send(range(first, min(count, first + chunk)))
    return {"rate": count / (time.monotonic() - started), "committed_ns": time.monotonic_ns()}


async def abulk(send: Callable[[range], Awaitable[Any]], count: int, chunk: int = CHUNK) -> dict[str, Any]:
    """The same for a peer whose API is asynchronous."""
    started = time.monotonic()
    for first in range(0, count, chunk):
        await send(range(first, min(count, first + chunk)))
    return {"rate": count / (time.monotonic() - started)}


def feed(send: Callable[[range], Any], count: int, low: int = 2_000) -> dict[str, Any]:
    """Keep from `low` to twice as many items waiting until `count` have been enqueued."""
    sent = 0
    while sent < count:
        if sent - handled() < low:
            more = min(low, count - sent)
            send(range(sent, sent + more))
            sent += more
        else:
            time.sleep(0.001)
    return {"sent": sent}


def main(commands: Mapping[str, Callable[..., Any]]) -> None:
    """Run the command that the command line names; numbers are given to it as numbers."""
    name, *given = sys.argv[1:]
    arguments = [
        float(a) if a.replace(".", "", 1).isdigit() and "." in a else int(a) if a.isdigit() else a for a in given
    ]
    answer = commands[name](*arguments)
    print(json.dumps(answer or {}), flush=True)
