"""Make the history's partitions ahead and drop those past the retention."""

from __future__ import annotations

from datetime import datetime

from docqueue import history
from docqueue.conf import get_settings

EVERY_SECONDS = 600.0


def run(using: str, now: datetime | None = None) -> int:
    """Returns how many partitions were dropped."""
    history.ensure(using, now, weeks=history.WEEKS_AHEAD)
    settings = get_settings()
    dropped = history.drop_expired(using, settings.RETENTION_DAYS, now)
    if settings.RETENTION_COUNT:
        dropped += history.drop_surplus(using, settings.RETENTION_COUNT, now)
    return len(dropped)
