"""How long items of each queue waited of late, from when they were due until they were claimed.

Of all queues together the newest finished items tell it at once. A quiet queue beside a busy one is hardly among them:
it is looked for where the totals say that something of it ended, and again only when something more has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from docqueue import store

SAMPLE = 2000
"""So many of the newest finished items, of all queues, are looked at."""
ENOUGH = 20
"""A queue with fewer items among them is looked for by itself."""
BUCKETS = 6
LOOKED_AT = 60_000
"""So many items are looked at for all such queues together, or `LEAST` for each."""
LEAST = 2000
QUIET = 50
"""So many such queues are looked for at once; the others keep what is known of them, or come the next time."""


Ended = tuple[int, int]
"""A minute, by its start in seconds since 1970, and how many items of a queue were completed in it."""


@dataclass(frozen=True, kw_only=True)
class Waits:
    """How long `number` items waited from when they were due until they were claimed, in seconds.

    `ended`: the last minute in which the queue had ended something, and how much, where it was looked for by itself.
    """

    number: int
    p50_seconds: float
    p95_seconds: float
    ended: Ended | None = None


def read(
    using: str, ended: Mapping[str, Ended], known: Mapping[str, Waits], now: datetime | None = None
) -> dict[str, Waits]:
    """By queue. `ended`: the queues that completed something within the hour, with when they did last and how much.

    `known`: what was read before. A `number` of 0: nothing of the queue was found.
    """
    rows = store.run(using, "snapshot_waits", {"limit": SAMPLE, "now": now})
    found = {queue: Waits(number=n, p50_seconds=half, p95_seconds=most) for queue, n, half, most in rows}
    quiet = [queue for queue in ended if queue not in found or found[queue].number < ENOUGH]
    fresh = {queue for queue in quiet if queue in known and known[queue].ended == ended[queue]}
    found |= {queue: known[queue] for queue in fresh}
    anew = sorted((queue for queue in quiet if queue not in fresh), key=lambda queue: ended[queue], reverse=True)
    for queue in anew[:QUIET]:
        size = max(LEAST, LOOKED_AT // min(QUIET, len(anew)) // BUCKETS)
        params = {"queue": queue, "buckets": BUCKETS, "looked_at": size, "now": now}
        [(number, half, most)] = store.run(using, "queue_waits", params)
        own = Waits(number=number, p50_seconds=half or 0.0, p95_seconds=most or 0.0, ended=ended[queue])
        found[queue] = own if queue not in found or number > found[queue].number else found[queue]
    return found
