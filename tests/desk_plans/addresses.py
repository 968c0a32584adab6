"""Every page and every answer that people can ask for with GET: made from the admin's registry and the URL tables."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import quote

from django.contrib import admin
from django.urls import reverse

from docqueue.admin import item_filters
from docqueue.admin.item_filters import InputFilter
from docqueue.api import urls as queue_urls
from docqueue.models import QueueItem
from tests.desk_plans.filling import (
    CAUSE,
    COMMON,
    DEAD,
    FEW,
    FINISHED,
    ITEMS,
    LARGE_BATCH,
    OTHER_CAUSE,
    OTHERS,
    PENDING,
    RARE,
    RUNNING,
    SMALL_BATCH,
)

TERMS = ["1", str(DEAD + 1), "d1", "key3", "done3", COMMON, RARE, "most", "few", "nothing"]
"""What is searched for: ids, a document, keys, names of operations, people; and what there is not."""

HASH = f"{OTHERS:064x}"
OF_INGESTION = ["1", str(OTHERS), "chief", "other", COMMON, RARE, HASH, "nothing"]
"""And of documents: ids, owners, what is in names or is an error code, and the SHA-256 of bytes."""

NAMES = ["queue", "operation", "error_code"]
BATCHES = [f"batch_id={LARGE_BATCH}", f"batch_id={SMALL_BATCH}", "batch_id=0"]
MORE = {
    "queueitem": [*BATCHES, f"batch_id={LARGE_BATCH}&queue={RARE}", f"queue={RARE}&status=dead"],
    "historyitem": [*BATCHES, f"batch_id={LARGE_BATCH}&operation={RARE}"],
    "deaditem": [*BATCHES, f"fingerprint={CAUSE}", f"fingerprint={OTHER_CAUSE}", f"fingerprint={CAUSE}&queue={RARE}"],
    "ingestfile": [
        *(f"intake__id__exact={pk}" for pk in (OTHERS, 1, 0)),
        *(f"intake__id__exact={OTHERS}&outcome__exact={outcome}" for outcome in ("completed", "failed")),
        *(f"error_code={code}" for code in (RARE, "none")),
        f"outcome__exact=failed&error_code={RARE}",
    ],
}
"""Filters that the lists do not offer, but that other pages link to."""
OBJECTS: dict[str, list[Any]] = {
    "queueitem": [FINISHED + 1, DEAD + 1, DEAD + FEW + 1, RUNNING + 1, PENDING + 1],
    "deaditem": [DEAD + 1, DEAD + ITEMS],
    "historyitem": [1, FINISHED],
    "failuregroup": [CAUSE, OTHER_CAUSE],
    "batch": [LARGE_BATCH, SMALL_BATCH],
    "limit": [f"{COMMON}{OTHERS}", f"{RARE}1"],
    "queue": [],
    "overview": [],
}


def named(*names: str) -> list[str]:
    """Queries by these, for the value that most have, for that which few have, and for one that there is not."""
    return [f"{name}={value}" for name in names for value in (COMMON, RARE, "none")]


TYPED = {"tenant": ["few", "none"], "document_id": ["d1", "none"]}
TOGETHER = [
    [f"queue={queue}" for queue in (COMMON, RARE)],
    ["age=7d", *(f"status={one}" for one in ("pending", "waiting", *item_filters.TOGETHER))],
    ["age=1h", *(f"wait_reason={one}" for one in ("retry", "concurrency"))],
]
"""Filters of live items that are looked at together, before any of them is walked: one of each of these."""
WHENS = ["2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"]
QUERIES: dict[str, list[str]] = {
    "bulk": ["action=purge", "action=requeue", "state=aborted", "state=running", "state=done"],
    "workers": ["state=live", "state=lost", "state=stopped"],
    "batches": [],
    "schedules": ["source=code", "source=admin", "paused=true", "paused=false"],
    "limits": [],
    "queues": ["limit=1"],
    "dead-letters": [*named(*NAMES), f"fingerprint={CAUSE}", f"fingerprint={OTHER_CAUSE}&queue={COMMON}"],
    "failures": named(*NAMES),
    "items": [
        *named(*NAMES, "tenant", "document_id", "unique_key"),
        *(f"status={one}" for one in ("waiting", "pending", "in_progress", "dead", "completed", "cancelled")),
        *BATCHES,
        *(f"{name}={when}" for name in ("enqueued_after", "enqueued_before") for when in WHENS),
        *(f"q={term}" for term in TERMS),
    ],
}
"""What lists of the API can be narrowed by."""
ONES: dict[str, list[Any]] = {
    "item_id": [1, FINISHED + 1, DEAD + 1, RUNNING + 1, PENDING + 1],
    "worker_id": [1, 1_000],
    "fingerprint": [CAUSE, OTHER_CAUSE],
    "batch_id": [LARGE_BATCH, SMALL_BATCH],
    "bulk_id": [1],
    "schedule_id": [1],
    "name": [COMMON, RARE],
}


def pages() -> dict[str, Any]:
    """The admin's pages of the queue and of documents, by label."""
    found = admin.site._registry
    return {m._meta.label: page for m, page in found.items() if m._meta.app_label in ("docqueue", "ingestion")}


def of_admin(page: Any) -> Iterator[str]:
    """The addresses of one list: itself, searched, filtered by what others link to; and pages of objects."""
    app, name = page.opts.app_label, page.opts.model_name
    listed = reverse(f"admin:{app}_{name}_changelist")
    yield listed
    if page.search_fields:
        yield from (f"{listed}?q={quote(term)}" for term in (TERMS if app == "docqueue" else OF_INGESTION))
    yield from (f"{listed}?{query}" for query in MORE.get(name, ()))
    for pk in OBJECTS.get(name, [1]):
        yield reverse(f"admin:{app}_{name}_change", args=[pk])
    if name == "overview":
        yield reverse("admin:docqueue_overview_live")
    if name == "queue":
        yield from (f"{reverse('admin:docqueue_queue_page')}?queue={queue}" for queue in (COMMON, RARE, "none"))


def of_filters(changelist: Any) -> Iterator[str]:
    """The addresses of a list with each choice of each of its filters."""
    for spec in changelist.filter_specs:
        if isinstance(spec, InputFilter):
            yield from (f"?{spec.parameter_name}={value}" for value in TYPED[str(spec.parameter_name)])
        else:
            yield from (choice["query_string"] for choice in spec.choices(changelist))
    if changelist.model is QueueItem:
        yield from (f"?{'&'.join(some)}" for some in product(*TOGETHER))


def presets(page: Any) -> Iterator[str]:
    """What the lists offer by a name."""
    yield from (f"{reverse(name)}?{query}" for _, name, query in getattr(page, "presets", ()))


def routes() -> dict[str, Any]:
    """What of the queue's API can be asked with GET, by name."""
    found = {}
    for pattern in queue_urls.urlpatterns:
        view = getattr(pattern.callback, "view_class", None) or pattern.callback.cls
        if hasattr(view, "get") and "get" in view.http_method_names:
            found[str(pattern.name)] = pattern
    return found


def of_api(pattern: Any) -> Iterator[str]:
    """The addresses of one of them."""
    wanted = list(pattern.pattern.converters)
    if wanted:
        yield from (reverse(f"docqueue:{pattern.name}", args=[one]) for one in ONES[wanted[0]])
        return
    address = reverse(f"docqueue:{pattern.name}")
    yield address
    yield from (f"{address}?{query}" for query in QUERIES.get(pattern.name, ()))


OF_DOCUMENTS = [
    "documents", f"documents?tag={COMMON}", f"documents?tag={RARE}", "documents?tag=none", "documents/1", "intakes",
    "intakes/1", f"intakes/{OTHERS}", f"intakes/{OTHERS}/files", f"intakes/{OTHERS}/files?outcome=failed",
    f"intakes/{OTHERS}/files?outcome=completed", f"intakes/{OTHERS}/files?error_code={RARE}", "intakes/1/files",
    f"intakes/{OTHERS}/files?outcome=failed&error_code=none", "km/diagnostics", "km/diagnostics?method=delete",
    f"intakes/{OTHERS}/diagnostics", "limits", "types",
]  # fmt: skip
"""The answers about documents, without the search, which has tests of its own."""
