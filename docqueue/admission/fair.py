"""Fair share: of one tenant's items only so many are in a lane while the others wait; off unless FAIR_SHARE is set.

A tenant's next item is claimed at the latest when every other tenant has had its share once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from docqueue import store
from docqueue.admission import gates
from docqueue.conf import get_settings
from docqueue.states import WaitReason


@gates.looks_at(WaitReason.FAIR_SHARE, "queue")
def promote(using: str, queues: Sequence[str], now: datetime | None = None) -> int:  # noqa: ARG001 - a rule's signature
    """Fill up the shares of all tenants that wait in these queues. Returns how many items went into a lane."""
    settings = get_settings()
    weights = settings.FAIR_WEIGHTS
    params = {
        "share": settings.FAIR_SHARE or None,
        "tenants": list(weights),
        "shares": [settings.FAIR_SHARE * weight for weight in weights.values()],
    }
    total = 0
    for queue in sorted(set(queues)):
        with store.atomic(using):
            # A statement of its own: what is promoted must be counted after the lock is ours.
            store.run(using, "lock_shares", {"lock_class": store.LOCK_CLASS, "queue": queue})
            rows = store.run(using, "promote_fair", {"queue": queue, **params})
        gates.follow(using, rows)
        total += len(rows)
    return total


def promote_all(using: str, now: datetime | None = None) -> int:
    """The same for every queue; once FAIR_SHARE is off, whatever still waits for it is let go."""
    return promote(using, [row[0] for row in store.run(using, "fair_queues", {})], now)
