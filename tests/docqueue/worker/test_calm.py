"""A worker that was away itself, as after an outage, gives the others time before it calls them lost."""

from __future__ import annotations

import threading

import pytest

from docqueue.service import DocumentQueueService
from docqueue.worker.duties import Duties
from tests.docqueue.helpers import OPERATION, row, until, worker


@pytest.mark.django_db(transaction=True)
def test_while_its_own_lease_is_not_calm_a_worker_reaps_nobody_and_does_its_other_duties(
    service: DocumentQueueService,
) -> None:
    held = service.enqueue(None, OPERATION).id
    [claim] = service.claim(1, worker=worker(None, 0.001))
    assert claim.id == held
    late = service.enqueue(None, OPERATION, delay_seconds=0.01).id
    calm = threading.Event()
    duties = Duties("default", calm.is_set)
    duties.start()
    try:
        until(lambda: row(late)["status"] == "pending")
        assert row(held)["status"] == "in_progress", "reaping comes before promoting"
        calm.set()
        until(lambda: row(held)["status"] == "pending")
    finally:
        duties.stop()
