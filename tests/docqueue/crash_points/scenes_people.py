"""The scenes of what people do to workers, and of the overview that they look at."""

from __future__ import annotations

from docqueue import listing, snapshot, store, waited
from docqueue.service import ClaimedItem, DocumentQueueService
from tests.docqueue.crash_points.scenes import scene
from tests.docqueue.crash_points.stages import as_caller, nothing
from tests.docqueue.helpers import T0, worker


def a_worker(service: DocumentQueueService) -> int:
    return worker(T0)


@scene(a_worker, "commit commit commit")
def ask_a_worker(service: DocumentQueueService, given: int) -> None:
    service.quiet_worker(given, by="me", reason="why", now=T0)
    service.unquiet_worker(given, by="me", now=T0)
    service.stop_worker(given, by="me", now=T0)


@scene(as_caller, "commit")
def clone(service: DocumentQueueService, given: ClaimedItem) -> None:
    service.clone(given, payload={"a": 1}, by="me", now=T0)


@scene(nothing, "")
def look_at_the_overview(service: DocumentQueueService, given: None) -> None:
    snapshot.read("default")
    waited.read("default", {"default": (0, 1)}, {})


@scene(nothing, "")
def look_at_narrowed_lists(service: DocumentQueueService, given: None) -> None:
    listing.few_live("default", queue="default")
    listing.small_batch("default", 1, live=True)
    store.run("default", "audit_of_many", {"wanted": "{}", "window": 10, "most": 10})
