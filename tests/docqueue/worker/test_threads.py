"""Handlers that share a process: side by side in it, and what force and crashes do to neighbours."""

from __future__ import annotations

import json
import time
from collections import deque
from pathlib import Path

import pytest

from docqueue import outcomes
from docqueue.items import ClaimedItem
from docqueue.models import Attempt, HistoryItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.worker import limits
from docqueue.worker.buffer import Buffer
from docqueue.worker.pool import ProcessPool
from docqueue.worker.threads import NEIGHBOUR
from tests.docqueue.helpers import past, until
from tests.docqueue.worker.pools import MakePool, news_of, run, work
from tests.docqueue.worker.processes import Manage, completed, effects_once, marks, uncharged


@pytest.fixture
def make_threads(make_pool: MakePool):
    """Makes a pool with one process, and one with so many threads."""

    def make(threads: int) -> ProcessPool:
        pool = make_pool(1)
        pool.threads = threads
        pool.start()
        return pool

    return make


def wait(file: Path, seconds: float, **fields):
    return work("test.wait", {"file": str(file), "seconds": seconds}, **fields)


def die(file: Path, count: int):
    return work("test.wait_and_die", {"file": str(file), "count": count})


def all_started(file: Path, count: int) -> None:
    until(lambda: sum(line[1] == "start" for line in marks(file)) == count)


def test_they_run_side_by_side_in_one_process_and_others_in_one_of_their_own(make_threads, tmp_path: Path) -> None:
    pool = make_threads(4)
    items = [wait(tmp_path / "marks", 0.5) for _ in range(8)]
    alone = work("test.look")
    began = time.monotonic()
    found = run(pool, [alone, *items])
    assert time.monotonic() - began < 1.0 + 1.0
    places = [tuple(json.loads(found[i.id].result)) for i in items]
    assert len({pid for pid, _ in places}) == 1
    assert len({thread for _, thread in places}) == 4
    assert int(found[alone.id].result) not in {pid for pid, _ in places}


def test_without_threads_they_run_as_all_do(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(1)
    first, second = wait(tmp_path / "marks", 0), work("test.look")
    found = run(pool, [first, second])
    assert str(pool.children[0].process.pid) in found[first.id].result
    assert found[second.id].result == str(pool.children[0].process.pid)


def test_one_that_overruns_is_ended_when_its_neighbours_are_done(make_threads, tmp_path: Path) -> None:
    pool = make_threads(3)
    file = tmp_path / "marks"
    overruns, neighbour = wait(file, 60, timeout_seconds=0.3), wait(file, 1.0)
    pool.feed(deque([overruns, neighbour]), 1)
    all_started(file, 2)
    pids = {c.process.pid for c in pool.children if c.threaded}
    began = time.monotonic()
    reports = {r.item.id: r.outcome for r in news_of(pool, 2)}
    assert reports[overruns.id].code == "timed_out"
    assert isinstance(reports[neighbour.id], outcomes.Completed)
    assert time.monotonic() - began < 0.3 + 1.0 + 1
    assert run(pool, [wait(file, 0)]), "there is a new process for them"
    assert {c.process.pid for c in pool.children if c.threaded}.isdisjoint(pids)


def test_neighbours_that_take_longer_than_the_grace_are_released_uncharged_with_the_cause(
    make_threads, tmp_path: Path, settings
) -> None:
    settings.DOCQUEUE = {"GRACE_SECONDS": 0.5}
    pool = make_threads(2)
    file = tmp_path / "marks"
    overruns, neighbour = wait(file, 60, timeout_seconds=0.3), wait(file, 60)
    pool.feed(deque([overruns, neighbour]), 1)
    all_started(file, 2)
    reports = {r.item.id: r.outcome for r in news_of(pool, 2)}
    assert reports[overruns.id].code == "timed_out"
    assert reports[neighbour.id] == outcomes.Released(cause=NEIGHBOUR)


def test_nothing_new_starts_where_somebody_has_to_be_ended(make_threads, tmp_path: Path) -> None:
    pool = make_threads(2)
    file = tmp_path / "marks"
    pool.feed(deque([wait(file, 60, timeout_seconds=0.2), wait(file, 1.5)]), 1)
    all_started(file, 2)
    old = {c.process.pid for c in pool.children if c.threaded}
    until(lambda: pool.enforce(time.monotonic()) is not None and any(c.ended_for for c in pool.children))
    pool.start()
    later = wait(file, 0)
    found = run(pool, [later])
    assert json.loads(found[later.id].result)[0] not in old, "it did not wait for them either"


def test_when_a_shared_process_dies_nobody_is_charged_and_each_is_to_run_alone(make_threads, tmp_path: Path) -> None:
    pool = make_threads(2)
    file = tmp_path / "marks"
    killer, innocent = die(file, 2), wait(file, 60)
    pool.feed(deque([killer, innocent]), 1)
    for report in news_of(pool, 2):
        assert report.outcome.suspect
        assert (report.outcome.cause.code, "2 items" in report.outcome.cause.message) == ("shared_process_died", True)


def test_alone_in_its_process_a_killer_is_charged(make_threads, tmp_path: Path) -> None:
    pool = make_threads(2)
    killer = die(tmp_path / "marks", 1)
    pool.feed(deque([killer]), 1)
    (report,) = news_of(pool, 1)
    assert isinstance(report.outcome, outcomes.Crashed)


def test_a_deaf_thread_is_killed_after_its_patience(make_threads, tmp_path: Path, settings, monkeypatch) -> None:
    monkeypatch.setattr(limits, "KILL_AFTER_SECONDS", 0.5)
    pool = make_threads(2)
    item = wait(tmp_path / "marks", 60, timeout_seconds=0.3)
    pool.feed(deque([item]), 1)
    began = time.monotonic()
    (report,) = news_of(pool, 1)
    assert report.outcome.code == "timed_out"
    assert time.monotonic() - began < 3


def test_a_worn_process_is_replaced_when_all_its_threads_are_done(make_threads, tmp_path: Path, settings) -> None:
    settings.DOCQUEUE = {"CHILD_MAX_ITEMS": 3}
    pool = make_threads(2)
    items = [wait(tmp_path / "marks", 0.01) for _ in range(30)]
    found = run(pool, items)
    assert len(found) == 30
    assert 3 <= len({json.loads(o.result)[0] for o in found.values()}) <= 10


@pytest.mark.django_db(transaction=True)
def test_a_worker_with_threads_runs_waiting_items_side_by_side_each_with_its_effect_once(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    payload = {"file": str(tmp_path / "marks"), "seconds": 0.5, "effect": True}
    ids = service.enqueue_many([NewItem(operation="test.wait", payload=payload) for _ in range(16)])
    plain = service.enqueue(None, "test.noop").id
    worker = manage.worker("--processes", 1, "--threads", 8)
    until(lambda: completed() == 17, 15)
    stamps = sorted(float(line[3]) for line in marks(tmp_path / "marks"))
    assert stamps[-1] - stamps[0] < 4, "one after the other they take eight seconds"
    effects_once(ids)
    uncharged([*ids, plain])
    assert len({r[0] for r in HistoryItem.objects.filter(id__in=ids).values_list("result", flat=True)}) == 1
    assert worker.stop() == 0


@pytest.mark.django_db(transaction=True)
def test_a_killer_among_threads_ends_dead_and_its_neighbours_complete_uncharged(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    file = str(tmp_path / "marks")
    killer = service.enqueue(None, "test.wait_and_die", payload={"file": file, "count": 1}).id
    waiting = [NewItem(operation="test.wait", payload={"file": file, "seconds": 0.2}) for _ in range(10)]
    ids = service.enqueue_many(waiting)
    manage.worker("--processes", 1, "--threads", 4, DOCQUEUE_RETRY_BASE_SECONDS=0.1)
    until(lambda: completed() == 10 and service.get_status(killer) == "dead", 30)
    uncharged(ids)
    causes = set(Attempt.objects.filter(item_id__in=ids).values_list("outcome", "code"))
    assert causes <= {("interrupted", "shared_process_died")}
    assert all(past(i) for i in ids)


def test_where_all_fall_silent_at_once_nobody_is_charged_and_each_is_suspected(make_threads, tmp_path: Path) -> None:
    pool = make_threads(3)
    file = tmp_path / "marks"
    closer, *others = work("test.wait_and_close", {"file": str(file), "count": 3}), wait(file, 60), wait(file, 60)
    pool.feed(deque([*others, closer]), 1)
    found = [r.outcome for r in news_of(pool, 3)]
    assert [(type(o), o.suspect, o.cause.code) for o in found] == [(outcomes.Released, True, "shared_process_died")] * 3


def test_a_line_that_is_not_served_is_handed_back_though_others_are(make_threads, tmp_path: Path) -> None:
    buffer = Buffer(apart=True)
    stuck, quick = wait(tmp_path / "marks", 60), [work("test.look") for _ in range(3)]
    buffer.append([stuck, *quick])

    def feed(queue: str, line: deque[ClaimedItem], *, spare: bool) -> int:
        return 0 if line[0] is stuck else bool(line.popleft())

    for now in (10.0, 10.6, 11.2):
        buffer.hand_out(feed, now)
        assert buffer.overdue(now - 1.0) == ([stuck] if now > 11 else [])
    assert len(buffer) == 0
    buffer.append([stuck])
    buffer.hand_out(feed, 99.0)
    assert buffer.overdue(98.0) == [], "its time begins anew"


def test_one_whose_thread_has_ended_is_charged_and_its_neighbours_finish(make_threads, tmp_path: Path) -> None:
    pool = make_threads(3)
    file = tmp_path / "marks"
    leaver, neighbour = work("test.wait_and_leave", {"file": str(file)}), wait(file, 1.0)
    pool.feed(deque([neighbour, leaver]), 1)
    reports = {r.item.id: r.outcome for r in news_of(pool, 2)}
    assert isinstance(reports[neighbour.id], outcomes.Completed)
    assert isinstance(reports[leaver.id], outcomes.Crashed)
    assert run(pool, [wait(file, 0)])


def test_what_waits_for_a_thread_does_not_keep_a_process_idle(make_threads, tmp_path: Path) -> None:
    pool = make_threads(1)
    buffer = Buffer(apart=True)
    busy, waiting = wait(tmp_path / "marks", 60), wait(tmp_path / "marks", 60)
    plain = [work("test.look") for _ in range(3)]
    buffer.append([busy, waiting, *plain])
    ended = []
    deadline = time.monotonic() + 10
    while len(ended) < 3:
        assert time.monotonic() < deadline
        buffer.hand_out(lambda queue, line, *, spare: pool.feed(line, 1, spare=spare))
        ended += pool.collect(0.05)[0]
    assert {report.item.id for report in ended} == {item.id for item in plain}
    assert len(buffer) == 1
