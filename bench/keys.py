"""w9: items that wait for one another: all of one ordering key, or of one concurrency key, are let go one by one."""

from __future__ import annotations

from bench.measure import Workers
from bench.peers import BY_NAME
from bench.run import Run

ITEMS = 5_000
SECONDS = 60.0
ROWS = {
    "docqueue, all of one ordering key": "hot",
    "docqueue, all of one concurrency key, 3 at once": "slots",
}
HOT = next(iter(ROWS))


def measure(run: Run) -> None:
    """w9: items per second through one worker with two processes."""
    if not run.there("docqueue"):
        return
    for _ in range(run.rounds):
        for label, kind in ROWS.items():
            with run.results.row("w9", label):
                run.say("w9", label, rate=once(run, kind))


def once(run: Run, kind: str) -> float:
    """One drain; items per second. Raises `Failed`."""
    speaker = run.speaker(BY_NAME["docqueue"])
    count = run.size(ITEMS)
    speaker.ask("fill", count, kind)
    run.settle(speaker)
    with Workers(speaker=speaker, count=1, arguments=("--processes", "2")) as crew:
        return crew.drain(count, SECONDS)
