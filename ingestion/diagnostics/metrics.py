"""Calls to the knowledge store for Prometheus, made from the database: true whichever process is asked.

The rows that are there and the sums of those that are gone together only ever rise, as both change in one statement.
Needs prometheus_client, which docqueue's extra `prometheus` brings.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError, connections, router

from ingestion.diagnostics.keeping import BOUNDS, SPREAD
from ingestion.models import KmCall

try:
    from prometheus_client import generate_latest
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
    from prometheus_client.registry import Collector, CollectorRegistry
except ImportError:  # then there is no /metrics
    if TYPE_CHECKING:
        raise
    Collector = object  # type: ignore[misc]  # only what the class below is made of

CACHE_SECONDS = 5.0
SUMS = f"""
select method, code, phase, bucket, sum(calls), sum(seconds), sum(bytes_sent) from (
    select method, code, phase, bucket, calls, seconds, bytes_sent from ingestion_kmtotal
    union all
    select method, code, phase, bucket, count(*), sum(seconds), sum(bytes_sent)
    from ({SPREAD.format(calls="ingestion_kmcall")}) as spread group by 1, 2, 3, 4
) as both_kinds group by 1, 2, 3, 4
"""  # noqa: S608 - put together from what stands in keeping.py


class CallsCollector(Collector):
    """Histograms of every phase by method, and counters by method and code. Kept for some seconds."""

    def __init__(self) -> None:
        self._read_at = float("-inf")
        self._found: list[Any] = []

    def describe(self) -> list[Any]:
        """Nothing: registering it must not read the database."""
        return []

    def collect(self) -> Iterator[Any]:
        """The families; none when the database can not be read (`docqueue_up` says so)."""
        if time.monotonic() - self._read_at > CACHE_SECONDS:
            try:
                with connections[router.db_for_read(KmCall)].cursor() as cursor:
                    cursor.execute(SUMS, {"bounds": list(BOUNDS)})
                    self._found = families(cursor.fetchall())
            except (DatabaseError, InterfaceError):
                self._found = []
            self._read_at = time.monotonic()
        yield from self._found


def families(sums: Iterable[tuple[Any, ...]]) -> list[Any]:
    """The metrics made of rows of method, code, phase, bucket, calls, seconds and bytes."""
    calls: dict[tuple[str, str], int] = defaultdict(int)
    sent: dict[str, int] = defaultdict(int)
    buckets: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * (len(BOUNDS) + 1))
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for method, code, phase, bucket, number, took, size in sums:
        buckets[method, phase][bucket] += int(number)
        seconds[method, phase] += float(took)
        if phase == "total":
            calls[method, code] += int(number)
            sent[method] += int(size)
    counted = CounterMetricFamily(
        "ingestion_km_calls", "Calls to the knowledge store by how they ended.", labels=("method", "code")
    )
    for (method, code), number in sorted(calls.items()):
        counted.add_metric((method, code), number)
    size_sent = CounterMetricFamily(
        "ingestion_km_sent_bytes", "Bytes of documents sent to the knowledge store.", labels=("method",)
    )
    for method, size in sorted(sent.items()):
        size_sent.add_metric((method,), size)
    durations = HistogramMetricFamily(
        "ingestion_km_call_seconds",
        "How long calls to the knowledge store took, phase by phase.",
        labels=("method", "phase"),
    )
    for (method, phase), numbers in sorted(buckets.items()):
        running, steps = 0, []
        for bound, number in zip((*map(str, BOUNDS), "+Inf"), numbers, strict=True):
            running += number
            steps.append((bound, running))
        durations.add_metric((method, phase), steps, sum_value=seconds[method, phase])
    return [counted, size_sent, durations]


def exposition() -> bytes:
    """What belongs on a /metrics page. Raises NameError where prometheus_client is missing."""
    registry = CollectorRegistry()
    registry.register(_collector)
    return generate_latest(registry)


_collector = CallsCollector()
