"""Mark workers lost whose lease ran out, and free the items of lost and stopped workers."""

from __future__ import annotations

import logging
from datetime import datetime

from docqueue import events, history, settling, store
from docqueue.admission import gates
from docqueue.conf import get_settings
from docqueue.states import Status

EVERY_SECONDS = 1.0
SLICE = 1000


def run(using: str, now: datetime | None = None) -> int:
    """Returns how many items were freed."""
    ended = store.run(using, "mark_lost", {"now": now})
    for worker_id, name in ended:
        if worker_id is not None:
            events.emit(events.EventName.WORKER_LOST, logging.WARNING, worker_id=worker_id, worker=name)
    if not ended:
        return 0
    total = 0
    params = {"limit": SLICE, "max_crashes": get_settings().MAX_CRASHES, "now": now}
    while True:
        rows = history.with_partition(using, now, lambda: store.run(using, "reap", params))
        total += len(rows)
        for item_id, status, operation, *_ in rows:
            if status == Status.DEAD:
                settling.tell_dead(using, operation, item_id, "crashed", "its worker died while running it alone")
        ended = [row for row in rows if row[1] != Status.PENDING]
        gates.after_finish(using, [r[3] for r in ended], [r[4] for r in ended], [r[0] for r in ended])
        if len(rows) < SLICE:
            break
    store.count(using, "sweep", {"now": now})
    if total:
        events.emit(events.EventName.ITEMS_REAPED, logging.WARNING, count=total)
    return total
