"""A probe through the real path: enqueued, claimed by a real worker, run in its executor, completed, read back."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from docqueue import store
from docqueue.conf import get_settings
from docqueue.exceptions import IllegalTransition, InvalidOption
from docqueue.models import HistoryItem
from docqueue.queue_handlers import SELFTEST
from docqueue.service import DocumentQueueService
from docqueue.states import Status

LOOK_SECONDS = 0.005
MOST_SECONDS = 60.0
PRIORITY = 100


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What became of one probe. `steps`: milliseconds of each; `why`: what held it, if it was late."""

    ok: bool
    item_id: int
    queue: str
    seconds: float
    steps: dict[str, float] = field(default_factory=dict)
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)


def run(using: str | None = None, *, queue: str | None = None, seconds: float = 10.0) -> Probe:
    """Send a probe into `queue` (default: DEFAULT_QUEUE) and wait up to `seconds` for its end.

    It goes first in its queue, but waits like any other item for a process that is free. Its steps: `enqueue`, until
    the item was committed; `claim`, until a worker had it; `run`, until the handler was at work (by two clocks, if the
    worker is on another machine than the database); `complete`, until its end was committed; `read`, until it was seen
    here. A probe that is late is cancelled. Must not run inside a transaction. Raises `InvalidOption`.
    """
    alias = using or get_settings().DATABASE
    if not 0 < seconds <= MOST_SECONDS:
        raise InvalidOption(f"seconds must be from 0 to {MOST_SECONDS:g}.")
    if store.in_transaction(alias):
        raise InvalidOption("The selftest must not run inside a transaction: no worker would see its probe.")
    service = DocumentQueueService(alias)
    began = time.monotonic()
    probe = service.enqueue(None, SELFTEST, priority=PRIORITY, queue=queue, ordering_key=None)
    enqueued = time.monotonic()
    name = queue or get_settings().DEFAULT_QUEUE
    while (item := HistoryItem.objects.using(alias).filter(pk=probe.id).first()) is None:
        if time.monotonic() - enqueued > seconds:
            return _late(service, probe.id, name, time.monotonic() - began)
        time.sleep(LOOK_SECONDS)
    ended = time.monotonic()
    if item.claimed_at is None or item.status != Status.COMPLETED:
        why = f"The probe ended {item.status}."
        return Probe(ok=False, item_id=probe.id, queue=name, seconds=round(ended - began, 4), why=why)
    ran_at: float = (item.result or {})["ran_at"]
    marks = {
        "enqueue": enqueued - began,
        "claim": (item.claimed_at - item.enqueued_at).total_seconds(),
        "run": ran_at - item.claimed_at.timestamp(),
        "complete": item.finished_at.timestamp() - ran_at,
        "read": max(0.0, ended - enqueued - (item.finished_at - item.enqueued_at).total_seconds()),
    }
    steps = {step: round(value * 1000, 3) for step, value in marks.items()}
    return Probe(ok=True, item_id=probe.id, queue=name, seconds=round(ended - began, 4), steps=steps)


def _late(service: DocumentQueueService, item_id: int, queue: str, took: float) -> Probe:
    why = service.explain(item_id)
    try:
        service.cancel(item_id, reason="the selftest did not wait any longer")
    except IllegalTransition:
        why = f"It came back just too late. {why}"
    return Probe(ok=False, item_id=item_id, queue=queue, seconds=round(took, 4), why=why)
