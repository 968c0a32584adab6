"""Remove what belongs to items and workers that are gone: attempts, progress, steps, dependencies, old ticks …"""

from __future__ import annotations

from datetime import datetime

from docqueue import store
from docqueue.conf import get_settings

EVERY_SECONDS = 300.0
SLICE = 1000
WORKER_DAYS = 2


def run(using: str, now: datetime | None = None) -> int:
    """Returns how many rows were removed, in slices of one autocommit statement each."""
    total = store.count(using, "unsweep", {}) + store.count(using, "prune_workers", {"days": WORKER_DAYS, "now": now})
    retention = {"days": get_settings().RETENTION_DAYS}
    for name, params in (
        ("prune_attempts", retention),
        ("prune_progress", {}),
        ("prune_checkpoints", {}),
        ("prune_keys", {}),
        ("prune_limits", {}),
        ("prune_ticks", retention),
        ("prune_dependencies", {}),
        ("prune_batches", retention),
        ("prune_failures", retention),
        ("prune_resolutions", retention),
    ):
        while True:
            removed = store.count(using, name, {"limit": SLICE, "now": now, **params})
            total += removed
            if removed < SLICE:
                break
    return total
