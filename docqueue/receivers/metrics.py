"""Prometheus metrics (the extra `prometheus`): counters from the events of this process, gauges from the database.

Counters tell what this process did; with several processes set PROMETHEUS_MULTIPROC_DIR, as prometheus_client has it.
Gauges tell the truth about the queue whichever process is asked; scrape them from one target.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError

from docqueue import events, stats, store
from docqueue.conf import get_settings
from docqueue.events import EventName

try:
    import prometheus_client as prometheus
    from prometheus_client import multiprocess
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector, CollectorRegistry
except ImportError:  # the extra is not installed: `install` says so by its answer
    if TYPE_CHECKING:
        raise
    prometheus = None
    Collector = object  # type: ignore[misc]  # only what the class below is made of

DURATIONS = (0.005, 0.02, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
CACHE_SECONDS = 1.0
COUNTED = frozenset(
    {
        EventName.ITEMS_ENQUEUED,
        EventName.ITEMS_CLAIMED,
        EventName.RUNS_ENDED,
        EventName.ITEMS_REAPED,
        EventName.WORKER_LOST,
        EventName.LEASE_LOST,
        EventName.CHILD_DIED,
        EventName.DATABASE_UNWELL,
        EventName.DUTY_FAILED,
    }
)

_installed: list[Counters] = []


def available() -> bool:
    """Whether prometheus_client is installed."""
    return prometheus is not None


def install() -> bool:
    """Count this process's events from now on; again changes nothing. False when prometheus_client is missing."""
    if not available():
        return False
    if not _installed:
        _installed.append(Counters(prometheus.REGISTRY))
    events.subscribe(_installed[0], _installed[0].hears)
    return True


class Counters:
    """Subscriber that counts. Labels are queues, operations and closed sets of words, never ids or messages."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> prometheus.Counter:
            return prometheus.Counter(f"docqueue_{name}", text, labels, registry=registry)

        self.enqueued = counter("enqueued", "Items given to enqueue; a rollback is not taken back.", "operation")
        self.claimed = counter("claimed", "Items claimed.")
        self.attempts = counter("attempts", "Runs of handlers by how they ended.", "queue", "operation", "outcome")
        self.reaped = counter("reaped", "Items freed from lost workers.")
        self.workers_lost = counter("workers_lost", "Workers whose lease ran out, as found by this process.")
        self.leases_lost = counter("leases_lost", "Leases that this process itself lost.")
        self.child_deaths = counter("child_deaths", "Executor processes that ended unasked.")
        self.outages = counter("database_outages", "Times that the database could not be used.")
        self.duty_failures = counter("duty_failures", "Duties that failed; each is tried again.", "duty")
        self.seconds = prometheus.Histogram(
            "docqueue_attempt_duration_seconds",
            "How long runs of handlers took.",
            ("queue", "operation"),
            buckets=DURATIONS,
            registry=registry,
        )

    def hears(self, name: EventName, level: int) -> bool:
        """What is counted here. Runs of handlers come summed up, not one by one."""
        return name in COUNTED

    def __call__(self, event: events.Event) -> None:
        """Count one event."""
        said = event.fields
        match event.name:
            case EventName.ITEMS_ENQUEUED:
                self.enqueued.labels(said.get("operation", "")).inc(said["count"])
            case EventName.ITEMS_CLAIMED:
                self.claimed.inc(said["count"])
            case EventName.RUNS_ENDED:
                self.attempts.labels(said["queue"], said["operation"], said["outcome"]).inc(said["count"])
                observe = self.seconds.labels(said["queue"], said["operation"]).observe
                for seconds in said["seconds"]:
                    observe(seconds)
            case EventName.ITEMS_REAPED:
                self.reaped.inc(said["count"])
            case EventName.WORKER_LOST:
                self.workers_lost.inc()
            case EventName.LEASE_LOST:
                self.leases_lost.inc()
            case EventName.CHILD_DIED:
                self.child_deaths.inc()
            case EventName.DATABASE_UNWELL:
                self.outages.inc()
            case EventName.DUTY_FAILED:
                self.duty_failures.labels(said["duty"]).inc()


class DatabaseCollector(Collector):
    """Depths, ages and workers as they stand in the database; kept for a second, so that many scrapers cost little."""

    def __init__(self, using: str | None = None) -> None:
        self.using = using or get_settings().DATABASE
        self._read_at = float("-inf")
        self._found: list[Any] = []

    def describe(self) -> list[Any]:
        """Nothing: registering it must not read the database."""
        return []

    def collect(self) -> Iterator[Any]:
        """The gauges. When the database can not be read, only `docqueue_up 0`."""
        if time.monotonic() - self._read_at > CACHE_SECONDS:
            try:
                self._found = self._read()
            except (DatabaseError, InterfaceError):
                self._found = [GaugeMetricFamily("docqueue_up", UP, value=0)]
            self._read_at = time.monotonic()
        yield from self._found

    def _read(self) -> list[Any]:
        items = GaugeMetricFamily("docqueue_items", "Live items.", labels=("queue", "status"))
        oldest = GaugeMetricFamily("docqueue_oldest_due_seconds", "Age of the oldest pending item.", labels=("queue",))
        serving = GaugeMetricFamily("docqueue_queue_workers", "Live workers that serve the queue.", labels=("queue",))
        live = stats.serving(self.using)
        for queue, counts in stats.depths(self.using).items():
            for name, status in stats.KINDS.items():
                items.add_metric((queue, status), getattr(counts, name))
            oldest.add_metric((queue,), counts.oldest_due_seconds or 0.0)
            serving.add_metric((queue,), sum(one.serves(queue) for one in live))
        workers = GaugeMetricFamily("docqueue_workers", "Live workers.", value=len(live))
        return [GaugeMetricFamily("docqueue_up", UP, value=1), items, oldest, serving, workers, *self._resolutions()]

    def _resolutions(self) -> list[Any]:
        """How quickly people see to dead items: percentiles from the database, whichever process they were told."""
        days = stats.RESOLUTION_DAYS
        [(number, _, half, most)] = store.run(self.using, "resolutions", {"days": days})
        text = f"How long dead items had been dead when people saw to them, in the last {days} days, at most."
        seconds = GaugeMetricFamily("docqueue_dlq_resolution_seconds", text, labels=("quantile",))
        for quantile, value in (("0.5", half), ("0.95", most)):
            if value is not None:
                seconds.add_metric((quantile,), value)
        counted = f"Dead items that people saw to in the last {days} days."
        return [seconds, GaugeMetricFamily("docqueue_dlq_resolved_items", counted, value=number)]


UP = "Whether the queue's database could be read."


def scrape(using: str | None = None) -> tuple[bytes, str]:
    """What a /metrics page answers: body and content type. Put a login or a closed network around that page.

    Custom collectors vanish from a global registry in multiprocess mode, so the gauges come from one of their own.
    Raises `RuntimeError` when prometheus_client is missing.
    """
    if not available():
        raise RuntimeError("prometheus_client is not installed: pip install docqueue[prometheus]")
    counters = prometheus.REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        counters = CollectorRegistry()
        multiprocess.MultiProcessCollector(counters)  # type: ignore[no-untyped-call]  # untyped upstream
    gauges = CollectorRegistry()
    gauges.register(_collector(using or get_settings().DATABASE))
    body = prometheus.generate_latest(counters) + prometheus.generate_latest(gauges)
    return body, prometheus.CONTENT_TYPE_LATEST


_collectors: dict[str, DatabaseCollector] = {}


def _collector(using: str) -> DatabaseCollector:
    return _collectors.setdefault(using, DatabaseCollector(using))
