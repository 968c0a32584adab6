"""The queue's own handler: what `selftest` sends through the real path."""

from __future__ import annotations

import time

from docqueue.chaos import handlers as chaos
from docqueue.context import Context
from docqueue.handlers import handler

SELFTEST = "docqueue.selftest"


@handler(SELFTEST, max_attempts=1, timeout_seconds=30, memory_mb=0)
def selftest(ctx: Context) -> dict[str, float]:  # noqa: ARG001 - every handler gets it
    """Say when it ran (seconds since the epoch, by this machine's clock)."""
    return {"ran_at": time.time()}


chaos.register_in_a_storm()
