"""More of what a process may be doing when it dies: answers, dead letters, the budget for retries, ageing."""

from __future__ import annotations

from dataclasses import replace

from docqueue import handlers, history
from docqueue.conf import overridden
from docqueue.listing import ItemFilter
from docqueue.maintenance import ageing, discard, promote
from docqueue.models import QueueItem
from docqueue.service import ClaimedItem, DocumentQueueService
from tests.docqueue.crash_points.scenes import scene
from tests.docqueue.crash_points.stages import as_caller, dead, line, waiting
from tests.docqueue.helpers import OPERATION, T0, later


def _answering() -> None:
    handlers._registry[OPERATION] = replace(handlers.get(OPERATION), answer_seconds=60.0)


@scene(as_caller, "complete promote_keys forget_caller")
def enqueue_what_is_answered(service: DocumentQueueService, given: ClaimedItem) -> None:
    service.mark_completed(given, now=T0)
    _answering()
    service.enqueue(None, OPERATION, unique_key="u0", now=T0)


@scene(dead, "discard_dead")
def dead_letters_end(service: DocumentQueueService, given: int) -> None:
    with overridden(DEAD_RETENTION_DAYS=1):
        discard.run("default", later(days=2))


@scene(as_caller, "commit")
def drop_what_is_too_much(service: DocumentQueueService, given: ClaimedItem) -> None:
    """The oldest partition is past, and the next one is in use."""
    history.drop_surplus("default", -1, later(days=7))


@scene(waiting, "promote_due promote_keys open_budget promote_retries")
def promote_within_a_budget(service: DocumentQueueService, given: None) -> None:
    with overridden(RETRIES_PER_SECOND=1):
        promote.run("default", later(3600))


@scene(line, "age")
def rise_with_age(service: DocumentQueueService, given: list[int]) -> None:
    with overridden(AGEING_SECONDS=10):
        ageing.run("default", later(60))


@scene(waiting, "commit promote_keys")
def run_now(service: DocumentQueueService, given: None) -> None:
    """The first of those that wait for their time."""
    service.run_now(QueueItem.objects.filter(wait_reason="delayed").first(), by="me", now=T0)


@scene(line, "commit")
def change_priority(service: DocumentQueueService, given: list[int]) -> None:
    service.change_priority(given[0], 7, by="me", now=T0)


@scene(line, "")
def list_items(service: DocumentQueueService, given: list[int]) -> None:
    """Who only looks leaves nothing behind."""
    service.list_items()
    service.list_items(ItemFilter(document_id="d"))
