"""What was measured, as people and programs ask for it. Each look reads a bounded number of rows, by an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, router
from django.utils import timezone
from django.utils.module_loading import import_string

from ingestion.diagnostics.keeping import PHASES
from ingestion.errors import InvalidWindow, KmAuth, KmUnavailable
from ingestion.limits import get_limits
from ingestion.models import Document, Intake, KmCall

HOURS, MOST_HOURS = 24, 24 * 31
MOST_CALLS = 20_000
"""Calls that percentiles are made of, the newest of the window."""
SLOWEST, METHOD_MAX = 10, 32
MOST_DOCUMENTS, MOST_SHOWN = 1_000, 500
"""Of one intake: the newest documents that calls are looked for of, and the newest calls that are shown."""
PERCENTILES = (0.5, 0.95, 0.99)
IN_A_ROW = 3
"""So many calls in a row that found the store out of order open the breaker of a process."""

WINDOW = """
with looked as materialized (
    select * from ingestion_kmcall where started_at >= %(since)s and (%(method)s = '' or method = %(method)s)
    order by started_at desc limit %(most)s
)
"""
_PERCENTILES = ", ".join(
    f"percentile_cont(array[0.5, 0.95, 0.99]) within group (order by {phase}_seconds)" for phase in PHASES
)
METHODS = f"""
{WINDOW}
select method, count(*), count(*) filter (where code <> ''), count(*) filter (where attempt > 1),
    sum(bytes_sent)::bigint,
    sum(send_seconds) filter (where bytes_sent > 0), {_PERCENTILES}
from looked group by method order by method
"""  # noqa: S608 - put together from what stands above
CODES = f"{WINDOW} select code, count(*), max(started_at) from looked where code <> '' group by code order by 2 desc, 1"  # noqa: S608
SLOW = f"{WINDOW} select id from looked order by total_seconds desc, id desc limit %(slowest)s"  # noqa: S608
OF_DOCUMENTS = """
with mine as materialized (select id from ingestion_kmcall where document_ids && %s::bigint[])
select id from mine order by id desc limit %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Percentiles:
    """Of one duration, in seconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """How the calls of one method went. `retries` are those that were not the first of their kind.

    `seconds` has the percentiles of each phase that any of them came to; `bytes_per_second` is of all of them together.
    """

    method: str
    calls: int
    failed: int
    retries: int
    bytes_sent: int
    bytes_per_second: float | None
    seconds: dict[str, Percentiles | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """An error code, how often it came, and when last."""

    code: str
    calls: int
    last_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Breaker:
    """What the newest calls of all processes say of the store; each process has a breaker of its own.

    `state` is closed, open (the last calls all found it out of order), or unknown (there were none lately).
    """

    state: str
    failures_in_a_row: int
    last_code: str
    last_success_at: datetime | None
    last_failure_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnostics:
    """What a window of time holds. `complete`: all of its calls were looked at, not only the newest."""

    since: datetime
    hours: int
    calls: int
    complete: bool
    breaker: Breaker
    methods: list[Method]
    error_codes: list[Code]
    slowest: list[KmCall]


@dataclass(frozen=True, kw_only=True, slots=True)
class OfIntake:
    """The newest calls about one intake's documents. `complete`: there are no others."""

    calls: list[KmCall]
    documents: frozenset[int]
    complete: bool


def diagnose(*, hours: str | int = HOURS, method: str = "", now: datetime | None = None) -> Diagnostics:
    """Percentiles, errors and the slowest calls of the last `hours`. Raises `InvalidWindow`."""
    wanted = _hours(hours)
    if len(method) > METHOD_MAX or "\0" in method:
        raise InvalidWindow("method must be the name of a call, as put.")
    since = (now or timezone.now()) - timedelta(hours=wanted)
    params: dict[str, Any] = {"since": since, "method": method, "most": MOST_CALLS}
    with connections[router.db_for_read(KmCall)].cursor() as cursor:
        cursor.execute(METHODS, params)
        methods = [_method(row) for row in cursor.fetchall()]
        cursor.execute(SLOW, params | {"slowest": SLOWEST})
        slow = [pk for (pk,) in cursor.fetchall()]
    slowest = KmCall.objects.filter(pk__in=slow).order_by("-total_seconds", "-pk")
    calls = sum(one.calls for one in methods)
    failed = error_codes(hours=wanted, method=method, now=now)
    return Diagnostics(
        since=since,
        hours=wanted,
        calls=calls,
        complete=calls < MOST_CALLS,
        breaker=breaker(),
        methods=methods,
        error_codes=failed,
        slowest=list(slowest),
    )


def error_codes(*, hours: int = HOURS, method: str = "", now: datetime | None = None) -> list[Code]:
    """The codes that calls of the last `hours` failed with, the most frequent first."""
    since = (now or timezone.now()) - timedelta(hours=hours)
    with connections[router.db_for_read(KmCall)].cursor() as cursor:
        cursor.execute(CODES, {"since": since, "method": method, "most": MOST_CALLS})
        return [Code(code=code, calls=calls, last_at=last) for code, calls, last in cursor.fetchall()]


def store_name() -> str:
    """The kind of store that is configured, also where its settings are not usable. "?": there is no such class."""
    try:
        return str(import_string(get_limits().km).name)
    except (ImportError, AttributeError):
        return "?"


def breaker() -> Breaker:
    """What the newest hundred calls say of the store."""
    newest = list(KmCall.objects.order_by("-pk").only("code", "started_at")[:100])
    in_a_row = next((n for n, call in enumerate(newest) if not _store_is_out(call)), len(newest))
    failures = [call for call in newest if call.code]
    state = "closed" if newest else "unknown"
    return Breaker(
        state="open" if in_a_row >= IN_A_ROW else state,
        failures_in_a_row=in_a_row,
        last_code=failures[0].code if failures else "",
        last_success_at=next((call.started_at for call in newest if not call.code), None),
        last_failure_at=failures[0].started_at if failures else None,
    )


def of_intake(intake: Intake) -> OfIntake:
    """The calls about an intake's documents, the newest first."""
    rows = Document.objects.filter(file__intake=intake.pk).order_by("-pk").values_list("pk", flat=True)
    documents = list(rows[: MOST_DOCUMENTS + 1])
    with connections[router.db_for_read(KmCall)].cursor() as cursor:
        cursor.execute(OF_DOCUMENTS, [documents[:MOST_DOCUMENTS], MOST_SHOWN + 1])
        ids = [pk for (pk,) in cursor.fetchall()]
    calls = KmCall.objects.filter(pk__in=ids[:MOST_SHOWN]).order_by("-pk")
    complete = len(documents) <= MOST_DOCUMENTS and len(ids) <= MOST_SHOWN
    return OfIntake(calls=list(calls), documents=frozenset(documents), complete=complete)


def shown(call: KmCall, documents: frozenset[int] | None = None) -> dict[str, Any]:
    """A call for programs; of its documents only those in `documents`, where that is given."""
    return {
        "id": call.pk,
        "started_at": call.started_at,
        "method": call.method,
        "attempt": call.attempt,
        "status": call.status,
        "error_code": call.code or None,
        "document_ids": [pk for pk in call.document_ids if documents is None or pk in documents],
        "bytes_sent": call.bytes_sent,
        "bytes_per_second": _rounded(call.bytes_per_second),
        "seconds": {phase: _rounded(getattr(call, f"{phase}_seconds")) for phase in PHASES},
    }


def as_dict(found: Diagnostics) -> dict[str, Any]:
    """Everything for programs."""
    return asdict(found) | {
        "slowest": [shown(call) for call in found.slowest],
        "methods": [asdict(one) for one in found.methods],
        "error_codes": [asdict(one) for one in found.error_codes],
    }


def _method(row: Sequence[Any]) -> Method:
    method, calls, failed, retries, sent, seconds, *phases = row
    return Method(
        method=method,
        calls=calls,
        failed=failed,
        retries=retries,
        bytes_sent=sent,
        bytes_per_second=_rounded(sent / seconds) if seconds else None,
        seconds={name: _percentiles(values) for name, values in zip(PHASES, phases, strict=True)},
    )


def _percentiles(values: Sequence[float] | None) -> Percentiles | None:
    if not values:
        return None
    p50, p95, p99 = (round(value, 6) for value in values)
    return Percentiles(p50=p50, p95=p95, p99=p99)


def _store_is_out(call: KmCall) -> bool:
    return call.code in (KmUnavailable.code, KmAuth.code)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 6)


def _hours(given: str | int) -> int:
    text = str(given)
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MOST_HOURS):
        raise InvalidWindow
    return int(text)
