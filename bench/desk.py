"""The operator's pages and the API's lists on a full queue; and all dead letters requeued while workers go on.

In place: 10,000,000 finished, 1,000,000 waiting for later, 200,000 dead of 50 causes. Every page of the queue's admin
and every GET of its API that needs no object, and for each kind one object's, is asked for through Django in this
process, rendered and read to its end: no web server in between. The list is made from the URL tables. Then fifty
people look at the overview, each in a thread that asks for its live part every two seconds as the page does.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.history import DEAD, FILL_SECONDS, FINISHED, SECONDS, WAITING, WORK
from bench.measure import Speaker, Workers, percentile
from bench.peers import BY_NAME
from bench.run import Run

ROW = "docqueue, in-process"
REQUEUE = "all dead letters requeued"
PAGES = "the slowest page"
VIEWERS = "fifty viewers of the overview"
ASKED, WARM = 40, 2
BACKLOG, ALONE_SECONDS = 3_000_000, 8.0
QUERIES = ["q=4711", "q=nothing", *(f"queue={name}" for name in ("bench", "rare", "none"))]
QUERIES += [f"operation={name}" for name in ("bench.noop", "bench.rare", "none")]
STATES = ("waiting", "dead", "in_progress", "completed", "cancelled", "not_started", "stuck")
MORE = ["document_id=4711", "tenant=none", "age=1h", "within=1d", "outcome=failed"]
MORE += [f"wait_reason={name}" for name in ("delayed", "retry")] + [f"status={name}" for name in STATES]
PAGES_OF_ITS_OWN = {
    "admin:docqueue_overview_live": [],
    "admin:docqueue_queue_page": ["queue=bench", "queue=rare"],
}
PREVIEWS = {"queueitem": ("requeue", "cancel"), "deaditem": ("requeue", "discard"), "historyitem": ("purge",)}
API_QUERIES = ["document_id=4711", "enqueued_before=2030-01-01T00:00:00Z", "error_code=failed", "error_code=none"]
FILTERED = ("items", "dead-letters")
"""The API's lists that are asked with filters."""
LOOKING, LOOK_EVERY, LOOK_SECONDS = 50, 2.0, 20.0


def measure(run: Run) -> None:
    """The workload `desk`."""
    speaker = run.speaker(BY_NAME["docqueue"], "_desk")
    speaker.ask("age", run.size(FINISHED), run.size(WAITING), run.size(DEAD), seconds=FILL_SECONDS)
    os.environ.update(speaker.env)
    os.environ["DJANGO_SETTINGS_MODULE"], os.environ["LOG_LEVEL"] = "bench.settings", "CRITICAL"
    import django

    django.setup()
    from django.test import Client
    from django.test.utils import setup_test_environment

    setup_test_environment()  # the test client's host name
    client = Client()
    client.force_login(_chief())
    slowest: list[float] = []
    for address in _addresses(client):
        took = [_ask(client, address) for _ in range(WARM + ASKED)][WARM:]
        slowest.append(percentile(took, 0.95) * 1000)
        run.say("desk", address, p50_ms=percentile(took, 0.5) * 1000, p95_ms=slowest[-1])
    run.say("desk", PAGES, p95_ms=max(slowest))
    run.say("desk", VIEWERS, **_viewers())
    with run.results.row("desk", REQUEUE):
        run.say("desk", REQUEUE, **_requeue(run, speaker, client))


def _chief() -> Any:
    from django.contrib.auth.models import User

    from docqueue import store
    from docqueue.maintenance import depths, failures, totals

    depths.run("default")  # as duties leave it on a day like any other
    failures.run("default")
    lag = 3600.0
    while lag > 600:
        totals.run("default")
        mark, _, clock = store.run("default", "totals_marks", {"now": None})[0]
        lag = (clock - mark).total_seconds()
    return User.objects.create_superuser("bench")


def _ask(client: Any, address: str) -> float:
    """Seconds from the request to the last byte. A page that is none is an error."""
    began = time.perf_counter()
    answer = client.get(address)
    unwell = "/health" in address and answer.status_code == 503  # no worker runs meanwhile
    assert answer.status_code == 200 or unwell, f"{address}: {answer.status_code}"
    assert b"".join(answer) if answer.streaming else answer.content
    return time.perf_counter() - began


def _addresses(client: Any) -> Iterator[str]:
    """The admin's lists, their second pages, filters, previews and an object of each; then the API's."""
    samples: dict[str, Any] = {}
    yield from _of_admin(client, samples)
    yield from _of_api(samples)


def _of_admin(client: Any, samples: dict[str, Any]) -> Iterator[str]:
    from django.contrib import admin
    from django.urls import reverse

    from docqueue.conf import get_settings

    using = get_settings().DATABASE
    for model, page in admin.site._registry.items():  # noqa: SLF001 - there is no public list
        if model._meta.app_label != "docqueue":
            continue
        kind = str(model._meta.model_name)
        there = reverse(f"admin:docqueue_{kind}_changelist")
        yield there
        following = getattr(_list(client, there), "next_link", None)
        if following:
            yield f"{there}{following}"
        for action in PREVIEWS.get(kind, ()):
            yield f"{reverse(f'admin:docqueue_{kind}_bulk', args=[action])}?queue=bench"
        yield from (f"{there}?{query}" for query in (*QUERIES, *MORE) if _takes(page, query))
        rows = model.objects.using(using)
        found = rows.filter(status="dead") if kind == "deaditem" else rows
        one = found.order_by("pk").first()
        if one is not None:
            samples[kind] = one
            yield reverse(f"admin:docqueue_{kind}_change", args=[one.pk])
    for page_name, queries in PAGES_OF_ITS_OWN.items():
        yield from (f"{reverse(page_name)}?{query}" for query in queries or [""])


def _of_api(samples: dict[str, Any]) -> Iterator[str]:
    from django.urls import reverse

    from docqueue.api import urls

    kinds = {"item_id": "queueitem", "worker_id": "worker", "fingerprint": "failuregroup", "batch_id": "batch"}
    for pattern in urls.urlpatterns:
        view = getattr(pattern.callback, "view_class", None) or getattr(pattern.callback, "cls", None)
        if view is None or not hasattr(view, "get") or "get" not in view.http_method_names:
            continue
        wanted = list(pattern.pattern.converters)
        if not wanted:
            there = reverse(f"docqueue:{pattern.name}")
            yield there
            if pattern.name in FILTERED:
                yield from (f"{there}?{query}" for query in (*QUERIES[2:], *API_QUERIES))
        elif wanted == ["name"]:
            yield reverse(f"docqueue:{pattern.name}", args=["bench"])
        elif len(wanted) == 1 and (sample := samples.get(kinds.get(wanted[0], ""))) is not None:
            yield reverse(f"docqueue:{pattern.name}", args=[sample.pk])


def _list(client: Any, address: str) -> Any:
    """What the admin's list at this address has found; None: it is none."""
    context = client.get(address).context
    return context.get("cl") if context else None


def _viewers() -> dict[str, float]:
    """Fifty who look at once: what their looking costs the database, and how long each waits for an answer."""
    from django.contrib.auth.models import User
    from django.db import connections
    from django.test import Client
    from django.urls import reverse

    from docqueue import snapshot, store
    from docqueue.conf import get_settings

    snapshot.forget()
    using, address = get_settings().DATABASE, reverse("admin:docqueue_overview_live")
    chief = User.objects.get(username="bench")
    seen, took, guard = list[str](), list[float](), threading.Lock()

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        with guard:
            seen.append(sql)
        return execute(sql, params, many, context)

    def look(number: int) -> None:
        client, pause = Client(), threading.Event()
        with connections[using].execute_wrapper(count):
            client.force_login(chief)
            pause.wait(random.Random(number).uniform(0, LOOK_EVERY))
            while time.monotonic() < ends:
                began = time.monotonic()
                seconds = _ask(client, address)
                with guard:
                    took.append(seconds)
                pause.wait(max(0.0, LOOK_EVERY - (time.monotonic() - began)))
        connections.close_all()

    ends = time.monotonic() + LOOK_SECONDS
    with ThreadPoolExecutor(LOOKING) as crowd:
        list(crowd.map(look, range(LOOKING)))
    of_queue = [sql for sql in seen if "docqueue_" in sql]
    return {
        "answers_per_second": len(took) / LOOK_SECONDS,
        "p95_ms": percentile(took, 0.95) * 1000,
        "query_sets_per_second": sum(store.sql("stats_live") in sql for sql in of_queue) / LOOK_SECONDS,
        "queue_statements_per_second": len(of_queue) / LOOK_SECONDS,
        "session_statements_per_second": (len(seen) - len(of_queue)) / LOOK_SECONDS,
    }


def _takes(page: Any, query: str) -> bool:
    """Whether the list has what the query asks for: a search box, or a filter of that name."""
    name = query.partition("=")[0]
    if name == "q":
        return bool(page.search_fields)
    return any(getattr(one, "parameter_name", None) == name for one in page.list_filter)


def _requeue(run: Run, speaker: Speaker, client: Any) -> dict[str, float]:
    """One worker drains a backlog: its rate before, from the request on until the last dead item is back, and after.

    The worker does the requeuing, too, and runs what comes back.
    """
    from docqueue.models import BulkOperation

    speaker.ask("fill", run.size(BACKLOG), seconds=FILL_SECONDS)
    run.settle(speaker)
    with Workers(speaker=speaker, count=1, arguments=WORK) as crew:
        crew.wait(run.size(BACKLOG) // 50, SECONDS)
        alone = [_rate(crew)]
        before, began = crew.total(), time.monotonic()
        answer = client.post("/api/v1/dead-letters/requeue", {"everything": True}, content_type="application/json")
        asked = time.monotonic() - began
        assert answer.status_code == 202, answer.content
        found = BulkOperation.objects.get(pk=answer.json()["id"])
        while found.finished_at is None:
            crew.check()
            time.sleep(0.05)
            found.refresh_from_db()
        beside = (crew.total() - before) / (time.monotonic() - began)
        alone.append(_rate(crew))
        assert crew.total() < run.size(BACKLOG), "it ran dry: the rate beside the requeuing is too low"
    seconds = (found.finished_at - found.created_at).total_seconds()
    return {
        "request_ms": asked * 1000,
        "requeued": found.done,
        "requeued_rate": found.done / seconds,
        "claim_rate_before": alone[0],
        "claim_rate_after": alone[1],
        "claim_rate_beside": beside,
        "ratio": beside / (sum(alone) / 2),
    }


def _rate(crew: Workers) -> float:
    """What the workers do a second while nothing else is asked of them."""
    before, began = crew.total(), time.monotonic()
    time.sleep(ALONE_SECONDS)
    return (crew.total() - before) / (time.monotonic() - began)
