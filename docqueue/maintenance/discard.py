"""End dead letters that nobody has looked after for longer than DEAD_RETENTION_DAYS; where that is 0 they stay."""

from __future__ import annotations

from datetime import datetime

from docqueue import history, store
from docqueue.admission import gates
from docqueue.conf import get_settings

EVERY_SECONDS = 300.0
SLICE = 1000


def run(using: str, now: datetime | None = None) -> int:
    """Returns how many items ended cancelled, in slices of one autocommit statement each."""
    total, days = 0, get_settings().DEAD_RETENTION_DAYS
    params = {"days": days, "limit": SLICE, "now": now}
    while days:
        rows = history.with_partition(using, now, lambda: store.run(using, "discard_dead", params))
        gates.after_finish(using, [row[1] for row in rows], [row[2] for row in rows], [row[0] for row in rows])
        total += len(rows)
        if len(rows) < SLICE:
            break
    return total
