"""The handler that storms run: an outside effect, a durable step, a database effect with the completion, all noted."""

from __future__ import annotations

import json
import os
import threading
import time
from functools import cache
from pathlib import Path

from django.db import connections

from docqueue import conf
from docqueue.chaos import phases, poisons
from docqueue.chaos.ledger import Ledger
from docqueue.context import Context
from docqueue.exceptions import LeaseLost, Retry
from docqueue.handlers import handler
from docqueue.models import AuditEntry
from docqueue.retry import Fixed

OPERATION = "docqueue.chaos"
POISON = "docqueue.chaos_poison"
EFFECT = "chaos"
FOLDER = "DOCQUEUE_CHAOS"
"""Environment variable of a storm's workers: where ledger and phases are. Without it nothing is registered."""
SETTINGS = "DOCQUEUE_CHAOS_SETTINGS"
"""And what differs in their settings, as JSON."""
DATABASE = "DOCQUEUE_CHAOS_DATABASE"
"""And in how they reach the database: HOST, PORT, OPTIONS, as JSON."""


@cache
def _tools() -> tuple[Ledger, phases.Own]:
    folder = Path(os.environ[FOLDER])
    return Ledger(folder / "ledger.jsonl"), phases.Own(folder / "phases")


def chaos(ctx: Context) -> dict[str, int]:
    """Take as long as the payload says, and note every place that is reached."""
    ledger, own = _tools()
    me = {"id": ctx.id, "claim": ctx.item.claim_no}
    own.enter(phases.HANDLER, ctx.id)
    try:
        ledger.write("start", **me, key=ctx.item.ordering_key, held=time.time() - ctx.item.claimed_epoch)
        stepped = ctx.step("step", _step, ledger, me)
        _wait(ctx.payload["seconds"])
        ledger.write("outside", **me, key=ctx.idempotency_key)
        if ctx.attempt <= ctx.payload.get("fails", 0):
            ledger.write("end", **me)
            raise Retry("as the storm asked", after=0.1)
        with ctx.complete(result={"claim": ctx.item.claim_no, "stepped": stepped}):
            own.enter(phases.COMPLETE, ctx.id)
            AuditEntry.objects.using(ctx.using).create(
                action=EFFECT, item_id=ctx.id, actor=str(ctx.item.claim_no), at=ctx.item.claimed_at
            )
            _wait(ctx.payload["complete_seconds"])
            ledger.write("end", **me)  # before the commit: after it, the next item of its key may start at once
        return {}
    except LeaseLost:
        ledger.write("refused", **me)
        raise
    finally:
        own.enter(phases.IDLE)


def _wait(seconds: float) -> None:
    """As `time.sleep`, which libfaketime breaks where the time of day is wrong and the monotonic clock is not."""
    threading.Event().wait(seconds)


def poison(ctx: Context) -> None:
    """Do to its own process what the payload says."""
    ledger, own = _tools()
    own.enter(phases.HANDLER, ctx.id)
    ledger.write("start", id=ctx.id, claim=ctx.item.claim_no, key=None)
    poisons.POISONS[ctx.payload["kind"]]()


def _step(ledger: Ledger, me: dict[str, int]) -> int:
    ledger.write("step", **me)
    return me["claim"]


def register() -> None:
    """Register the operation."""
    handler(OPERATION, max_attempts=100, timeout_seconds=120)(chaos)
    handler(POISON, max_attempts=2, timeout_seconds=2, memory_mb=128, retry=Fixed(0))(poison)


def register_in_a_storm() -> None:
    """The same, with the storm's settings, in the processes that a storm has started."""
    if os.environ.get(FOLDER):
        conf.override(**json.loads(os.environ.get(SETTINGS, "{}")))
        changed = json.loads(os.environ.get(DATABASE, "{}"))
        database = connections.settings[conf.get_settings().DATABASE]
        database["OPTIONS"] = {**database["OPTIONS"], **changed.pop("OPTIONS", {})}
        database.update(changed)
        register()
