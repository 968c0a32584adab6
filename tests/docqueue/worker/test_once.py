"""`process_document_queue`: a bounded run, with handlers in a process of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import transaction

from docqueue.exceptions import ConfigurationError, InvalidOption
from docqueue.models import HistoryItem, Queue, QueueItem, Worker
from docqueue.service import DocumentQueueService, NewItem
from docqueue.worker import once
from docqueue.worker.once import process_document_queue
from tests.docqueue.helpers import in_threads, row
from tests.docqueue.worker.processes import completed, marks, outcomes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("make_pool")]  # its environment


def test_it_runs_what_is_due_in_another_process_and_counts_it(service: DocumentQueueService) -> None:
    for name in ("test.look", "test.effect", "test.fail_until", "test.dead", "test.snooze"):
        service.enqueue(None, name, payload={"attempt": 2})
    chain = [service.enqueue("one document", "test.noop").id for _ in range(3)]
    later = service.enqueue(None, "test.noop", delay_seconds=3600).id
    result = process_document_queue()
    counts = {k: v for k, v in result.as_dict().items() if v and k != "seconds"}
    assert counts["dead"] == counts["snoozed"] == 1
    assert counts["completed"] >= 2 + len(chain)
    assert result.processed == result.completed + result.retried + result.dead + result.snoozed
    assert result.failed == result.retried + result.dead
    assert row(later)["status"] == "waiting"
    assert HistoryItem.objects.get(operation="test.look").result != os.getpid()
    assert Worker.objects.get(kind="cron").stopped_at is not None
    assert not QueueItem.objects.filter(status="in_progress").exists()


def test_it_runs_no_more_than_its_limit(service: DocumentQueueService) -> None:
    service.enqueue_many([NewItem(operation="test.noop") for _ in range(40)])
    assert process_document_queue(25).processed == 25
    assert completed() == 25
    assert QueueItem.objects.filter(status="pending", attempt=0).count() == 15


class Clock:
    """A clock that is far ahead as soon as `late` says so."""

    def __init__(self, late: Callable[[], bool]) -> None:
        self.late = late

    def monotonic(self) -> float:
        return time.monotonic() + (1_000_000 if self.late() else 0)


def test_it_starts_nothing_after_its_time_and_hands_the_rest_back(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.enqueue_many([NewItem(operation="test.effect", payload={"seconds": 0.2}) for _ in range(40)])
    monkeypatch.setattr(once, "time", Clock(lambda: completed() >= 3))
    result = process_document_queue(seconds=1000)
    assert 3 <= result.completed < 20
    rest = QueueItem.objects.all()
    assert {(i.status, i.attempt) for i in rest} == {("pending", 0)}
    assert rest.count() + completed() == 40


def test_two_at_once_share_the_items(service: DocumentQueueService) -> None:
    service.enqueue_many([NewItem(operation="test.effect", payload={"seconds": 0.02}) for _ in range(100)])
    results = in_threads(2, lambda n: process_document_queue(500))
    assert sum(r.completed for r in results) == 100
    assert all(r.completed for r in results)
    assert completed() == 100


def test_inside_a_transaction_it_is_refused(service: DocumentQueueService) -> None:
    with transaction.atomic(), pytest.raises(InvalidOption, match="transaction"):
        process_document_queue()


def test_with_nothing_to_do_it_starts_no_process(service: DocumentQueueService) -> None:
    Queue.objects.create(name="default", paused_at="2026-01-01T00:00Z")
    service.enqueue(None, "test.noop")
    assert process_document_queue().processed == 0
    assert not Worker.objects.exists()


def test_a_process_that_can_not_start_is_an_error_that_says_why_and_charges_nobody(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = service.enqueue(None, "test.noop").id
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.there_is_no_such_module")
    began = time.monotonic()
    with pytest.raises(ConfigurationError, match="ends at its start"):
        process_document_queue()
    assert time.monotonic() - began < 30
    assert (row(item)["status"], row(item)["attempt"], row(item)["suspect"]) == ("pending", 0, False)


def test_interrupted_it_releases_what_it_holds(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    item = service.enqueue(None, "test.linger", payload={"file": str(file), "seconds": 60}).id
    from docqueue.worker.loop import WorkLoop

    real = WorkLoop.tick

    def tick(loop: WorkLoop) -> None:
        real(loop)
        if marks(file):
            raise KeyboardInterrupt

    monkeypatch.setattr(WorkLoop, "tick", tick)
    with pytest.raises(KeyboardInterrupt):
        process_document_queue()
    assert (row(item)["status"], row(item)["attempt"], row(item)["suspect"]) == ("pending", 0, False)
    assert outcomes(item) == ["interrupted"]
