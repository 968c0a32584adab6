"""Run every rule of admission, so that what no event announced is promoted all the same."""

from __future__ import annotations

from datetime import datetime

from docqueue import store
from docqueue.admission import RULES, due

EVERY_SECONDS = 1.8


def run(using: str, now: datetime | None = None) -> int:
    """Returns how many items were promoted (or joined a line)."""
    total = due.promote_all(using, now)
    waiting = {reason for (reason,) in store.run(using, "waiting_reasons", {})}
    return total + sum(rule(using, now) for reason, rule in RULES.items() if reason in waiting)
