"""The database goes away while items run: nobody exits, nothing is lost or doubled, and all is calm."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from docqueue.maintenance import reap
from docqueue.models import Attempt, HistoryItem, Worker
from docqueue.service import DocumentQueueService, NewItem
from docqueue.worker.signals import NOW_SECONDS
from tests.docqueue.helpers import past, row, rows, until
from tests.docqueue.worker.processes import (
    LEASE_SECONDS,
    Manage,
    completed,
    effects_once,
    gone,
    marks,
    uncharged,
    worker_row,
)
from tests.docqueue.worker.proxy import Proxy


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[Proxy]:
    """A way to the tests' database that can be cut."""
    proxy = Proxy()
    yield proxy
    proxy.cut()


def test_results_of_an_outage_are_kept_and_settled_under_the_same_lease(
    manage: Manage, service: DocumentQueueService, proxy: Proxy, tmp_path: Path
) -> None:
    """The outage is longer than the lease; nobody took the worker for lost meanwhile, so its lease still stands."""
    file = tmp_path / "marks"
    item = service.enqueue(None, "test.linger", payload={"file": str(file), "seconds": 1}).id
    lease = {"DOCQUEUE_LEASE_SECONDS": 2}
    worker = manage.worker("--processes", 1, DATABASE_URL=proxy.url(), **lease)
    until(lambda: bool(marks(file)))
    was = worker_row(worker).id
    proxy.cut()
    before, began = worker.process.cpu_times(), time.monotonic()
    said = len(worker.lines())
    threading.Event().wait(2 + 1)
    used = worker.process.cpu_times()
    assert len(worker.lines()) - said <= time.monotonic() - began
    assert used.user + used.system - before.user - before.system < 0.4
    assert [line[1] for line in marks(file)] == ["start", "end"]
    assert row(item)["status"] == "in_progress"
    proxy.mend()
    until(lambda: past(item) is not None)
    uncharged([item])
    assert [line[1] for line in marks(file)] == ["start", "end"], "it did not run again"
    assert worker_row(worker).id == was, worker.log.read_text()
    until(lambda: bool(worker.said("database_back")))
    later = service.enqueue(None, "test.noop").id
    until(lambda: past(later) is not None)


def test_term_while_the_database_is_away_ends_the_worker_and_its_items_are_not_charged(
    manage: Manage, service: DocumentQueueService, proxy: Proxy, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    payload = {"file": str(file), "seconds": 60}
    item = service.enqueue(None, "test.linger", payload=payload).id
    worker = manage.worker("--processes", 1, "--grace-seconds", 0.5, DATABASE_URL=proxy.url())
    until(lambda: bool(marks(file)))
    proxy.cut()
    until(lambda: bool(worker.said("database_unwell")))
    family = worker.family()
    assert worker.stop(1 + 5) == 0
    until(lambda: gone(family), 3)
    assert row(item)["status"] == "in_progress"
    reap.run("default", timezone.now() + timedelta(seconds=LEASE_SECONDS + 1))
    assert (row(item)["status"], row(item)["attempt"], row(item)["crashes"]) == ("pending", 0, 0)


@pytest.mark.slow
def test_a_database_that_does_not_answer_can_not_keep_a_worker_from_stopping(
    manage: Manage, service: DocumentQueueService, proxy: Proxy, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    service.enqueue(None, "test.linger", payload={"file": str(file), "seconds": 60})
    worker = manage.worker("--processes", 1, DATABASE_URL=proxy.url())
    until(lambda: bool(marks(file)))
    proxy.freeze()
    family = worker.family()
    threading.Event().wait(2)  # the loop has looked meanwhile, and waits for the answer
    worker.signal(signal.SIGTERM)
    threading.Event().wait(0.5)
    worker.signal(signal.SIGTERM)
    worker.wait(NOW_SECONDS + 3)
    until(lambda: gone(family), 3)


def test_with_every_session_ended_again_and_again_each_effect_happens_once(
    manage: Manage, service: DocumentQueueService
) -> None:
    ids = service.enqueue_many([NewItem(operation="test.effect", payload={"seconds": 0.01}) for _ in range(200)])
    workers = [manage.worker("--processes", 2) for _ in range(2)]
    deadline = time.monotonic() + 3
    pause = threading.Event()
    while time.monotonic() < deadline and completed() < len(ids) - 50:
        end_sessions()
        pause.wait(0.15)
    until(lambda: completed() == len(ids), 30)
    effects_once(ids)
    assert set(Attempt.objects.values_list("outcome", "code")) <= {("interrupted", "database_unwell")}
    assert set(HistoryItem.objects.values_list("attempt", "crashes")) == {(1, 0)}
    assert all(w.popen.poll() is None for w in workers)
    assert Worker.objects.filter(kind="worker", lost_at=None, stopped_at=None).count() == 2


def end_sessions() -> int:
    """End every other session of this database. How many."""
    sql = """select count(pg_terminate_backend(pid)) as n from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()"""
    return rows(sql)[0]["n"]


@pytest.mark.slow
def test_a_database_that_refuses_writes_is_an_outage_and_fails_no_item(
    manage: Manage, service: DocumentQueueService
) -> None:
    name = connection.settings_dict["NAME"]
    ids = service.enqueue_many([NewItem(operation="test.effect", payload={"seconds": 0.01}) for _ in range(200)])
    worker = manage.worker("--processes", 2)
    until(lambda: completed() > 10)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f'alter database "{name}" set default_transaction_read_only = on')
        end_sessions()
        threading.Event().wait(3)
        assert worker.popen.poll() is None
    finally:
        with connection.cursor() as cursor:
            cursor.execute("set default_transaction_read_only = off")
            cursor.execute(f'alter database "{name}" reset default_transaction_read_only')
        end_sessions()
    until(lambda: completed() == len(ids), 60)
    effects_once(ids)
    bad = Attempt.objects.exclude(outcome__in=["lease_lost", "interrupted"])
    assert list(bad.values_list("item_id", "outcome", "message")) == [], worker.log.read_text()


@pytest.mark.slow
def test_a_whole_minute_without_the_database_is_calm_and_everything_goes_on_after_it(
    manage: Manage, service: DocumentQueueService, proxy: Proxy, tmp_path: Path
) -> None:
    """At the default lease of 30 s: nobody reaps meanwhile, so the results that were kept are settled."""
    file = tmp_path / "marks"
    kept = service.enqueue(None, "test.linger", payload={"file": str(file), "seconds": 2}).id
    queued = service.enqueue_many([NewItem(operation="test.effect") for _ in range(20)])
    worker = manage.worker("--processes", 1, DATABASE_URL=proxy.url(), DOCQUEUE_LEASE_SECONDS=30)
    until(lambda: bool(marks(file)))
    proxy.cut()
    before, said = worker.process.cpu_times(), len(worker.lines())
    threading.Event().wait(60)
    used = worker.process.cpu_times()
    assert worker.popen.poll() is None
    assert len(worker.lines()) - said <= 60
    assert used.user + used.system - before.user - before.system < 3.0
    proxy.mend()
    began = time.monotonic()
    until(lambda: past(kept) is not None and completed() == len(queued) + 1, 15)
    assert time.monotonic() - began < 10
    effects_once(queued)
    assert [line[1] for line in marks(file)] == ["start", "end"], "what had ended was settled, not run again"
