"""Count the dead letters by their cause, so that people see a few failures where there are thousands of items."""

from __future__ import annotations

from datetime import datetime

from docqueue import store

EVERY_SECONDS = 5.0
FRESH_SECONDS = 4.0


def run(using: str, now: datetime | None = None) -> int:
    """Returns how many groups were written, by one worker in about five seconds."""
    params = {"fresh": FRESH_SECONDS, "lock_class": store.LOCK_CLASS, "now": now}
    [(written,)] = store.run(using, "count_failures", params)
    return int(written)
