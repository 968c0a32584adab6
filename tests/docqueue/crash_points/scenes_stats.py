"""The scenes of those who count: a worker that tells what ended, and the duties over totals and depths."""

from __future__ import annotations

from datetime import timedelta

from docqueue import stats, store
from docqueue.maintenance import depths, totals
from docqueue.models import Depth, FinishedTotal
from docqueue.service import DocumentQueueService
from tests.docqueue.crash_points.scenes import scene
from tests.docqueue.crash_points.stages import NEXT_YEAR, as_caller, some
from tests.docqueue.helpers import T0, later, worker


def ended(service: DocumentQueueService) -> None:
    """An item that a caller has completed; totals that are to be taken back and summed up, and some to be dropped."""
    service.mark_completed(as_caller(service), now=T0)
    me = worker(T0)
    for at in (T0 - timedelta(days=2), T0 - timedelta(days=2, seconds=10), T0 - NEXT_YEAR):
        FinishedTotal.objects.create(queue="default", at=at, worker_id=me, completed=1)


def deep(service: DocumentQueueService) -> None:
    """A queue that is deep, and a count of one that was."""
    some(service)
    Depth.objects.create(queue="gone", status="pending", number=7, counted_at=T0)


@scene(lambda service: worker(T0), "add_finished add_finished")
def tell_what_ended(service: DocumentQueueService, given: int) -> None:
    for at in (T0, later(10)):
        counts = {"completed": [2], "cancelled": [1], "dead": [0]}
        params = {"worker_id": given, "queues": ["default"], "ats": [at.timestamp()], "now": at}
        store.run("default", "add_finished", params | counts)


@scene(ended, "begin_totals compare_finished compare_finished roll_up_finished prune_finished")
def keep_totals(service: DocumentQueueService, given: None) -> None:
    totals.run("default", later(120))


@scene(deep, "count_depth forget_depths")
def count_depths(service: DocumentQueueService, given: None) -> None:
    stats.DEEP = 3
    depths.run("default", T0)


@scene(deep, "")
def look_at_depths(service: DocumentQueueService, given: None) -> None:
    stats.DEEP = 3
    service.get_queue_stats(now=T0)
    assert stats.queues("default")
