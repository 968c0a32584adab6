"""Delay, backoff and snooze: an item waits until `next_retry_at`."""

from __future__ import annotations

from datetime import datetime

from docqueue import store, waking
from docqueue.admission import ordering

SLICE = 1000


def promote_all(using: str, now: datetime | None = None) -> int:
    """Promote every item whose time has come, in slices of one autocommit statement each. Returns how many."""
    total = 0
    while True:
        rows = store.run(using, "promote_due", {"limit": SLICE, "now": now})
        total += len(rows)
        # Those that joined a line may be its head.
        ordering.promote(using, [key for _, status, key, _ in rows if status == "waiting"])
        waking.notify(using, {queue for _, status, _, queue in rows if status == "pending"})
        if len(rows) < SLICE:
            return total
