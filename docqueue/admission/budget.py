"""The budget for retries: when everything fails at once, retries come back no faster than RETRIES_PER_SECOND and queue.

Each retry that is let in takes a token from its queue's bucket, over all workers, in the statement that promotes it.
The bucket holds two seconds' worth, so that rounds of the promoter that are up to two seconds apart use all of it:
within any `w` seconds at most `burst + rate * w` retries are let in. The others wait on; the oldest goes first.
"""

from __future__ import annotations

from datetime import datetime

from docqueue import store
from docqueue.admission import gates

SLICE = 1000
BURST_SECONDS = 2.0
PREFIX = "\x1fretry:"


def burst(rate: float) -> float:
    """How many retries are let in at once after a pause."""
    return max(1.0, rate * BURST_SECONDS)


def promote_all(using: str, rate: float, now: datetime | None = None) -> int:
    """Let in as many due retries of each queue as its budget has. Returns how many."""
    return sum(
        _promote(using, queue, rate, now, made=made)
        for queue, made in store.run(using, "retry_queues", {"prefix": PREFIX, "now": now})
    )


def _promote(using: str, queue: str, rate: float, now: datetime | None, *, made: bool) -> int:
    bucket = {"key": PREFIX + queue, "rate": rate, "burst": burst(rate), "now": now}
    if not made:
        store.count(using, "open_budget", bucket)
    total = 0
    while True:
        rows = store.run(using, "promote_retries", {**bucket, "queue": queue, "limit": SLICE, "fair": gates.fair()})
        total += len(rows)
        gates.follow(using, rows)
        if len(rows) < SLICE:
            return total
