"""More of what a process may be doing when it dies: answers, dead letters, the budget for retries, ageing."""

from __future__ import annotations

from dataclasses import replace

from docqueue import handlers
from docqueue.service import ClaimedItem, DocumentQueueService
from tests.docqueue.crash_points.scenes import scene
from tests.docqueue.crash_points.stages import as_caller
from tests.docqueue.helpers import OPERATION, T0


def _answering() -> None:
    handlers._registry[OPERATION] = replace(handlers.get(OPERATION), answer_seconds=60.0)


@scene(as_caller, "complete promote_keys forget_caller")
def enqueue_what_is_answered(service: DocumentQueueService, given: ClaimedItem) -> None:
    service.mark_completed(given, now=T0)
    _answering()
    service.enqueue(None, OPERATION, unique_key="u0", now=T0)
