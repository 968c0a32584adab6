"""The scenes of dead letters by their cause: counted, acknowledged, removed; and of items that go first."""

from __future__ import annotations

from datetime import timedelta

from docqueue.maintenance import bulk, failures, prune
from docqueue.models import FailureGroup, Resolution
from docqueue.service import DocumentQueueService
from tests.docqueue.crash_points.scenes import scene
from tests.docqueue.crash_points.stages import NEXT_YEAR, dead
from tests.docqueue.helpers import OPERATION, T0, later


def a_group(service: DocumentQueueService, fingerprint: str, number: int, at: timedelta = timedelta()) -> None:
    said = {"queue": "default", "operation": OPERATION, "error_code": "broken", "error_message": "no", "sample_id": 1}
    moments = dict.fromkeys(("first_at", "last_at", "counted_at"), T0 - at)
    FailureGroup.objects.create(fingerprint=fingerprint, number=number, **said, **moments)


def counted(service: DocumentQueueService) -> None:
    """A dead item, and a cause that was counted a while ago and has none any more."""
    dead(service)
    a_group(service, "gone", 7, timedelta(minutes=1))


def old(service: DocumentQueueService) -> None:
    """A cause of which nothing has been left for long, and a resolution of long ago."""
    a_group(service, "gone", 0, NEXT_YEAR)
    Resolution.objects.create(at=T0 - NEXT_YEAR, seconds=1, number=1)


def canary(service: DocumentQueueService) -> tuple[int, int]:
    """A bulk operation of which the first item has been requeued, and that item."""
    ids = [service.enqueue(None, OPERATION, now=T0).id for _ in range(2)]
    for item_id in ids:
        service.move_to_dead(service.mark_in_progress(item_id, now=T0), "hopeless", now=T0)
    asked = service.bulk("requeue", canary=1, everything=True, by="me", now=later(1)).pk
    bulk.one_slice("default", asked, 10, later(2))
    return asked, ids[0]


def canary_done(service: DocumentQueueService) -> int:
    asked, item_id = canary(service)
    service.mark_completed(service.mark_in_progress(item_id, now=later(3)), now=later(3))
    return asked


def canary_failed(service: DocumentQueueService) -> int:
    asked, item_id = canary(service)
    service.move_to_dead(service.mark_in_progress(item_id, now=later(3)), "hopeless", now=later(3))
    return asked


@scene(counted, "count_failures")
def count_failures(service: DocumentQueueService, given: None) -> None:
    failures.run("default", T0)


@scene(counted, "commit commit")
def acknowledge(service: DocumentQueueService, given: None) -> None:
    service.acknowledge_failure("gone", note="on it", by="me", now=T0)
    service.unacknowledge_failure("gone", by="me", now=T0)


@scene(old, "prune_failures prune_resolutions")
def prune_old_failures(service: DocumentQueueService, given: None) -> None:
    prune.run("default", T0)


@scene(old, "")
def look_at_resolutions(service: DocumentQueueService, given: None) -> None:
    service.resolutions(now=T0)


@scene(canary_done, "commit commit")
def canary_passes(service: DocumentQueueService, given: int) -> None:
    for _ in range(2):
        bulk.one_slice("default", given, 10, later(4))


@scene(canary_failed, "commit")
def canary_fails(service: DocumentQueueService, given: int) -> None:
    bulk.one_slice("default", given, 10, later(4))
