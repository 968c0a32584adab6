"""Bulk operations and pauses: whoever dies between two statements repeats nothing and misses nothing."""

from __future__ import annotations

from docqueue import history
from docqueue.maintenance import bulk
from docqueue.models import BulkOperation
from docqueue.service import DocumentQueueService
from tests.docqueue.crash_points.scenes import scene
from tests.docqueue.crash_points.stages import NEXT_YEAR, a_new_week, claimed, dead, nothing
from tests.docqueue.helpers import OPERATION, T0, later

IN_PARTS = 2


def dead_ones(service: DocumentQueueService) -> int:
    """Three dead items of one key, and a bulk operation to requeue them. Returns that."""
    dead(service)
    for _ in range(2):
        service.move_to_dead(service.claim(1, now=T0)[0], "hopeless", now=T0)
    return service.bulk("requeue", status="dead", by="me", now=later(1)).pk


def running_ones(service: DocumentQueueService) -> int:
    """Items that run, wait in line and are pending, with keys, and a bulk operation to cancel them. Returns that."""
    claimed(service)
    service.enqueue(None, OPERATION, unique_key="k", now=T0)
    return service.bulk("cancel", everything=True, by="me", now=later(1)).pk


def pending_ones(service: DocumentQueueService) -> int:
    """Three pending items, and a bulk operation to give them another priority. Returns that."""
    for _ in range(3):
        service.enqueue(None, OPERATION, now=T0)
    return service.bulk("priority", priority=9, everything=True, by="me", now=later(1)).pk


def finished_ones(service: DocumentQueueService) -> int:
    """Three finished items, and a bulk operation to delete them. Returns that."""
    for _ in range(3):
        service.mark_completed(service.mark_in_progress(service.enqueue(None, OPERATION, now=T0), now=T0), now=T0)
    return service.bulk("purge", everything=True, by="me", now=later(1)).pk


def ended_in_a_new_week(service: DocumentQueueService) -> int:
    """An item to be cancelled in a week of which there is no partition. Returns the bulk operation."""
    a_new_week(service)
    return service.bulk("cancel", status="waiting", by="me", now=later(1)).pk


def paused(service: DocumentQueueService) -> None:
    """A paused queue."""
    service.pause_queue("default", "why", "me", now=T0)


def in_parts(given: int, parts: int) -> None:
    for _ in range(parts):
        bulk.one_slice("default", given, IN_PARTS, later(2))


@scene(dead, "commit")
def bulk_asked_for(service: DocumentQueueService, given: int) -> None:
    service.bulk("requeue", status="dead", by="me", now=later(1))
    assert BulkOperation.objects.exists()


@scene(nothing, "commit")
def bulk_purge_asked_for(service: DocumentQueueService, given: None) -> None:
    service.bulk("purge", everything=True, by="me", now=later(1))


@scene(dead_ones, "commit promote_keys commit")
def bulk_requeue(service: DocumentQueueService, given: int) -> None:
    in_parts(given, 2)


@scene(running_ones, "commit commit commit")
def bulk_cancel(service: DocumentQueueService, given: int) -> None:
    in_parts(given, 3)


@scene(pending_ones, "commit commit")
def bulk_priority(service: DocumentQueueService, given: int) -> None:
    in_parts(given, 2)


@scene(finished_ones, "commit commit")
def bulk_purge(service: DocumentQueueService, given: int) -> None:
    in_parts(given, 2)


@scene(dead_ones, "commit promote_keys")
def bulk_round(service: DocumentQueueService, given: int) -> None:
    bulk.run("default", later(2))


@scene(ended_in_a_new_week, "commit commit commit")
def bulk_cancel_in_a_new_week(service: DocumentQueueService, given: int) -> None:
    history.forget()
    bulk.run("default", T0 + NEXT_YEAR)


@scene(dead_ones, "commit")
def bulk_aborted(service: DocumentQueueService, given: int) -> None:
    service.bulk_abort(given, by="me", now=later(2))


@scene(nothing, "commit")
def pause_a_queue(service: DocumentQueueService, given: None) -> None:
    service.pause_queue("default", "why", "me", now=T0)


@scene(paused, "commit")
def resume_a_queue(service: DocumentQueueService, given: None) -> None:
    service.resume_queue("default", "me", now=T0)
