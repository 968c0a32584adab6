"""Count in full what is too deep to be counted each time that somebody asks."""

from __future__ import annotations

from datetime import datetime

from docqueue import stats, store

EVERY_SECONDS = 60.0
FRESH_SECONDS = 45.0
SLICE = 1000


def run(using: str, now: datetime | None = None) -> int:
    """Returns how many full counts were made, one statement each, and only by one worker in about a minute."""
    deep = stats.deep(using, now)
    made = 0
    for queue, kind in deep:
        params = {"queue": queue, "kind": kind, "reasons": stats.OTHER_REASONS, "fresh": FRESH_SECONDS, "now": now}
        made += store.count(using, "count_depth", params | {"lock_class": store.LOCK_CLASS})
    params = {"queues": [queue for queue, _ in deep], "kinds": [kind for _, kind in deep], "limit": SLICE}
    while store.count(using, "forget_depths", params) == SLICE:
        pass
    return made
