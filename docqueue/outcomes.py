"""The closed set of ways in which a claimed item's run can end, and what each does to the row."""

from __future__ import annotations

import hashlib
import logging
import re
import sysconfig
import traceback as tb
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from docqueue.exceptions import (
    CENTURY_SECONDS,
    Cancelled,
    DeadLetter,
    LeaseLost,
    Retry,
    Snooze,
    is_code,
    is_seconds,
)
from docqueue.items import ClaimedItem
from docqueue.retry import Exponential, RetryPolicy
from docqueue.states import Status, WaitReason

logger = logging.getLogger("docqueue")

CRASH_BACKOFF = Exponential(base_seconds=1.0, factor=2.0, max_seconds=4.0)
MESSAGE_MAX = 1000
TRACEBACK_MAX = 20_000


@dataclass(frozen=True, kw_only=True)
class Completed:
    """The handler returned. `result` is JSON text or None. `settled`: its own transaction removed the item already."""

    result: str | None = None
    settled: bool = False


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The attempt failed; the retry policy decides what comes next."""

    code: str
    message: str
    traceback: str = ""
    fingerprint: str = ""
    retryable: bool = True
    retry_after: float | None = None
    outcome: str = "failed"


@dataclass(frozen=True, kw_only=True)
class Crashed:
    """The process that ran the item died; counted apart from failures."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Dead:
    """The handler or a caller said that the item can not succeed."""

    code: str
    message: str
    traceback: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, kw_only=True)
class Interrupted:
    """Why a run ended that nobody is to blame for. It is kept with the attempts: the item will run again."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Snoozed:
    """Not now: the attempt is given back."""

    seconds: float | None = None
    until: datetime | None = None
    reason: WaitReason = WaitReason.SNOOZED
    cause: Interrupted | None = None


@dataclass(frozen=True, kw_only=True)
class Released:
    """Handed back: the attempt is given back, the place in the lane kept. `cause`: it ran, and was cut off.

    `suspect`: it may be what killed its process, so it is to run alone.
    """

    cause: Interrupted | None = None
    suspect: bool = False


@dataclass(frozen=True, kw_only=True)
class GivenUp:
    """The handler said that its item is cancelled, whether or not somebody asked for it."""


@dataclass(frozen=True, kw_only=True)
class Lost:
    """The claim is not the newest any more; there is nothing left to write."""

    message: str = field(default="")


Outcome = Completed | Failed | Crashed | Dead | Snoozed | Released | GivenUp | Lost


def from_exception(error: BaseException) -> Outcome:
    """What an exception that left a handler means for its item."""
    text = clean(str(error)) or type(error).__name__
    trace = clean("".join(tb.format_exception(error)))[-TRACEBACK_MAX:]
    mark = fingerprint(error)
    match error:
        case Snooze():
            return Snoozed(seconds=error.seconds, until=error.until)
        case Cancelled():
            return GivenUp()
        case LeaseLost():
            return Lost(message=text)
        case Retry():
            return Failed(code=error.code, message=text, retry_after=error.after, fingerprint=mark)
        case DeadLetter():
            return Dead(code=error.code, message=text, traceback=trace, fingerprint=mark)
        case MemoryError():
            return Failed(code="out_of_memory", message=text, traceback=trace, fingerprint=mark)
    code = getattr(error, "code", None)
    retryable = getattr(error, "retryable", True)
    after = getattr(error, "retry_after", None)  # many libraries have one, some as text or a date
    return Failed(
        code=code if is_code(code) else "exception",
        message=text,
        traceback=trace,
        fingerprint=mark,
        retryable=retryable is not False,
        retry_after=after if is_seconds(after) and after >= 0 else None,
    )


def clean(text: str) -> str:
    """Text that PostgreSQL can store: no NUL, no lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


_NUMBERS = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}|\d+|'[^']*'|\"[^\"]*\"", re.IGNORECASE)


_NOT_OURS = tuple({*(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib")), f"{Path(__file__).parent}/"})


def fingerprint(error: BaseException) -> str:
    """A short hash of class, message without its variable parts, and place: equal for equal causes.

    The place is the innermost frame of the project's own code: a library's may change with its version.
    """
    frames = tb.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(frame.filename)] or frames
    place = f"{own[-1].filename.rsplit('/', 1)[-1]}:{own[-1].name}" if own else ""
    return text_fingerprint(type(error).__qualname__, str(error), place)


def _is_own(filename: str) -> bool:
    installed = "/site-packages/" in filename or "/dist-packages/" in filename
    return not installed and not filename.startswith((*_NOT_OURS, "<frozen "))


_FRAME = re.compile(r'^\s*File "([^"\n]+)", line (\d+), in (.+)$', re.MULTILINE)


def told_by(trace: str) -> tuple[str, str]:
    """The class of the exception and the innermost frame of the project's own code, as a traceback tells them."""
    frames = _FRAME.findall(trace)
    own = [frame for frame in frames if _is_own(frame[0])] or frames
    *_, last = trace.rstrip().splitlines() or [""]
    kind = last.partition(":")[0].strip()
    where = f"{own[-1][0].rsplit('/', 1)[-1]}:{own[-1][1]} in {own[-1][2]}" if own else ""
    return (kind if frames and kind.replace(".", "").isidentifier() else ""), where


def text_fingerprint(kind: str, message: str, place: str = "") -> str:
    """The same from its parts, for failures without an exception."""
    text = "\n".join((kind, _NUMBERS.sub("#", message), place))
    return hashlib.blake2s(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


BARE: dict[str, Any] = {
    "wait_reason": None,
    "delay_seconds": None,
    "next_at": None,
    "attempts_back": 0,
    "crashes": 0,
    "suspect": False,
    "outcome": None,
    "code": None,
    "message": None,
    "traceback": "",
    "fingerprint": None,
}


def bare_row(item_id: int, token: int, outcome: Released | Snoozed) -> dict[str, Any]:
    """The row of settle.sql for an exit that gives the attempt back and needs nothing of the item but its fence."""
    fields = BARE | {"id": item_id, "token": token, "attempts_back": 1}
    if outcome.cause is not None:
        cause = outcome.cause
        fields |= {"outcome": "interrupted", "code": cause.code, "message": clean(cause.message)[:MESSAGE_MAX]}
        fields |= {"fingerprint": text_fingerprint("interrupted", cause.code)}
    if isinstance(outcome, Released):
        return fields | {"target": Status.PENDING, "suspect": outcome.suspect}
    until = None if outcome.until is None else outcome.until.isoformat()
    wait = {"delay_seconds": outcome.seconds, "next_at": until, "wait_reason": outcome.reason}
    return fields | {"target": Status.WAITING} | wait


def row(item: ClaimedItem, outcome: Outcome, policy: RetryPolicy, max_crashes: int) -> dict[str, Any]:
    """The row of settle.sql that `outcome` becomes. Not for `Completed`.

    `Lost` is written as a failure: its fence refuses that, unless the claim that was lost was not this item's own.
    """
    fields = BARE | {"id": item.id, "token": item.claim_token}
    match outcome:
        case Released() | Snoozed():
            return bare_row(item.id, item.claim_token, outcome)
        case GivenUp():
            return fields | {"target": Status.CANCELLED}
        case Crashed():
            final = item.crashes + 1 >= max_crashes
            fields |= {"outcome": "crashed", "code": outcome.code, "message": clean(outcome.message)[:MESSAGE_MAX]}
            fields |= {"fingerprint": text_fingerprint("crash", outcome.code)}
            fields |= {"crashes": 1, "attempts_back": 1, "suspect": True}
            # It runs alone from now on, so that a long wait would protect nobody; a short one, the rest of the machine.
            delay = min(CRASH_BACKOFF.delay_seconds(item.crashes + 1), _delay_seconds(policy, item.crashes + 1))
            return fields | _next(final, delay)
        case Lost():
            return row(item, Failed(code=LeaseLost.code, message=outcome.message), policy, max_crashes)
        case Failed():
            final = not outcome.retryable or item.attempt >= item.max_attempts
            after = outcome.retry_after
            number = max(1, item.attempt)  # that of a probe does not count
            delay = _delay_seconds(policy, number) if after is None else min(max(0.0, after), CENTURY_SECONDS)
            return fields | _said(outcome, outcome.outcome) | _next(final, delay)
        case Dead():
            return fields | _said(outcome, "dead") | _next(True, 0)
        case _:
            raise AssertionError(f"{outcome} is not written by settle.sql")


def _said(outcome: Failed | Dead, kind: str) -> dict[str, Any]:
    return {
        "outcome": kind,
        "code": clean(outcome.code)[:100],
        "message": clean(outcome.message)[:MESSAGE_MAX],
        "traceback": clean(outcome.traceback)[-TRACEBACK_MAX:],
        "fingerprint": outcome.fingerprint or text_fingerprint(outcome.code, outcome.message),
    }


def _delay_seconds(policy: RetryPolicy, attempt: int) -> float:
    """What the policy says. A policy that fails or answers nonsense must not keep an item from being settled."""
    try:
        delay = policy.delay_seconds(attempt)
    except Exception:
        logger.exception("the retry policy %r failed; the default one decides", policy)
        return Exponential().delay_seconds(attempt)
    if not is_seconds(delay):
        logger.error("the retry policy %r answered %r; the default one decides", policy, delay)
        return Exponential().delay_seconds(attempt)
    return max(0.0, delay)


def _next(final: bool, delay_seconds: float) -> dict[str, Any]:
    if final:
        return {"target": Status.DEAD}
    return {"target": Status.WAITING, "wait_reason": WaitReason.RETRY, "delay_seconds": delay_seconds}
