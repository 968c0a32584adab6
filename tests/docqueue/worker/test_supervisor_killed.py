"""kill -9 of a supervisor: its items run elsewhere, once, and nobody is charged for a neighbour."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from docqueue.models import HistoryItem, QueueItem
from docqueue.service import DocumentQueueService
from tests.docqueue.helpers import until
from tests.docqueue.worker.processes import (
    LEASE_SECONDS,
    Manage,
    completed,
    effects_once,
    gone,
    marks,
    outcomes,
    uncharged,
)
from tests.testapp.models import Effect


def test_after_kill_9_of_a_supervisor_another_worker_finishes_everything_once(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    plain, inside = tmp_path / "plain", tmp_path / "inside"
    options = {"seconds": 60, "again": 0.3}
    ids = [
        service.enqueue(None, "test.linger", payload=options | {"file": str(plain)}).id,
        service.enqueue(None, "test.linger_in_complete", payload=options | {"file": str(inside)}).id,
    ]
    effects = [ids[1], *(service.enqueue(None, "test.effect").id for _ in range(20))]
    ids = [ids[0], *effects]
    first = manage.worker("--processes", 2)
    until(lambda: len(marks(plain)) + len(marks(inside)) == 2)
    children = [p for p in first.family() if p != first.process]
    assert len(children) >= 3

    first.kill()
    killed = time.monotonic()
    until(lambda: gone(children), 2)
    assert not Effect.objects.filter(item_id=ids[1]).exists()

    manage.worker("--processes", 2)
    until(lambda: completed() == len(ids))
    assert time.monotonic() - killed < LEASE_SECONDS + 5
    effects_once(effects)
    uncharged(ids)
    assert outcomes(ids[0]) == outcomes(ids[1]) == ["lease_lost"]
    runs = sorted((float(line[3]), line[0], line[1]) for line in [*marks(plain), *marks(inside)])
    again = [(item, what) for _, item, what in runs][2:]
    assert [what for _, what in again] == ["start", "end", "start", "end"], "suspects must run one by one"


def test_what_a_handler_has_started_ends_with_its_supervisor(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    service.enqueue(None, "test.parent", payload={"file": str(file)}, timeout_seconds=60)
    worker = manage.worker("--processes", 1)
    until(lambda: bool(marks(file)))
    program = psutil.Process(int(marks(file)[0][1]))
    worker.kill()
    until(lambda: gone([program]), 2)


def test_the_child_of_a_bounded_run_ends_with_it(manage: Manage, service: DocumentQueueService, tmp_path: Path) -> None:
    """No fork server stands between the two that could end it."""
    file = tmp_path / "marks"
    service.enqueue(None, "test.linger", payload={"file": str(file), "seconds": 60})
    run = manage("process_document_queue")
    until(lambda: bool(marks(file)))
    child = psutil.Process(int(marks(file)[0][2]))
    run.kill()
    until(lambda: gone([child]), 2)


@pytest.mark.slow
def test_an_item_that_kills_its_supervisor_ends_dead_and_no_innocent_is_charged(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    file, pid_file = tmp_path / "marks", tmp_path / "pid"
    neighbours = [
        service.enqueue(None, "test.linger", payload={"file": str(file), "seconds": 60}).id,
        *(service.enqueue(None, "test.effect").id for _ in range(10)),
    ]
    poison = service.enqueue(None, "test.suicide", payload={"pid_file": str(pid_file)}, priority=1).id
    deaths = 0
    while not QueueItem.objects.filter(id=poison, status="dead").exists():
        worker = manage.worker("--processes", 2, ready=False, DOCQUEUE_POLL_SECONDS=0.5)
        until(lambda: bool(marks(file)))  # the first time: both run
        (tmp_path / "new").write_text(str(worker.pid))
        (tmp_path / "new").rename(pid_file)
        until(lambda w=worker: w.popen.poll() is not None or QueueItem.objects.filter(status="dead").exists(), 30)
        deaths += worker.popen.poll() is not None
        pid_file.unlink()
        assert deaths <= 4
    until(lambda: completed() == len(neighbours))
    dead = QueueItem.objects.get(id=poison)
    assert (dead.error_code, dead.crashes) == ("crashed", 3)
    assert deaths == 4, "the first time nobody is charged"
    assert outcomes(poison) == ["lease_lost", "crashed", "crashed", "crashed"]
    uncharged(neighbours)


@pytest.mark.slow
def test_items_in_the_hands_of_a_stopped_worker_row_are_not_charged(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    """A deploy that kills the same item again and again is no crash of the item."""
    file = tmp_path / "marks"
    item = service.enqueue(None, "test.linger", payload={"file": str(file), "seconds": 60, "again": 60}).id
    for n in range(1, 4):
        worker = manage.worker("--grace-seconds", 0, DOCQUEUE_POLL_SECONDS=0.2)
        until(lambda n=n: len(marks(file)) == n)
        assert worker.stop() == 0
    assert QueueItem.objects.get(id=item).crashes == 0
    assert QueueItem.objects.get(id=item).attempt == 0
    assert outcomes(item) == ["interrupted"] * 3


@pytest.mark.slow
def test_a_worker_killed_again_and_again_loses_and_doubles_nothing(
    manage: Manage, service: DocumentQueueService
) -> None:
    ids = [service.enqueue(n % 50, "test.effect", payload={"seconds": 0.02}).id for n in range(600)]
    manage.worker("--processes", 1)
    for _ in range(5):
        victim = manage.worker("--processes", 2)
        before = completed()
        until(lambda before=before: completed() >= min(before + 6, len(ids)), 30)
        victim.kill()
    until(lambda: completed() == len(ids), 60)
    effects_once(ids)
    assert set(HistoryItem.objects.values_list("attempt", flat=True)) == {1}
    # one that was cut off before ran alone when the next worker was killed: that counts, up to MAX_CRASHES
    assert HistoryItem.objects.filter(crashes__gt=0).count() < 5
