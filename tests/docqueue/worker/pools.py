"""What the tests of executor pools share: items that were never in a database, and a short way to run them."""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from docqueue import outcomes
from docqueue.items import ClaimedItem
from docqueue.worker.pool import ProcessPool
from docqueue.worker.protocol import ProgressReport, Report

MakePool = Callable[..., ProcessPool]
_numbers = itertools.count(1)


def work(operation: str, payload: dict[str, Any] | None = None, **fields: Any) -> ClaimedItem:
    """A claimed item that stands in no database."""
    now = time.time()
    plain: dict[str, Any] = {
        "claim_no": 1,
        "claim_token": 1,
        "worker_id": 1,
        "queue": "default",
        "document_id": None,
        "metadata_text": "{}",
        "priority": 0,
        "ordering_key": None,
        "attempt": 1,
        "max_attempts": 5,
        "crashes": 0,
        "timeout_seconds": 60.0,
        "enqueued_epoch": now,
        "claimed_epoch": now,
        "suspect": False,
        "position": 1,
    }
    mine = {"id": next(_numbers), "operation": operation, "payload_text": json.dumps(payload or {})}
    return ClaimedItem(**plain | mine | fields)


def slow(file: Path, seconds: float, **fields: Any) -> ClaimedItem:
    """An item that marks its start in `file` and stays for a while."""
    return work("test.linger", {"file": str(file), "seconds": seconds}, **fields)


def news_of(pool: ProcessPool, count: int, seconds: float = 20) -> list[Report]:
    """The next `count` reports of ended runs; timeouts are enforced meanwhile, progress is left out."""
    found: list[Report] = []
    deadline = time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} reports"
        news, _ = pool.collect(0.05)
        found += [n for n in news if not isinstance(n, ProgressReport)]
        pool.enforce(time.monotonic())
    return found


def run(
    pool: ProcessPool, items: Sequence[ClaimedItem], window: int = 1, seconds: float = 30
) -> dict[int, outcomes.Outcome]:
    """Run items as the work loop would; returns each one's outcome."""
    buffer, found = deque(items), {}
    deadline = time.monotonic() + seconds
    while len(found) < len(items):
        assert time.monotonic() < deadline, f"{len(found)} of {len(items)} ended"
        pool.start()
        pool.feed(buffer, window)
        news, unstarted = pool.collect(0.05)
        found |= {n.item.id: n.outcome for n in news if not isinstance(n, ProgressReport)}
        buffer.extendleft(reversed([*unstarted, *pool.enforce(time.monotonic())]))
    return found
