"""Is this process alive, ready, and is the queue well? Plain Django views, for load balancers and monitors.

`livez` touches nothing, so that a database outage does not restart the web processes; `readyz` says whether requests
can be served; `report` looks at the whole queue, workers included.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError
from django.db import connections as databases
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from docqueue import stats
from docqueue.conf import get_settings
from docqueue.models import Worker
from docqueue.service import DocumentQueueService

CRON_PATIENCE_SECONDS = 300.0
"""Where cron runs the queue, nothing that is due waits longer than this."""

NO_DATABASE = "The database can not be reached."
NO_WORKER = "No worker has reported: run manage.py run_queue_worker, or let cron call process_document_queue."
NO_CRON = "Nothing has been run for a while: is cron still calling process_document_queue?"

_migrated: set[str] = set()  # aliases found up to date: migrations are not taken back under a running process


@never_cache
@require_safe
def livez(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django passes it
    """200 as long as the process answers at all."""
    return JsonResponse({"alive": True})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django passes it
    """200 when the database answers and has every migration; 503 with the reason otherwise."""
    reason = not_ready()
    if reason:
        return JsonResponse({"ready": False, "reason": reason}, status=503)
    return JsonResponse({"ready": True})


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django passes it
    """`report()` with 200 or 503, for projects without the REST extra. Put a login around it: it names queues."""
    found = report()
    return JsonResponse(found, status=200 if found["healthy"] else 503)


def not_ready(using: str | None = None) -> str:
    """Why requests can not be served yet; empty when they can. `using`: the queue's database, if it is another."""
    queue = using or get_settings().DATABASE
    try:
        for alias in dict.fromkeys((queue, DEFAULT_DB_ALIAS)):
            if alias in _migrated:
                continue
            missing = _missing_migrations(alias)
            if missing:
                return f"{missing} migrations are not applied: run manage.py migrate."
            _migrated.add(alias)
        Worker.objects.using(queue).exists()
    except (DatabaseError, InterfaceError):
        return NO_DATABASE
    return ""


def _missing_migrations(alias: str) -> int:
    connection = databases[alias]
    if connection.vendor == "unknown":  # Django's dummy backend: a project whose default database is not set
        return 0
    executor = MigrationExecutor(connection)
    # A database of the queue's own needs our tables only.
    wanted = [n for n in executor.loader.graph.leaf_nodes() if alias == DEFAULT_DB_ALIAS or n[0] == "docqueue"]
    return len(executor.migration_plan(wanted))


def report() -> dict[str, Any]:
    """{healthy, database, queue, worker, details}: booleans, and in details the counts and what to do."""
    reason = not_ready()
    if reason:
        return _answer(database=False, queue=False, worker=False, details={"hints": [reason]})
    try:
        found = DocumentQueueService().get_queue_stats()
        concurrency, by_cron, connections = _workers()
    except (DatabaseError, InterfaceError):
        return _answer(database=False, queue=False, worker=False, details={"hints": [NO_DATABASE]})
    oldest = max((c.oldest_due_seconds or 0.0 for c in found.queues.values()), default=0.0)
    hints = [stats.no_worker(queue) for queue in found.unserved]
    if found.workers:
        worker, queue = True, not found.unserved
    elif by_cron:
        worker = queue = oldest <= CRON_PATIENCE_SECONDS
        hints = [] if worker else [NO_CRON, *hints]
    else:
        worker, queue = False, not found.unserved
        hints = [NO_WORKER, *hints]
    total = found.total
    details = {
        "queue_counts": {
            "waiting": total.pending + total.waiting + total.retrying,
            "active": total.in_progress,
            "completed": total.completed,
            "failed": total.failed,
        },
        "worker_concurrency": concurrency,
        "workers": found.workers,
        "worker_connections": connections,
        "oldest_due_seconds": round(oldest, 3),
        "hints": hints,
    }
    return _answer(database=True, queue=queue, worker=worker, details=details)


def _workers() -> tuple[int, bool, dict[str, int]]:
    """How many items can run at once; whether the queue was last served by cron rather than by a worker; how the
    connections of live workers and their processes were at their last heartbeat (ok, reconnecting, read-only, down).
    """
    rows = Worker.objects.using(get_settings().DATABASE).exclude(kind=Worker.Kind.CALLER)
    live = rows.filter(kind=Worker.Kind.WORKER, lost_at=None, stopped_at=None, lease_expires_at__gte=Now())
    newest = rows.order_by("-id").values_list("kind", flat=True).first()
    told = list(live.values_list("processes", "info"))
    slots = [slot for _, info in told for slot in info.get("slots", ()) if isinstance(slot, dict)]
    states = Counter(str(about["database"]) for about in [*(info for _, info in told), *slots] if "database" in about)
    return sum(processes for processes, _ in told), newest == Worker.Kind.CRON, dict(states)


def _answer(*, database: bool, queue: bool, worker: bool, details: dict[str, Any]) -> dict[str, Any]:
    healthy = database and queue and worker
    return {"healthy": healthy, "database": database, "queue": queue, "worker": worker, "details": details}
