"""TERM and INT: once stops in peace, twice stops now, at whatever moment they come."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from docqueue.models import Attempt, HistoryItem, QueueItem, Worker
from docqueue.service import DocumentQueueService, NewItem
from tests.docqueue.helpers import past, row, until
from tests.docqueue.worker.processes import Manage, Running, completed, gone, marks, worker_row


def linger(service: DocumentQueueService, file: Path, seconds: float) -> int:
    """Enqueue an item that marks its start and stays."""
    return service.enqueue(None, "test.linger", payload={"file": str(file), "seconds": seconds}).id


def to_the_group(running: Running, number: int) -> None:
    """As Ctrl-C in a terminal, or a supervisor of services that signals the whole group."""
    running.family()
    os.killpg(running.pid, number)


@pytest.mark.parametrize(
    ("number", "send"),
    [
        pytest.param(signal.SIGTERM, Running.signal, id="TERM"),
        pytest.param(signal.SIGINT, to_the_group, id="INT to the group", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, to_the_group, id="TERM to the group", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, Running.signal, id="INT", marks=pytest.mark.slow),
    ],
)
def test_one_signal_lets_the_running_finish_and_hands_the_rest_back_at_once(
    manage: Manage, service: DocumentQueueService, tmp_path: Path, number: signal.Signals, send
) -> None:
    file = tmp_path / "marks"
    first, second = linger(service, file, 2), linger(service, file, 0)
    worker = manage.worker("--processes", 1)
    until(lambda: bool(marks(file)))
    family = worker.family()
    send(worker, number)
    until(lambda: bool(worker.said("worker_stopping")), 2)
    assert row(first)["status"] == "in_progress"
    assert row(second)["status"] == "pending"
    assert worker.wait(10) == 0
    assert past(first)["status"] == "completed"
    assert (row(second)["status"], row(second)["attempt"]) == ("pending", 0)
    assert worker_row(worker).stopped_at is not None
    until(lambda: gone(family), 3)
    assert "Traceback" not in worker.log.read_text()


def test_what_one_worker_hands_back_another_takes_at_once(manage: Manage, service: DocumentQueueService) -> None:
    service.enqueue_many([NewItem(operation="test.sleep", payload={"seconds": 0.02}) for _ in range(400)])
    first = manage.worker("--processes", 1)
    until(lambda: completed() >= 50)  # it knows by now how quick they are, and holds some ahead
    second = manage.worker("--processes", 1)
    first.signal(signal.SIGTERM)
    assert first.wait(10) == 0
    until(lambda: completed() == 400)
    other, stopped = worker_row(second).pk, worker_row(first).stopped_at
    taken = HistoryItem.objects.filter(worker_id=other, claim_no__gt=1).values_list("claimed_at", flat=True)
    assert len(taken) > 2
    assert max(taken) < stopped + timedelta(seconds=1)
    assert not Attempt.objects.exists()


def test_two_signals_end_it_now_and_release_what_ran_uncharged(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    ids = [linger(service, file, 60) for _ in range(3)]
    worker = manage.worker("--processes", 2)
    until(lambda: len(marks(file)) == 2)
    family = worker.family()
    worker.signal(signal.SIGTERM)
    until(lambda: bool(worker.said("worker_stopping")), 2)
    worker.signal(signal.SIGTERM)
    assert worker.wait(3) == 0
    assert {(r["status"], r["attempt"], r["crashes"], r["suspect"]) for r in map(row, ids)} == {
        ("pending", 0, 0, False)
    }
    assert set(Attempt.objects.values_list("outcome", "code")) == {("interrupted", "worker_stopped")}
    assert {a.item_id for a in Attempt.objects.all()} == {int(line[0]) for line in marks(file)}, "the two that ran"
    until(lambda: gone(family), 2)


@pytest.mark.slow
def test_after_the_grace_period_what_still_runs_is_released_uncharged(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    item = linger(service, file, 60)
    worker = manage.worker("--processes", 1, "--grace-seconds", 0.5)
    until(lambda: bool(marks(file)))
    assert worker.stop(5) == 0
    assert (row(item)["status"], row(item)["attempt"], row(item)["suspect"]) == ("pending", 0, False)


def test_a_signal_at_any_moment_of_the_start_ends_it_and_leaves_nothing(
    manage: Manage, service: DocumentQueueService
) -> None:
    service.enqueue(None, "test.linger", payload={"file": os.devnull, "seconds": 60})
    runs = []
    for n in range(8):
        worker = manage.worker("--processes", 2, "--grace-seconds", 0, ready=False)
        send = to_the_group if n % 2 else Running.signal
        timer = threading.Timer(0.35 + 0.15 * n, send, (worker, signal.SIGINT if n % 4 > 1 else signal.SIGTERM))
        timer.start()
        runs.append((worker, timer))
        if n % 4 == 3:  # no more at a time than a small machine can start
            for running, waiting in runs:
                waiting.join()
                running.wait(20)
    for worker, _ in runs:
        log = worker.log.read_text()
        assert worker.popen.returncode in (0, -signal.SIGTERM, -signal.SIGINT, 1), log
        if worker.popen.returncode == 1:
            assert "KeyboardInterrupt" in log, "INT before the worker listens is Python's own"
    families = [worker.family() for worker, _ in runs]
    until(lambda: all(gone(family) for family in families), 3)
    assert not QueueItem.objects.filter(status="in_progress").exists()
    assert set(QueueItem.objects.values_list("attempt", flat=True)) == {0}
    assert not Worker.objects.filter(stopped_at=None).exists()


def test_a_worker_that_waits_for_its_database_is_calm_and_stops_when_told(manage: Manage) -> None:
    worker = manage.worker(ready=False, DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    until(lambda: bool(worker.said("database_unwell")))
    until(lambda: len(worker.executors()) == 2)
    before, began = worker.process.cpu_times(), time.monotonic()
    pause = threading.Event()
    pause.wait(1.5)
    used = worker.process.cpu_times()
    assert used.user + used.system - before.user - before.system < 0.3
    assert len(worker.lines()) <= 3 + (time.monotonic() - began)
    family = worker.family()
    assert worker.stop(3) == 0
    until(lambda: gone(family), 3)


def test_ttin_and_ttou_change_the_number_of_processes_while_it_works(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    ids = [linger(service, file, 60) for _ in range(4)]
    worker = manage.worker("--processes", 1)
    until(lambda: len(marks(file)) == 1)
    for _ in range(2):
        worker.signal(signal.SIGTTIN)
    until(lambda: len(marks(file)) == 3)
    assert len(worker.executors()) == 3
    assert worker.said("worker_resized")[-1]["processes"] == 3
    until(lambda: len(Worker.objects.get(kind="worker").info.get("slots", ())) == 3)
    at_work = {slot["item_id"] for slot in Worker.objects.get(kind="worker").info["slots"]}
    assert at_work == {int(line[0]) for line in marks(file)} < set(ids)
    worker.signal(signal.SIGTTOU)
    until(lambda: worker.said("worker_resized")[-1]["processes"] == 2)
    assert not Attempt.objects.exists(), "whatever runs may end"


def test_one_process_more_and_one_fewer_at_once_is_none_and_no_busy_loop(
    manage: Manage, service: DocumentQueueService
) -> None:
    worker = manage.worker("--processes", 1)
    for _ in range(20):
        worker.signal(signal.SIGTTIN)
        worker.signal(signal.SIGTTOU)
    threading.Event().wait(1)
    before = worker.process.cpu_times()
    threading.Event().wait(2)
    after = worker.process.cpu_times()
    assert after.user + after.system - before.user - before.system < 0.3
