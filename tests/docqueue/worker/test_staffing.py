"""What people ask of real workers: a quiet one claims nothing until it may go on, one that is to stop ends in peace."""

from __future__ import annotations

from pathlib import Path

import pytest

from docqueue.exceptions import WorkerNotFound, WorkerRefuses
from docqueue.models import AuditEntry, QueueItem, Worker
from docqueue.service import DocumentQueueService
from tests.docqueue.helpers import T0, later, until
from tests.docqueue.helpers import worker as a_worker
from tests.docqueue.worker.processes import Manage, completed, marks, worker_row


@pytest.mark.slow
@pytest.mark.parametrize("listen", ["true", "false"], ids=["told", "polling"])
def test_a_quiet_worker_finishes_what_it_has_and_claims_nothing_until_it_may_go_on(
    manage: Manage, service: DocumentQueueService, tmp_path: Path, listen: str
) -> None:
    file = tmp_path / "marks"
    running = manage.worker("--processes", 1, DOCQUEUE_LISTEN=listen)
    worker = worker_row(running)
    assert worker is not None
    service.enqueue(None, "test.mark", payload={"file": str(file), "seconds": 1.5})
    until(lambda: bool(marks(file)))

    assert service.quiet_worker(worker.pk, by="ada", reason="a look at it")

    until(lambda: completed() == 1)
    manage.worker("--processes", 1, "--queue", "watched")
    service.enqueue(None, "test.mark", payload={"file": str(file)})
    for n in range(3):  # each takes another worker a look; meanwhile ours has looked, too
        watched = service.enqueue(None, "test.noop", queue="watched").id
        until(lambda watched=watched: not QueueItem.objects.filter(id=watched).exists())
        assert QueueItem.objects.filter(status="pending").count() == 1, n
    assert running.popen.poll() is None

    assert service.unquiet_worker(worker.pk, by="ada")
    until(lambda: completed() == 5, 5)
    assert running.stop() == 0


@pytest.mark.slow
def test_a_worker_that_is_asked_to_stop_lets_what_runs_finish_and_ends(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    running = manage.worker("--processes", 1)
    worker = worker_row(running)
    assert worker is not None
    ids = [service.enqueue(None, "test.mark", payload={"file": str(file), "seconds": 1.5}).id for _ in range(2)]
    until(lambda: bool(marks(file)))

    assert service.stop_worker(worker.pk, by="ada", reason="the machine goes")

    assert running.wait(15) == 0
    assert completed() == 1
    assert QueueItem.objects.get().status == "pending"
    assert QueueItem.objects.get().pk in ids
    row = Worker.objects.get(pk=worker.pk)
    assert row.stopped_at is not None
    assert (row.asked, row.asked_by) == ("stop", "ada")
    assert running.said("worker_stopped")


@pytest.mark.slow
def test_a_worker_that_waits_for_nothing_stops_within_seconds(manage: Manage, service: DocumentQueueService) -> None:
    running = manage.worker("--processes", 1)
    worker = worker_row(running)
    assert worker is not None
    service.stop_worker(worker.pk)
    assert running.wait(10) == 0


@pytest.mark.django_db
def test_what_is_asked_is_audited_once_and_said_again_changes_nothing(service: DocumentQueueService) -> None:
    worker = a_worker()
    assert service.quiet_worker(worker, by="ada", reason="so", now=T0)
    assert not service.quiet_worker(worker, by="bob", now=later(1))
    assert service.unquiet_worker(worker, by="bob", now=later(2))
    assert not service.unquiet_worker(worker, by="bob", now=later(3))
    assert service.stop_worker(worker, by="cid", now=later(4))
    assert not service.stop_worker(worker, by="eve", now=later(5))
    told = [(e.action, e.actor, e.reason, e.filter["worker"]) for e in AuditEntry.objects.order_by("id")]
    assert told == [
        ("quiet_worker", "ada", "so", worker),
        ("unquiet_worker", "bob", "", worker),
        ("stop_worker", "cid", "", worker),
    ]


@pytest.mark.django_db
def test_a_stop_is_final_and_an_ended_or_other_worker_can_not_be_asked(service: DocumentQueueService) -> None:
    stopping, ended, silent = a_worker(), a_worker(), a_worker()
    service.stop_worker(stopping, by="cid", now=T0)
    with pytest.raises(WorkerRefuses, match="asked to stop by cid"):
        service.unquiet_worker(stopping, now=T0)
    with pytest.raises(WorkerRefuses, match="asked to stop by cid"):
        service.quiet_worker(stopping, now=T0)
    Worker.objects.filter(pk=ended).update(stopped_at=T0)
    with pytest.raises(WorkerRefuses, match="has ended"):
        service.quiet_worker(ended, now=T0)
    with pytest.raises(WorkerRefuses, match="lease has run out"):
        service.quiet_worker(silent, now=later(31))
    Worker.objects.filter(pk=silent).update(kind="cron")
    with pytest.raises(WorkerRefuses, match="ends by itself"):
        service.stop_worker(silent, now=T0)
    with pytest.raises(WorkerNotFound):
        service.stop_worker(4711)
    assert AuditEntry.objects.count() == 1
