"""The overview's numbers, and that however many look the database is asked once a second."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.db.backends.utils import CursorWrapper

from docqueue import snapshot, stats, store
from docqueue.maintenance import promote
from docqueue.models import FailureGroup, FinishedTotal, Worker
from docqueue.service import DocumentQueueService
from tests.docqueue.helpers import OPERATION, worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    snapshot.forget()
    yield
    snapshot.forget()


def total(queue: str, at: datetime, **numbers: int) -> None:
    FinishedTotal.objects.create(queue=queue, at=at, worker_id=7, **numbers)


def test_what_ended_is_told_by_minute_and_by_hour_of_each_queue_and_of_all() -> None:
    now = datetime.now(UTC)
    minute = now.replace(second=0, microsecond=0)
    total("a", minute, completed=5, dead=1)
    total("a", minute - timedelta(minutes=30), completed=7, cancelled=2)
    total("b", minute - timedelta(minutes=59), dead=3)
    total("b", now - timedelta(hours=5), completed=100, dead=4)
    total("c", now - timedelta(hours=30), completed=1000)

    found = snapshot.read("default")

    assert (len(found.slow.total.minutes), len(found.slow.total.hours)) == (60, 24)
    a, b = found.series("a"), found.series("b")
    assert [(one.completed, one.dead) for one in a.minutes if one.completed] == [(7, 0), (5, 1)]
    assert a.minutes[-1].at == minute
    assert (a.dead_hour, b.dead_hour, found.slow.total.dead_hour) == (1, 3, 4)
    assert (a.dead_day, b.dead_day, found.slow.total.dead_day) == (1, 7, 8)
    assert sum(one.completed for one in found.slow.total.hours) == 112
    assert sum(one.completed for one in found.series("nobody").hours) == 0
    assert found.names() == ["a", "b"]


def test_how_long_items_waited_is_told_of_those_that_were_claimed_once(service: DocumentQueueService) -> None:
    now = datetime.now(UTC)
    for n, waited in enumerate([1, 2, 3, 4, 100]):
        due = now - timedelta(seconds=200)
        service.enqueue(None, OPERATION, queue="q", now=due)
        item = service.claim(1, queues=["q"], now=due + timedelta(seconds=waited))[0]
        if n == 4:
            service.snooze(item, 1, now=due + timedelta(seconds=101))
            promote.run("default", due + timedelta(seconds=103))
            item = service.claim(1, queues=["q"], now=due + timedelta(seconds=150))[0]
        service.mark_completed(item, now=now)
    found = snapshot.read("default").slow.waits["q"]
    assert (found.number, found.p50_seconds) == (4, 2.5)
    assert 3 < found.p95_seconds < 4


def finished(service: DocumentQueueService, queue: str, waited_seconds: float, at: datetime) -> None:
    due = at - timedelta(seconds=waited_seconds)
    service.enqueue(None, OPERATION, queue=queue, now=due)
    [item] = service.claim(1, queues=[queue], now=at)
    service.mark_completed(item, now=at)


def test_a_quiet_queue_beside_a_busy_one_has_figures_of_its_own_and_is_looked_for_once(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    then = now - timedelta(minutes=20)
    finished(service, "quiet", 7, then)
    total("quiet", then.replace(second=then.second // 10 * 10, microsecond=0), completed=1)
    for _ in range(3):
        finished(service, "busy", 1, now - timedelta(seconds=5))
    total("busy", now - timedelta(seconds=5), completed=3)
    monkeypatch.setattr("docqueue.waited.SAMPLE", 3)
    monkeypatch.setattr("docqueue.waited.ENOUGH", 2)
    asked: list[str] = []
    run = store.run
    monkeypatch.setattr(
        "docqueue.waited.store.run", lambda using, name, params: (asked.append(name), run(using, name, params))[1]
    )

    first = snapshot.read("default")
    again = snapshot.read("default", first.slow, anew=True)

    assert set(first.slow.waits) == {"quiet", "busy"}
    assert (first.slow.waits["quiet"].number, first.slow.waits["quiet"].p50_seconds) == (1, pytest.approx(7))
    assert again.slow.waits["quiet"] == first.slow.waits["quiet"]
    assert asked.count("queue_waits") == 1
    finished(service, "quiet", 9, now)
    total("quiet", now, completed=1)
    finished(service, "busy", 1, now + timedelta(seconds=1))
    assert snapshot.read("default", again.slow, anew=True).slow.waits["quiet"].number == 2


def test_what_callers_and_the_reaper_let_die_is_counted_and_nothing_twice(service: DocumentQueueService) -> None:
    now = datetime.now(UTC)
    for minutes in (0, 10, 90):  # by a caller: nobody tells the totals
        died = now - timedelta(minutes=minutes)
        service.enqueue(None, OPERATION, queue="a", now=died)
        [item] = service.claim(1, queues=["a"], now=died)
        service.mark_failed(item, "no", code="no", retryable=False, now=died)
    total("a", now, dead=1)  # the first of them was told all the same
    total("b", now - timedelta(minutes=5), dead=4)  # and these were requeued since

    found = snapshot.read("default")

    assert (found.series("a").dead_hour, found.series("a").dead_day) == (2, 3)
    assert (found.series("b").dead_hour, found.series("b").dead_day) == (4, 4)
    assert (found.slow.total.dead_hour, found.slow.total.dead_day) == (6, 7)


def test_causes_with_the_most_deaths_within_a_day_come_first() -> None:
    now = datetime.now(UTC)
    said = {"queue": "q", "operation": OPERATION, "error_code": "no", "error_message": "no", "sample_id": 1}
    moments = dict.fromkeys(("first_at", "last_at", "counted_at"), now)
    for name, number, day in (("old", 900, 0), ("few", 2, 2), ("many", 50, 40), ("gone", 0, 0)):
        FailureGroup.objects.create(fingerprint=name, number=number, hours=[0] * 23 + [day], **said, **moments)
    assert [one.pk for one in snapshot.read("default").slow.causes] == ["many", "few", "old"]


def test_queues_that_nobody_serves_are_told_unless_they_are_paused_or_cron_runs_them(
    service: DocumentQueueService,
) -> None:
    service.enqueue(None, OPERATION, queue="a")
    service.enqueue(None, OPERATION, queue="b")
    service.pause_queue("b")
    assert snapshot.read("default").unserved() == ["a"]
    cron = worker(datetime.now(UTC))
    Worker.objects.filter(pk=cron).update(kind="cron")
    assert snapshot.read("default").unserved() == []


def test_whoever_comes_within_a_second_gets_the_same_snapshot_and_later_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr("docqueue.snapshot.time.monotonic", lambda: clock[0])
    first = snapshot.current("default")
    clock[0] += 0.9
    assert snapshot.current("default") is first
    clock[0] += 0.2
    second = snapshot.current("default")
    assert second is not first
    assert second.slow is first.slow, "what changes slowly is read every five seconds"
    clock[0] += 5
    assert snapshot.current("default").slow is not first.slow


def test_where_reading_takes_long_it_is_done_for_a_fifth_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("docqueue.snapshot.time.monotonic", lambda: clock[0])
    read = snapshot.read

    def slowly(using: str, slow: snapshot.Slow | None = None, *, anew: bool = False) -> snapshot.Snapshot:
        clock[0] += 0.5
        return read(using, slow, anew=anew)

    monkeypatch.setattr(snapshot, "read", slowly)
    first = snapshot.current("default")
    clock[0] += 2.4
    assert snapshot.current("default") is first
    clock[0] += 0.2
    assert snapshot.current("default") is not first


@pytest.mark.django_db(transaction=True)
def test_fifty_threads_that_look_at_once_ask_the_database_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    execute = CursorWrapper.execute

    def counting(self: CursorWrapper, sql: str, params: object = None) -> object:
        asked.append(sql)
        return execute(self, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", counting)
    snapshot.read("default")
    once = len(asked)
    asked.clear()
    monkeypatch.setattr("docqueue.snapshot.FRESH_SECONDS", 600.0)
    found: list[object] = []

    def look() -> None:
        found.append(snapshot.current("default"))
        connections["default"].close()

    threads = [threading.Thread(target=look) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
    assert 0 < len(asked) <= once


def test_one_who_reads_keeps_nobody_waiting_who_has_an_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = snapshot.Shared("default")
    first = shared.get()
    monkeypatch.setattr("docqueue.snapshot.FRESH_SECONDS", 0.0)
    shared._took = 0.0
    with shared._lock:  # somebody reads
        assert shared.get() is first
    assert shared.get() is not first


def test_when_the_database_fails_the_next_one_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(stats, "read", lambda using: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            snapshot.current("default")
    assert snapshot.current("default").stats.queues == {}


LOAD = """
insert into docqueue_finished_total (queue, at, worker_id, completed)
select 'q' || q, now() - make_interval(secs => 10 * n), w, 1
from generate_series(1, 5) q, generate_series(1, 400) n, generate_series(1, 5) w
union all
select 'q' || q, date_trunc('hour', now()) - make_interval(hours => n), 0, 1
from generate_series(1, 5) q, generate_series(3, 2000) n
"""


def test_what_ended_is_read_by_an_index_and_only_of_the_last_day() -> None:
    with connection.cursor() as cursor:
        cursor.execute(LOAD)
        cursor.execute("analyze docqueue_finished_total")
        cursor.execute("explain (analyze, costs off) " + store.sql("snapshot_ended"), {"now": None})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "docqueue_finished_total_once" in plan
    assert "Seq Scan" not in plan, plan


@pytest.mark.parametrize(
    ("statement", "index", "params"),
    [
        ("snapshot_waits", "finished_at_id", {"limit": 2000}),
        ("queue_waits", "finished_at_id", {"queue": "q", "buckets": 6, "looked_at": 2000}),
        ("snapshot_dead", "docqueue_item_dead", {"limit": 50_000}),
    ],
)
def test_the_newest_that_ended_are_read_along_an_index(
    service: DocumentQueueService, statement: str, index: str, params: dict[str, Any]
) -> None:
    service.mark_completed(service.mark_in_progress(service.enqueue(None, OPERATION)))
    with connection.cursor() as cursor:
        cursor.execute("set local enable_seqscan = off")  # the tables are tiny here
        cursor.execute("set local enable_bitmapscan = off")
        cursor.execute("explain " + store.sql(statement), {"now": None, **params})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert index in plan
    assert "Seq Scan" not in plan
