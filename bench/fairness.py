"""w8: batches that serve fast items must not hurt slow ones: nobody hoards, and no queue holds another up."""

from __future__ import annotations

import time

from bench.measure import Workers
from bench.peers import BY_NAME
from bench.run import Run

WORKERS = 10
SLOW_ITEMS = 100
SLOW_SECONDS = 2.0
SLOW_BESIDE = 30  # slow items in the queue beside the fast one
FAST_ITEMS = 20_000
SETTLE_SECONDS = 3.0
SECONDS = 120.0
SLOW, FAST = "docqueue, 10 workers, items of 2 s", "docqueue, fast queue"


def measure(run: Run) -> None:
    """w8: one round."""
    if not run.there("docqueue"):
        return
    with run.results.row("w8", SLOW):
        run.say("w8", SLOW, **makespan(run))
    with run.results.row("w8", FAST):
        _, alone = fast_queue(run, beside_slow=False)
        wait, beside = fast_queue(run, beside_slow=True)
        run.say("w8", FAST, alone_s=alone, beside_s=beside, ratio=beside / alone, wait_s=wait)


def makespan(run: Run) -> dict[str, float]:
    """From the first handler's start to the last one's end, in seconds and as a multiple of the ideal."""
    speaker = run.speaker(BY_NAME["docqueue"])
    items = WORKERS * max(2, round(SLOW_ITEMS / WORKERS * min(1.0, run.scale)))
    with Workers(speaker=speaker, count=WORKERS, arguments=("--processes", "1")) as crew:
        time.sleep(SETTLE_SECONDS)
        speaker.ask("fill", items, "slow")
        crew.wait(items, SECONDS, "slow", 0.02)
        counters = crew.counters("slow")
        seconds = (max(c[2] for c in counters) - min(c[1] for c in counters)) / 1e9 + SLOW_SECONDS
        time.sleep(SLOW_SECONDS)
    return {"makespan_s": seconds, "ratio": seconds / (items / WORKERS * SLOW_SECONDS)}


def fast_queue(run: Run, *, beside_slow: bool) -> tuple[float, float]:
    """One worker with two processes: seconds until the first of the fast queue's items starts, from then to the last.

    Beside the slow queue both processes are at its items when the fast ones come: one has to end first.
    """
    speaker = run.speaker(BY_NAME["docqueue"])
    count = run.size(FAST_ITEMS)
    with Workers(speaker=speaker, count=1, arguments=("--processes", "2")) as crew:
        time.sleep(SETTLE_SECONDS)
        if beside_slow:
            speaker.ask("fill", SLOW_BESIDE, "slow")
            crew.wait(1, SECONDS, "slow")
        began = speaker.ask("fill", count)["committed_ns"]
        crew.wait(count, SECONDS)
        first = min(c[1] for c in crew.counters() if c[1])
        return max(0.0, (first - began) / 1e9), (max(c[2] for c in crew.counters()) - max(first, began)) / 1e9
