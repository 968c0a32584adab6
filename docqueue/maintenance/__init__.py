"""Duties: what must be done again and again. One file a duty, each `run(using, now) -> int` with `EVERY_SECONDS`.

Every worker runs them all; the statements skip what another worker has locked, so nobody needs to be elected.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext

from django.db import Error as DatabaseError

from docqueue import events, store
from docqueue.duties import Duty, registered
from docqueue.maintenance import (
    ageing,
    batches,
    bulk,
    depths,
    discard,
    due,
    failures,
    partitions,
    promote,
    prune,
    reap,
    schedule,
    totals,
)

REAP = "reap"
STEADY = tuple(
    Duty(name=module.__name__.rpartition(".")[2], run=module.run, every_seconds=module.EVERY_SECONDS)
    for module in (promote, partitions, prune, batches, discard, ageing, depths, failures, totals)
)


def all_duties() -> tuple[Duty, ...]:
    """The queue's own duties, begun anew at each call, then those that apps have registered."""
    return (
        Duty(name=REAP, run=reap.run, every_seconds=reap.EVERY_SECONDS),
        # What it costs is bounded by what it finds, and those that it finds are waiting.
        Duty(name="due", run=due.Rounds().run, every_seconds=due.EVERY_SECONDS, paced=False),
        *STEADY,
        Duty(name="schedule", run=schedule.Rounds().run, every_seconds=schedule.EVERY_SECONDS, paced=False),
        # It ends its round by itself, and somebody waits for it.
        Duty(name="bulk", run=bulk.run, every_seconds=bulk.EVERY_SECONDS, paced=False),
        *registered(),
    )


def ours(duty: Duty) -> bool:
    """Whether it is one of the queue's own."""
    return duty not in registered()


def perform(duty: Duty, using: str, around: AbstractContextManager[None] | None = None) -> None:
    """Run one duty, inside `around`. One that fails is reported: it must not end the others, nor the worker."""
    try:
        with around or nullcontext():
            done = duty.run(using)
    except DatabaseError as error:
        level = logging.DEBUG if store.is_unwell(error) else logging.ERROR  # the work loop reports an outage
        events.emit(events.EventName.DUTY_FAILED, level, duty=duty.name, error=str(error).strip()[:300])
        store.close(using)
    except Exception as error:  # noqa: BLE001 - reported
        events.emit(events.EventName.DUTY_FAILED, logging.ERROR, duty=duty.name, error=repr(error)[:300])
    else:
        if done:
            events.emit(events.EventName.DUTY_DONE, logging.DEBUG, duty=duty.name, count=done)
