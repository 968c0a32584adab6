"""w5: the same drain on an empty queue and on one with years of use in place; retention while it drains.

In place: 10,000,000 finished, 1,000,000 waiting for later, 200,000 dead. Empty and aged take turns, in databases of
their own. At the end an expired partition is dropped in the middle of a drain, first while a reader holds it.
"""

from __future__ import annotations

import time

from bench.measure import Speaker, Workers
from bench.peers import BY_NAME
from bench.run import Run

FINISHED, WAITING, DEAD = 10_000_000, 1_000_000, 200_000
ITEMS = 100_000
RETENTION_ITEMS = 150_000
FILL_SECONDS = 600.0
SECONDS = 120.0
ROW = "docqueue, in-process"
RETENTION = "docqueue, retention during a drain"
WORK = ("--in-process",)


def measure(run: Run) -> None:
    """w5."""
    if not run.there("docqueue"):
        return
    peer = BY_NAME["docqueue"]
    with run.results.row("w5", ROW):
        empty, aged = run.speaker(peer, "_empty"), run.speaker(peer, "_aged")
        started = time.monotonic()
        aged.ask("age", run.size(FINISHED), run.size(WAITING), run.size(DEAD), seconds=FILL_SECONDS)
        run.results.notes["w5 fill seconds"] = f"{time.monotonic() - started:.0f}"
        for _ in range(run.rounds):
            before, after = drain(run, empty), drain(run, aged)
            run.say("w5", ROW, empty_rate=before, aged_rate=after, ratio=after / before)
        with run.results.row("w5", RETENTION):
            run.say("w5", RETENTION, **retention(run, aged))


def drain(run: Run, speaker: Speaker) -> float:
    """One drain on what is there; items per second."""
    count = run.size(ITEMS)
    speaker.ask("fill", count)
    run.settle(speaker)
    with Workers(speaker=speaker, count=1, arguments=WORK) as crew:
        return crew.drain(count, SECONDS)


def retention(run: Run, speaker: Speaker) -> dict[str, float]:
    """Drop an expired partition in the middle of a drain: how long it takes, and the drain's rate beside it."""
    count = run.size(RETENTION_ITEMS)
    speaker.ask("fill", count)
    run.settle(speaker)
    with Workers(speaker=speaker, count=1, arguments=WORK) as crew:
        crew.wait(max(1, count // 20), SECONDS)
        began, before = time.monotonic(), crew.total()
        answer = speaker.ask("retain")
        during, seconds = crew.total() - before, time.monotonic() - began
        crew.wait(count, SECONDS)
        overall = (count - before) / (max(c[2] for c in crew.counters()) / 1e9 - began)
    return {
        "drop_s": answer["dropped_s"],
        "dropped": len(answer["dropped"]),
        "drop_beside_reader_s": answer["while_read_s"],
        "dropped_beside_reader": len(answer["while_read"]),
        "rate_meanwhile": during / seconds,
        "rate": overall,
    }
