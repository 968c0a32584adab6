"""A cancel of a running item: seen at the handler's next look, and by force where it never looks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from docqueue.models import Attempt
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from tests.docqueue.helpers import past, row, until
from tests.docqueue.worker.processes import Manage, gone, marks
from tests.testapp.models import Effect

GRACE_SECONDS = 1.0


def test_a_handler_that_never_looks_is_ended_within_the_grace_and_a_second(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    item = service.enqueue(None, "test.linger", payload={"file": str(file), "seconds": 60}).id
    worker = manage.worker("--processes", 1, DOCQUEUE_CANCEL_GRACE_SECONDS=GRACE_SECONDS)
    until(lambda: bool(marks(file)))
    executors = worker.executors()
    asked = time.monotonic()
    assert service.cancel(item, by="ada") is Status.IN_PROGRESS
    assert service.explain(item) == "Cancelling: its handler was asked to stop."
    until(lambda: past(item) is not None)
    took = time.monotonic() - asked
    assert GRACE_SECONDS - 0.1 < took < GRACE_SECONDS + 1
    assert past(item)["status"] == "cancelled"
    until(lambda: gone(executors), 2)
    assert not Attempt.objects.exists(), "a cancel is no failure"
    after = service.enqueue(None, "test.noop").id
    until(lambda: past(after) is not None, 5)


def test_a_handler_that_is_at_its_completion_when_it_is_cancelled_is_completed_or_cancelled_never_both(
    manage: Manage, service: DocumentQueueService
) -> None:
    ids = [service.enqueue(None, "test.effect", payload={"seconds": 0.2}).id for _ in range(20)]
    manage.worker("--processes", 2, DOCQUEUE_CANCEL_GRACE_SECONDS=0.01)
    until(lambda: all(row(i) is None or row(i)["status"] != "pending" for i in ids[:2]))
    for item in ids:
        if row(item) is not None and row(item)["status"] != "completed":
            service.cancel(item)
    until(lambda: all(past(i) is not None for i in ids), 20)
    ended = {i: past(i)["status"] for i in ids}
    assert set(Effect.objects.values_list("item_id", flat=True)) == {i for i, s in ended.items() if s == "completed"}


@pytest.mark.slow
def test_at_the_default_grace_a_cancel_is_over_within_four_seconds(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    item = service.enqueue(None, "test.parent", payload={"file": str(file), "deaf": True}, timeout_seconds=60).id
    manage.worker("--processes", 1)
    until(lambda: bool(marks(file)))
    asked = time.monotonic()
    service.cancel(item)
    until(lambda: past(item) is not None)
    assert 3 - 0.1 < time.monotonic() - asked < 4
