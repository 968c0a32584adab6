"""What `run_queue_worker` and `process_document_queue` can be told, and how little an idle worker needs."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import psycopg
import pytest
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connection

from docqueue import conf
from docqueue.management.commands.run_queue_worker import FLAGS, Command
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


@pytest.mark.django_db(transaction=True)
def test_in_process_runs_handlers_in_the_worker_itself(service: DocumentQueueService) -> None:
    service.enqueue(None, "test.look")
    unknown = service.enqueue(None, "test.noop").id
    QueueItem.objects.filter(id=unknown).update(operation="test.of_the_next_release")
    call_command("run_queue_worker", "--drain", "--in-process")
    assert HistoryItem.objects.get().result == os.getpid()
    assert (row(unknown)["wait_reason"], row(unknown)["attempt"]) == ("no_handler", 0)


@pytest.mark.usefixtures("make_pool")
@pytest.mark.django_db(transaction=True)
def test_max_items_ends_the_worker_after_so_many(service: DocumentQueueService) -> None:
    service.enqueue_many([NewItem(operation="test.noop") for _ in range(30)])
    call_command("run_queue_worker", "--max-items", "7")
    assert completed() == 7
    assert QueueItem.objects.filter(status="pending", attempt=0).count() == 23


@pytest.mark.slow
def test_an_idle_worker_needs_little_and_few_connections(manage: Manage, service: DocumentQueueService) -> None:
    look = "select count(*) as n from pg_stat_activity where datname = current_database()"
    others = rows(look)[0]["n"]  # ours, and perhaps that of a web server that other tests keep
    ids = [service.enqueue(None, "test.effect", payload={"seconds": 0.2}).id for _ in range(6)]
    worker = manage.worker("--processes", 2)
    until(lambda: completed() == 6)
    effects_once(ids)
    assert rows(look)[0]["n"] - others <= 3 + 2, "three of the supervisor, one of each child"

    threading.Event().wait(2)  # PostgreSQL counts what was done before a second late
    family = worker.family()
    before = sum(p.cpu_times().user + p.cpu_times().system for p in family)
    work = _transactions()
    threading.Event().wait(2)
    used = sum(p.cpu_times().user + p.cpu_times().system for p in family) - before
    assert used / 2 < 0.08, "seconds of CPU a second"
    assert (_transactions() - work) / 2 < 25, "transactions a second, those of this test included"
    assert len(worker.lines()) < 30


def test_with_djangos_connection_pool_a_worker_still_has_one_connection_for_each_of_its_threads(
    manage: Manage, service: DocumentQueueService
) -> None:
    look = "select count(*) as n from pg_stat_activity where datname = current_database()"
    others = rows(look)[0]["n"]
    ids = [service.enqueue(None, "test.effect", payload={"seconds": 0.2}).id for _ in range(6)]
    worker = manage.worker("--processes", 2, TEST_POOL=1)
    until(lambda: completed() == 6)
    effects_once(ids)
    assert rows(look)[0]["n"] - others <= 3 + 2, "three of the supervisor, one of each child"
    assert worker.stop() == 0


@pytest.mark.slow
def test_a_worker_with_four_children_idles_in_a_quarter_of_a_gigabyte_and_a_hundredth_of_a_core(
    manage: Manage, service: DocumentQueueService
) -> None:
    ids = [service.enqueue(None, "test.effect", payload={"seconds": 0.3}).id for _ in range(12)]
    worker = manage.worker("--processes", 4)
    until(lambda: completed() == len(ids))
    assert len(worker.executors()) == 4
    threading.Event().wait(3)
    family = worker.family()
    assert sum(p.memory_full_info().pss for p in family) < 250 * 1024 * 1024
    before = sum(p.cpu_times().user + p.cpu_times().system for p in family)
    threading.Event().wait(10)
    used = sum(p.cpu_times().user + p.cpu_times().system for p in family) - before
    assert used / 10 < 0.01, "seconds of CPU a second"


def _transactions() -> int:
    with psycopg.connect(**_parameters(), autocommit=True) as other:
        sql = "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
        return other.execute(sql).fetchone()[0]


def _parameters() -> dict[str, object]:
    found = connection.get_connection_params()
    return {k: v for k, v in found.items() if k in ("dbname", "user", "password", "host", "port")}


def test_process_document_queue_as_a_command_says_what_it_did(
    manage: Manage, service: DocumentQueueService, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("test.echo", "test.echo", "test.fail", "test.dead"):
        service.enqueue(None, name)
    run = manage("process_document_queue", "--limit", 3, "--json", LOG_LEVEL="ERROR")
    assert run.wait(30) == 0
    said = json.loads(run.log.read_text().splitlines()[-1])
    assert (said["processed"], said["completed"], said["failed"], said["retried"], said["dead"]) == (3, 2, 1, 1, 0)
    Queue.objects.create(name="default", paused_at="2026-01-01T00:00Z")
    call_command("process_document_queue")
    assert "processed 0, completed 0" in capsys.readouterr().out


@pytest.mark.django_db
@pytest.mark.parametrize("limit", [0, -1, 200_000])
def test_a_limit_that_makes_no_sense_is_refused_in_words(limit: int) -> None:
    with pytest.raises(CommandError, match="limit must be a whole number from 1 to 100000"):
        call_command("process_document_queue", limit=limit)


@pytest.mark.django_db
def test_a_worker_without_executors_is_refused_in_words() -> None:
    with pytest.raises(CommandError, match="processes must be at least 1"):
        call_command("run_queue_worker", processes=0)


@pytest.mark.django_db(transaction=True)
def test_the_heartbeat_file_is_touched_with_the_lease_and_a_worker_of_a_lost_one_leaves_it_alone(
    manage: Manage, tmp_path: Path
) -> None:
    file = tmp_path / "heartbeat"
    worker = manage.worker("--processes", 1, "--heartbeat-file", file)
    until(file.exists)
    for _ in range(2):
        before = file.stat().st_mtime_ns
        until(lambda: file.stat().st_mtime_ns > before, 3)  # noqa: B023 - at once
    worker.signal(signal.SIGSTOP)
    before = file.stat().st_mtime_ns
    with pytest.raises(AssertionError):
        until(lambda: file.stat().st_mtime_ns > before, 2)
    worker.signal(signal.SIGCONT)


@pytest.mark.parametrize(("flag", "value"), [("--poll-seconds", "0"), ("--prefetch", "-1"), ("--threads", "-1")])
def test_a_flag_that_makes_no_sense_is_refused_in_words(flag: str, value: str) -> None:
    with pytest.raises(CommandError, match=flag.strip("-").partition("-")[0].upper() + "|" + flag):
        call_command("run_queue_worker", flag, value)


@pytest.mark.django_db(transaction=True)
def test_each_flag_is_a_setting_too(manage: Manage, service: DocumentQueueService, tmp_path: Path) -> None:
    told = Command().create_parser("manage.py", "run_queue_worker")
    own = {s for action in told._actions for s in action.option_strings} - set(FLAGS.values())
    django = {s for action in BaseCommand().create_parser("", "")._actions for s in action.option_strings}
    assert {s for s in own - django if not s.startswith("--no-")} == {"--database"}, "which DOCQUEUE_DATABASE is"
    assert set(FLAGS) <= {field.name for field in conf.FIELDS}

    service.enqueue_many([NewItem(operation="test.look", queue=queue) for queue in ("a", "b") for _ in range(4)])
    file = tmp_path / "heartbeat"
    told = {"QUEUES": "a", "DRAIN": 1, "IN_PROCESS": 1, "HEARTBEAT_FILE": file, "WORKER_NAME": "ward", "MAX_ITEMS": 3}
    worker = manage("run_queue_worker", **{f"DOCQUEUE_{name}": value for name, value in told.items()})
    assert worker.wait(30) == 0
    assert list(HistoryItem.objects.values_list("queue", "result")) == [("a", worker.pid)] * 3
    assert worker_row(worker).name == "ward"
    assert file.exists()
    assert manage("run_queue_worker", "--no-drain", "--max-items", 1, DOCQUEUE_DRAIN=1).wait(30) == 0
    assert completed() == 4


def test_reload_is_for_development_only() -> None:
    with pytest.raises(CommandError, match="DEBUG"):
        call_command("run_queue_worker", "--reload")


@pytest.mark.django_db(transaction=True)
def test_with_reload_a_worker_is_started_anew_when_code_has_changed(manage: Manage, tmp_path: Path) -> None:
    module = tmp_path / "watched_by_the_test.py"
    module.write_text("N = 1\n")
    (tmp_path / "sitecustomize.py").write_text("import watched_by_the_test\n")
    running = manage("run_queue_worker", "--processes", 1, "--reload", DEBUG=1, PYTHONPATH=str(tmp_path))
    until(lambda: len(running.said("worker_started")) == 1)
    module.write_text("N = 2\n")
    until(lambda: len(running.said("worker_started")) == 2)
    assert len(running.said("worker_stopped")) == 1
    running.signal(signal.SIGTERM)
    assert running.wait() == 0
    assert len(running.said("worker_stopped")) == 2
