"""What `run_queue_worker` and `process_document_queue` can be told, and how little an idle worker needs."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from docqueue.models import HistoryItem, Queue, QueueItem
from docqueue.service import DocumentQueueService, NewItem
from tests.docqueue.helpers import row, rows, until
from tests.docqueue.worker.processes import Manage, completed, effects_once, worker_row


def test_drain_runs_the_chosen_queues_to_their_end_from_any_folder(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    for queue in ("a", "b", "c", "d"):
        service.enqueue_many([NewItem(operation="test.look", queue=queue) for _ in range(10)])
    Queue.objects.create(name="c", paused_at="2026-01-01T00:00Z")
    chosen = ["--queue", "a", "--queue", "c", "--queue", "d", "--exclude-queue", "d"]
    worker = manage("run_queue_worker", "--drain", *chosen, cwd=tmp_path)
    assert worker.wait(30) == 0
    assert set(HistoryItem.objects.values_list("queue", flat=True)) == {"a"}
    assert completed() == 10
    assert worker.pid not in HistoryItem.objects.values_list("result", flat=True)
    assert worker_row(worker).queues == ["a", "c", "d"]
    assert worker.said("worker_stopped")[0]["completed"] == 10


def test_in_process_runs_handlers_in_the_worker_itself(manage: Manage, service: DocumentQueueService) -> None:
    service.enqueue(None, "test.look")
    unknown = service.enqueue(None, "test.noop").id
    QueueItem.objects.filter(id=unknown).update(operation="test.of_the_next_release")
    worker = manage("run_queue_worker", "--drain", "--in-process")
    assert worker.wait(30) == 0
    assert HistoryItem.objects.get().result == worker.pid
    assert (row(unknown)["wait_reason"], row(unknown)["attempt"]) == ("snoozed", 0)


def test_max_items_ends_the_worker_after_so_many(manage: Manage, service: DocumentQueueService) -> None:
    service.enqueue_many([NewItem(operation="test.noop") for _ in range(30)])
    assert manage("run_queue_worker", "--max-items", 7).wait(30) == 0
    assert completed() == 7
    assert QueueItem.objects.filter(status="pending", attempt=0).count() == 23


def test_an_idle_worker_needs_little_and_few_connections(manage: Manage, service: DocumentQueueService) -> None:
    ids = [service.enqueue(None, "test.effect", payload={"seconds": 0.2}).id for _ in range(6)]
    worker = manage.worker("--processes", 2)
    until(lambda: completed() == 6)
    effects_once(ids)
    sessions = rows("select count(*) as n from pg_stat_activity where datname = current_database()")[0]["n"]
    assert sessions - 1 <= 3 + 2, "three of the supervisor, one of each child"

    family = worker.family()
    before = sum(p.cpu_times().user + p.cpu_times().system for p in family)
    work = _transactions()
    threading.Event().wait(3)
    used = sum(p.cpu_times().user + p.cpu_times().system for p in family) - before
    assert used / 3 < 0.05, "seconds of CPU a second"
    assert (_transactions() - work) / 3 < 25, "transactions a second, those of this test included"
    assert len(worker.lines()) < 30


def _transactions() -> int:
    with psycopg.connect(**_parameters(), autocommit=True) as other:
        sql = "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
        return other.execute(sql).fetchone()[0]


def _parameters() -> dict[str, object]:
    found = connection.get_connection_params()
    return {k: v for k, v in found.items() if k in ("dbname", "user", "password", "host", "port")}


def test_process_document_queue_as_a_command_says_what_it_did(manage: Manage, service: DocumentQueueService) -> None:
    for name in ("test.echo", "test.echo", "test.fail", "test.dead"):
        service.enqueue(None, name)
    run = manage("process_document_queue", "--limit", 3, "--json", LOG_LEVEL="ERROR")
    assert run.wait(30) == 0
    said = json.loads(run.log.read_text().splitlines()[-1])
    assert (said["processed"], said["completed"], said["failed"], said["retried"], said["dead"]) == (3, 2, 1, 1, 0)
    Queue.objects.create(name="default", paused_at="2026-01-01T00:00Z")
    plain = manage("process_document_queue", LOG_LEVEL="ERROR")
    assert plain.wait(30) == 0
    assert "processed 0, completed 0" in plain.log.read_text()


@pytest.mark.parametrize("arguments", [["--limit", "0"], ["--limit", "-1"], ["--limit", "200000"]])
def test_a_limit_that_makes_no_sense_is_refused_in_words(manage: Manage, arguments: list[str]) -> None:
    run = manage("process_document_queue", *arguments)
    assert run.wait(30) == 1
    assert "limit must be a whole number from 1 to 100000" in run.log.read_text()
