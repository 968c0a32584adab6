"""Finish the batches of which the last item has ended, and enqueue what was asked for then."""

from __future__ import annotations

from datetime import datetime

from docqueue import batching

EVERY_SECONDS = 1.9


def run(using: str, now: datetime | None = None) -> int:
    """Returns how many were finished."""
    return batching.finish_all(using, now)
