"""Executor processes: what handlers may do to them, and what becomes of the items in their hands."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from pathlib import Path

import psutil
import pytest

from docqueue import outcomes
from docqueue.items import ClaimedItem
from docqueue.worker import limits
from docqueue.worker.protocol import ProgressReport, Report
from tests.docqueue.helpers import rows, until
from tests.docqueue.worker.pools import MakePool, news_of, run, slow, work
from tests.docqueue.worker.processes import alive, marks


def test_a_killed_child_charges_its_running_item_and_nobody_else(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(2)
    file = tmp_path / "marks"
    first, behind = slow(file, 30), [work("test.echo") for _ in range(3)]
    pool.feed(deque([first]), 1)
    pool.children[0].give(behind)
    victim = next(c for c in pool.children if first in c.items)
    victim.give([work("test.noop")])
    until(lambda: bool(marks(file)))
    os.kill(victim.process.pid, signal.SIGKILL)
    news, unstarted = [], []
    deadline = time.monotonic() + 10
    while not any(n.item is first for n in news) and time.monotonic() < deadline:
        more, back = pool.collect(0.05)
        news += more
        unstarted += back
    outcome = next(n.outcome for n in news if n.item is first)
    assert isinstance(outcome, outcomes.Crashed)
    assert "SIGKILL" in outcome.message
    assert first not in unstarted
    ended = {n.item.id for n in news} - {first.id}
    assert [n for n in news if n.item is not first and not isinstance(n.outcome, outcomes.Completed)] == []
    assert ended | {i.id for i in unstarted} | {i.id for i in pool.in_hand()} >= {i.id for i in behind}


@pytest.mark.parametrize("deaf", [False, True], ids=["that obeys", "that ignores SIGTERM"])
def test_a_handler_that_overruns_is_ended_with_what_it_started(
    make_pool: MakePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaf: bool
) -> None:
    monkeypatch.setattr(limits, "KILL_AFTER_SECONDS", 0.5)
    pool = make_pool(1)
    file = tmp_path / "marks"
    item = work("test.parent", {"file": str(file), "deaf": deaf}, timeout_seconds=0.5)
    pool.feed(deque([item]), 1)
    began = time.monotonic()
    (report,) = news_of(pool, 1)
    assert isinstance(report.outcome, outcomes.Failed)
    assert (report.outcome.code, report.outcome.outcome) == ("timed_out", "timed_out")
    assert 0.5 < report.seconds < 0.5 + 0.5 + 1
    assert time.monotonic() - began < 5
    grandchild = int(marks(file)[0][1])
    until(lambda: not psutil.pid_exists(grandchild) or not alive(psutil.Process(grandchild)), 2)
    assert run(pool, [work("test.echo")])


def test_what_a_crashed_handler_started_does_not_outlive_it(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(1)
    file = tmp_path / "marks"
    pool.feed(deque([work("test.parent", {"file": str(file)})]), 1)
    until(lambda: bool(marks(file)))
    os.kill(pool.children[0].process.pid, signal.SIGSEGV)
    (report,) = news_of(pool, 1)
    assert isinstance(report.outcome, outcomes.Crashed)
    grandchild = int(marks(file)[0][1])
    until(lambda: not psutil.pid_exists(grandchild) or not alive(psutil.Process(grandchild)), 2)


def test_an_item_that_starts_while_its_child_is_being_ended_for_another_is_not_charged(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = make_pool(1)
    file = tmp_path / "marks"
    item = slow(file, 30)
    pool.feed(deque([item]), 1)
    until(lambda: bool(marks(file)))
    child = pool.children[0]
    child.ended_for = (item.id + 1000, outcomes.Failed(code="timed_out", message="", outcome="timed_out"))
    os.kill(child.process.pid, signal.SIGKILL)
    news, unstarted = [], []

    def told() -> bool:
        more, back = pool.collect(0.05)
        news.extend(more)
        unstarted.extend(back)
        return bool(news or unstarted)

    until(told)
    assert (news, unstarted) == ([], [item])


@pytest.mark.parametrize(
    ("what", "code"),
    [("exit", "exception"), ("unprintable", "exception"), ("nested", "exception"), ("result", "payload_too_large")],
)
def test_a_handler_that_ends_oddly_is_a_failed_attempt_and_no_crash(make_pool: MakePool, what: str, code: str) -> None:
    pool = make_pool(1)
    pid = pool.children[0].process.pid
    item = work("test.raise", {"what": what})
    outcome = run(pool, [item])[item.id]
    assert isinstance(outcome, outcomes.Failed)
    assert outcome.code == code
    after = work("test.look")
    assert run(pool, [after])[after.id] == outcomes.Completed(result=str(pid)), "the same process goes on"


def test_a_copy_that_a_handler_made_by_fork_serves_nobody(make_pool: MakePool) -> None:
    pool = make_pool(1)
    pid = pool.children[0].process.pid
    items = [work("test.leave", {"what": "fork"}), *(work("test.look") for _ in range(20))]
    found = run(pool, items, window=30)
    assert {found[i.id].result for i in items[1:]} == {str(pid)}
    assert not pool.collect(0.2)[0], "each item was reported once"


def test_a_handler_that_closes_every_descriptor_is_noticed_and_ended(make_pool: MakePool) -> None:
    pool = make_pool(1)
    item = work("test.leave", {"what": "closed", "seconds": 60})
    pool.feed(deque([item]), 1)
    cpu = time.process_time()
    (report,) = news_of(pool, 1)
    assert isinstance(report.outcome, outcomes.Crashed)
    assert report.seconds < 5
    assert time.process_time() - cpu < 0.5, "no busy loop over a pipe that is closed"
    assert run(pool, [work("test.echo")])


@pytest.mark.parametrize("what", ["process", "thread"])
def test_what_a_handler_leaves_running_does_not_keep_its_child(
    make_pool: MakePool, settings, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    settings.DOCQUEUE = {"CHILD_MAX_ITEMS": 1}
    monkeypatch.setattr(limits, "KILL_AFTER_SECONDS", 0.3)
    pool = make_pool(1)
    child = psutil.Process(pool.children[0].process.pid)
    item = work("test.leave", {"what": what})
    assert run(pool, [item])[item.id] == outcomes.Completed()
    until(lambda: bool(pool.collect(0.05)) and pool.enforce(time.monotonic()) == [] and not alive(child), 5)
    assert run(pool, [work("test.echo")])


def test_memory_is_limited_for_each_item_and_not_for_the_next(make_pool: MakePool) -> None:
    pool = make_pool(1)
    pid = pool.children[0].process.pid
    greedy, after = work("test.memory"), work("test.surroundings")
    found = run(pool, [greedy, after])
    assert isinstance(found[greedy.id], outcomes.Failed)
    assert found[greedy.id].code == "out_of_memory"
    assert f'"pid":{pid},' in found[after.id].result


def test_a_handler_finds_a_clean_process(make_pool: MakePool) -> None:
    pool = make_pool(1)
    pool.feed(deque([work("test.surroundings")]), 1)
    (report,) = news_of(pool, 1)
    found = __import__("json").loads(report.outcome.result)
    assert found["inherited"] == [], "a program that it starts inherits none of our pipes"
    assert found["group"] == found["pid"]
    assert found["term"] is True
    assert found["blocked"] == []
    assert found["connected"] == [], "no connection crosses a fork"


@pytest.mark.django_db(transaction=True)
def test_a_child_looks_between_items_whether_its_connection_works_and_says_so(
    make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_CHECK_SECONDS", "0.2")
    pool = make_pool(1, "spawn")
    run(pool, [work("test.echo")])
    child = pool.children[0]
    pool.collect(0.5)
    assert child.database == "", "it has not opened one: there is nothing to look at"
    run(pool, [work("test.select")])

    def seen(state: str) -> bool:
        pool.collect(0.05)
        return child.database == state

    until(lambda: seen("ok"))
    assert child.slot_shown(time.monotonic(), 0)["database"] == "ok"
    others = "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    rows(f"select pg_terminate_backend(pid) from ({others}) o")
    until(lambda: seen("down"))
    until(lambda: seen("ok"))

    began = time.monotonic()
    busy = [work("test.sleep", {"seconds": 0.1}) for _ in range(10)]
    child.database = ""
    pool.feed(deque(busy), 10)
    until(lambda: seen("ok"))
    assert child.items, "between two items, not only when it is idle"
    assert time.monotonic() - began < 1.0


def test_when_the_fork_server_dies_nobody_is_charged_and_each_that_ran_is_suspected(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = make_pool(3)
    file = tmp_path / "marks"
    items = [slow(file, 60) for _ in range(3)]
    pool.feed(deque(items), 1)
    until(lambda: len(marks(file)) == 3)
    os.kill(psutil.Process(pool.children[0].process.pid).ppid(), signal.SIGKILL)
    found = [report.outcome for report in news_of(pool, 3)]
    assert [(type(o), o.suspect, o.cause.code) for o in found] == [(outcomes.Released, True, "fork_server_died")] * 3
    pool.start()
    assert run(pool, [work("test.noop")])


def test_a_verdict_about_an_item_that_ends_just_then_does_not_hit_the_next(
    make_pool: MakePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool(1)
    file = tmp_path / "marks"
    first, second = slow(file, 0.2), slow(file, 0.5)
    child = pool.children[0]
    child.give([first, second])
    until(lambda: child.running() is not None and child.running()[0] is first)

    def take_back() -> list[ClaimedItem]:
        """The first ends, and the second begins, just before the tickets are taken."""
        until(lambda: child.running() is not None and child.running()[0] is second)
        return []

    monkeypatch.setattr(child, "take_back", take_back)
    verdict = limits.Verdict(item_id=first.id, outcome=outcomes.Failed(code="timed_out", message=""), patience=1.0)
    assert child.judged(verdict, time.monotonic()) == []
    assert child.ended_for is None
    assert {type(report.outcome) for report in news_of(pool, 2)} == {outcomes.Completed}


def test_the_first_item_of_a_fresh_child_does_not_wait_for_django(make_pool: MakePool) -> None:
    pool = make_pool(1)
    run(pool, [work("test.noop")])
    times = []
    for _ in range(5):
        pool.close()
        began = time.monotonic()
        pool.start()
        run(pool, [work("test.noop")])
        times.append(time.monotonic() - began)
    assert min(times) < 0.1, times


def test_progress_comes_as_it_is_made_with_text_that_a_database_can_store(make_pool: MakePool) -> None:
    pool = make_pool(1)
    pool.feed(deque([work("test.raise", {"what": "progress"})]), 1)
    news: list[Report | ProgressReport] = []
    until(lambda: news.extend(pool.collect(0.05)[0]) or len(news) == 2)
    assert isinstance(news[0], ProgressReport)
    assert (news[0].percent, news[0].message) == (5, "\ufffd?")


def test_the_pool_recovers_from_the_death_of_its_fork_server(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(2)
    file = tmp_path / "marks"
    item = slow(file, 30)
    pool.feed(deque([item]), 1)
    until(lambda: bool(marks(file)))
    os.kill(psutil.Process(pool.children[0].process.pid).ppid(), signal.SIGKILL)
    (report,) = news_of(pool, 1)
    assert isinstance(report.outcome, outcomes.Crashed)
    assert len(run(pool, [work("test.echo") for _ in range(3)])) == 3


def test_children_that_die_at_their_start_are_started_again_with_growing_pauses(make_pool: MakePool) -> None:
    pool = make_pool(2)
    pool.close()
    pool._databases = {"no_such_alias": "x"}
    starts, deadline = 0, time.monotonic() + 1.2
    while time.monotonic() < deadline:
        before = len(pool.children)
        pool.start()
        starts += len(pool.children) - before
        pool.collect(0.05)
    assert 2 <= starts <= 10
    assert pool.failed_starts >= 2
    assert "status 1" in pool.why_failed
    pool._databases = {}
    item = work("test.echo")
    assert item.id in run(pool, [item])
    assert pool.failed_starts == 0
