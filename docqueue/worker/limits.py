"""What a running item may not do: overrun its time, fall silent, outgrow its memory, or go on after a cancel."""

from __future__ import annotations

from dataclasses import dataclass

from docqueue import handlers, outcomes
from docqueue.conf import get_settings
from docqueue.items import ClaimedItem

CANCEL_PATIENCE_SECONDS = 0.5  # between SIGTERM and SIGKILL: its time for an end of its own was the grace
KILL_AFTER_SECONDS = 5.0  # the same for one that overran
MIB = 1_048_576


@dataclass(frozen=True, kw_only=True)
class Run:
    """An item at work in a child. Times are monotonic seconds; `taken_bytes`: of memory, since it began."""

    item: ClaimedItem
    started: float
    said_at: float = 0.0
    cancelled_at: float | None = None
    taken_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """End this item by force, with `patience` seconds between SIGTERM and SIGKILL."""

    item_id: int
    outcome: outcomes.Outcome
    patience: float


def judge(run: Run, now: float) -> Verdict | None:
    """What is to be done about a run; None: let it go on."""
    settings = get_settings()
    ran = now - run.started
    if ran > run.item.timeout_seconds:
        why = f"it ran longer than its timeout of {run.item.timeout_seconds:g} s"
        return _end(run, "timed_out", why, "timed_out")
    if run.cancelled_at is not None and now - max(run.cancelled_at, run.started) > settings.CANCEL_GRACE_SECONDS:
        return Verdict(item_id=run.item.id, outcome=outcomes.GivenUp(), patience=CANCEL_PATIENCE_SECONDS)
    handler = handlers.find(run.item.operation)
    memory = settings.MEMORY_MB if handler is None or handler.memory_mb is None else handler.memory_mb
    if memory and run.taken_bytes > memory * MIB:
        return _end(run, "out_of_memory", f"it used more than its {memory} MiB of memory, with all that it had started")
    if handler is not None and handler.end_stalled and stalled(run, now):
        return _end(run, "stalled", f"it made no progress for {handler.stall_seconds:g} s")
    return None


def stalled(run: Run, now: float) -> bool:
    """Whether its handler has made no progress for longer than `stall_seconds`."""
    handler = handlers.find(run.item.operation)
    most = None if handler is None else handler.stall_seconds
    return most is not None and now - max(run.started, run.said_at) > most


def _end(run: Run, code: str, why: str, outcome: str = "failed") -> Verdict:
    failed = outcomes.Failed(code=code, message=why, outcome=outcome)
    return Verdict(item_id=run.item.id, outcome=failed, patience=KILL_AFTER_SECONDS)
