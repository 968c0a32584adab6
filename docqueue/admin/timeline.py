"""What has happened to an item, one line each, the earliest first: from its columns, its attempts and the audit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast, Left, Length
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from docqueue import redaction
from docqueue.admin import columns
from docqueue.models import Attempt, AuditEntry, Checkpoint
from docqueue.states import RAN, Status

SHOWN = 50  # attempts, steps and audit entries, the newest of each
STEP_SHOWN = 300  # characters of a step's result
STEP_READ = 20_000  # one that is longer is not shown: what is cut can not be redacted


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line. `state` gives its colour; `who`: a worker or a person; `ahead`: it is to come."""

    at: datetime
    what: str
    state: str = ""
    who: str | SafeString = ""
    code: str = ""
    text: str = ""
    traceback: str = ""
    ahead: bool = False

    @property
    def moment(self) -> str | SafeString:
        """The time to the second, with how long ago that is."""
        return columns.exact(self.at)


def events(using: str, item: Any, *, audit: bool) -> list[Event]:
    """All there is to tell of an item; `audit`: also what people did."""
    attempts = list(Attempt.objects.using(using).filter(item_id=item.pk).order_by("-id")[:SHOWN])
    found = [*map(_of_attempt, reversed(attempts)), *_of_item(item, attempts)]  # an attempt before what it led to
    if audit:
        entries = AuditEntry.objects.using(using).filter(item_id=item.pk).order_by("-id")
        found += map(of_person, entries[:SHOWN])
    return sorted(found, key=lambda event: (event.ahead, event.at))


def _of_item(item: Any, attempts: list[Attempt]) -> Iterator[Event]:
    yield Event(at=item.enqueued_at, what=gettext("enqueued"))
    ended = Status(item.status) in (Status.COMPLETED, Status.DEAD, Status.CANCELLED)
    if item.run_after is not None and item.run_after > item.enqueued_at and (item.claimed_at is not None or not ended):
        waits = item.status == Status.WAITING and item.claimed_at is None
        yield Event(at=item.run_after, what=gettext("due"), ahead=waits)
    told = {attempt.claim_no for attempt in attempts}
    if item.claimed_at is not None and Status(item.status) in RAN and item.claim_no not in told:
        running = item.status == Status.IN_PROGRESS
        worker = columns.worker_link(item.worker_id)
        words = gettext("running since then") if running else gettext("claimed")
        yield Event(at=item.claimed_at, what=words, state=Status.IN_PROGRESS, who=worker)
    if (asked := getattr(item, "cancel_requested_at", None)) is not None:
        yield Event(at=asked, what=gettext("cancel requested"), state=Status.CANCELLED)
    if (died := getattr(item, "died_at", None)) is not None:
        yield Event(at=died, what=gettext("dead"), state=Status.DEAD)
    if (finished := getattr(item, "finished_at", None)) is not None:
        label = str(Status(item.status).label)
        yield Event(at=finished, what=label, state=item.status, text=_why_ended(item))
    retry = getattr(item, "next_retry_at", None)
    if retry is not None and item.status == Status.WAITING and retry != item.run_after:
        yield Event(at=retry, what=gettext("next try"), state=Status.WAITING, ahead=True)


def _why_ended(item: Any) -> str:
    return item.error_message or "" if item.status == Status.CANCELLED else ""


def _of_attempt(attempt: Attempt) -> Event:
    words = gettext("attempt %(number)d: %(outcome)s") % {
        "number": attempt.attempt,
        "outcome": attempt.get_outcome_display(),
    }
    ran = columns.took(attempt.started_at, attempt.ended_at)
    return Event(
        at=attempt.ended_at,
        what=words if ran == columns.NOTHING else gettext("%(what)s after %(time)s") % {"what": words, "time": ran},
        state=attempt.outcome,
        who=columns.worker_link(attempt.worker_id),
        code=attempt.code,
        text=attempt.message,
        traceback=attempt.traceback,
    )


def of_person(entry: AuditEntry) -> Event:
    """What somebody did."""
    more = ", ".join(f"{name}: {value}" for name, value in entry.filter.items())
    said = f"{entry.action} ({more})" if more else entry.action
    return Event(at=entry.at, what=said, who=columns.text(entry.actor), text=entry.reason)


def steps(using: str, item: Any, *, results: bool) -> list[Any]:
    """The durable steps behind an item, in order; with `results`, each with what of its result may be shown."""
    found = Checkpoint.objects.using(using).filter(item_id=item.pk).order_by("id").defer("result")
    if not results:
        return list(found[:SHOWN])
    text = Cast("result", TextField())
    each: list[Any] = list(found.annotate(text=Left(text, STEP_READ), length=Length(text))[:SHOWN])
    for step in each:
        step.shown = _result(item.operation, step.text, step.length)
    return each


def _result(operation: str, text: str | None, length: int | None) -> str:
    if text is None or length is None:
        return ""
    if length > STEP_READ:
        return gettext("%(length)s characters") % {"length": f"{length:,}"}
    shown = json.dumps(redaction.shown(operation, json.loads(text)), ensure_ascii=False)
    return shown if len(shown) <= STEP_SHOWN else f"{shown[:STEP_SHOWN]}…"
