"""Delay, backoff and snooze: an item waits until `next_retry_at`."""

from __future__ import annotations

from datetime import datetime

from docqueue import store
from docqueue.admission import budget, gates
from docqueue.conf import get_settings

SLICE = 1000
JUST_SECONDS = 10.0  # many times the pause between two rounds, and a walk over what so little time brings


def promote_all(using: str, now: datetime | None = None) -> int:
    """Promote every item whose time has come, in slices of one autocommit statement each. Returns how many.

    Retries as far as their budget goes, where there is one.
    """
    rate = get_settings().RETRIES_PER_SECOND
    return _promote(using, now, None) + (budget.promote_all(using, rate, now) if rate else 0)


def promote_just_due(using: str, now: datetime | None = None, *, seconds: float = JUST_SECONDS) -> int:
    """The same for those whose time has come within the last `seconds`.

    What comes into the index behind that, committed late, is left to `promote_all`. It walks over all that was promoted
    since the oldest snapshot somebody holds, so it is run less and less often; this one takes the same time for ever.
    """
    return _promote(using, now, seconds)


def _promote(using: str, now: datetime | None, window: float | None) -> int:
    total, last = 0, (None, 0)
    rules = {"fair": gates.fair(), "retries": not get_settings().RETRIES_PER_SECOND}
    while True:
        params = {"limit": SLICE, "now": now, "window": window, "after": last[0], "after_id": last[1]}
        rows = store.run(using, "promote_due", params | rules)
        total += len(rows)
        gates.follow(using, [row[:-1] for row in rows])  # those that joined a line may be its head
        if len(rows) < SLICE:
            return total
        last = max((due_at, item_id) for item_id, *_, due_at in rows)
