"""Raise in priority what has been pending for long, so that nothing starves; only where AGEING_SECONDS is set.

An item rises by ten for each AGEING_SECONDS since it was enqueued (or since its `run_after`), up to 100, and joins the
end of its new lane. So one of priority `p` starts before all those of a higher priority `h` that come more than
`ceil((h - p) / 10) * AGEING_SECONDS` and a round of this duty after it, however many they are.
"""

from __future__ import annotations

from datetime import datetime

from docqueue import store
from docqueue.conf import get_settings

EVERY_SECONDS = 5.0
SLICE = 1000
MOST_SLICES = 20  # a round; other duties wait meanwhile


def run(using: str, now: datetime | None = None) -> int:
    """Returns how many items were raised, in slices of one autocommit statement each."""
    total, seconds = 0, get_settings().AGEING_SECONDS
    if not seconds:
        return 0
    for _ in range(MOST_SLICES):
        raised = store.count(using, "age", {"seconds": seconds, "limit": SLICE, "now": now})
        total += raised
        if raised < SLICE:
            break
    return total
