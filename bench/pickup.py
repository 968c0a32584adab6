"""w4: from an item's commit to the start of its handler, on an idle worker; and what an idle worker costs.

One item every 25 ms or so, each enqueued by another process and long after the one before was done.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from bench.drivers import driving
from bench.measure import Failed, Workers, percentile
from bench.peers import Peer
from bench.run import Run
from bench.server import bench_dir

ITEMS = 220
WARM_UP = 20  # items that are not counted
PAUSE_SECONDS = 0.02
POLLED_ITEMS, POLLED_PAUSE_SECONDS = 120, 0.12  # where the worker polls, it has to find nothing in between
POLL = ("django-tasks-db", "django-ox")
SETTLE_SECONDS = 1.5
IDLE_SECONDS = 10.0
POLLING = "docqueue, by polling alone"


@dataclass(frozen=True, kw_only=True)
class Way:
    """A row: a peer, how its worker is started, whether it polls."""

    label: str
    peer: Peer
    work: tuple[str, ...] = ()
    polls: bool = False
    env: tuple[tuple[str, str], ...] = ()
    idle: bool = False  # also look at what it costs when idle


def ways(peers: Sequence[Peer]) -> list[Way]:
    """All rows: docqueue in three ways, each peer in one."""
    found = []
    for peer in peers:
        if peer.name != "docqueue":
            found.append(Way(label=peer.label, peer=peer, polls=peer.name in POLL))
            continue
        inside, executors = ("--in-process",), ("--processes", "2")
        without = (("DOCQUEUE_LISTEN", "false"),)
        found += [
            Way(label=peer.label, peer=peer, work=inside, idle=True),
            Way(label="docqueue, executors (--processes 2)", peer=peer, work=executors),
            Way(label=POLLING, peer=peer, work=inside, polls=True, env=without, idle=True),
        ]
    return found


def measure(run: Run) -> None:
    """w4: two rounds of latencies (of slow peers one), one of idleness."""
    for number in range(min(2, run.rounds)):
        for way in ways(run.peers):
            if not run.there(way.peer.name) or run.results.broken("w4", way.label) or number >= way.peer.rounds - 1:
                continue
            with run.results.row("w4", way.label):
                run.say("w4", way.label, **once(run, way, idle=way.idle and number == 0))


def once(run: Run, way: Way, *, idle: bool) -> dict[str, float]:
    """One worker: its latencies in ms and the CPU it takes when idle, in percent of a core."""
    speaker = run.speaker(way.peer)
    count, pause = (POLLED_ITEMS, POLLED_PAUSE_SECONDS) if way.polls else (ITEMS, PAUSE_SECONDS)
    starts_file = bench_dir() / "run" / "starts"
    starts_file.parent.mkdir(exist_ok=True)
    starts_file.unlink(missing_ok=True)
    starts = driving.shared(starts_file, count)
    env = {"BENCH_STARTS": str(starts_file), **dict(way.env)}
    with Workers(speaker=speaker, count=1, arguments=way.work, env=env) as crew:
        time.sleep(SETTLE_SECONDS)
        committed = speaker.ask("enqueue-one", count, f"{pause:.3f}")["committed_ns"]
        crew.wait(count, 30.0)
        time.sleep(0.05)
        if any(starts[n] == 0 for n in range(count)):
            raise Failed("an item's handler did not start")
        waits = [(starts[n] - committed[n]) / 1e6 for n in range(WARM_UP, count)]
        found = {"p50_ms": percentile(waits, 0.5), "p99_ms": percentile(waits, 0.99)}
        if idle:
            found["idle_cpu_percent"] = idle_cpu(
                crew.processes[0].pid, IDLE_SECONDS if run.scale >= 1 else IDLE_SECONDS / 2
            )
    return found


def idle_cpu(pid: int, seconds: float) -> float:
    """Percent of a core that a process and its children use meanwhile."""
    before, started = _cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (_cpu_seconds(pid) - before) / (time.monotonic() - started)


def _cpu_seconds(pid: int) -> float:
    process = psutil.Process(pid)
    times = [p.cpu_times() for p in (process, *process.children(recursive=True))]
    return sum(t.user + t.system for t in times)
