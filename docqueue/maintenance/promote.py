"""Run every rule of admission, so that what no event announced is promoted all the same."""

from __future__ import annotations

from datetime import datetime

from docqueue.admission import RULES

EVERY_SECONDS = 1.8


def run(using: str, now: datetime | None = None) -> int:
    """Returns how many items were promoted (or joined a line)."""
    return sum(rule(using, now) for rule in RULES)
