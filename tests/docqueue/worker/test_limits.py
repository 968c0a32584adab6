"""What a running item may not do: go on after a cancel, fall silent, outgrow its memory. Enforced on real processes."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

import psutil
import pytest

from docqueue import events, outcomes
from docqueue.worker import limits
from docqueue.worker.memory import rss_bytes
from tests.docqueue.helpers import until
from tests.docqueue.worker.pools import MakePool, news_of, run, slow, work
from tests.docqueue.worker.processes import alive, marks


@pytest.fixture
def heard():
    found: list[events.Event] = []
    listen = found.append
    events.subscribe(listen)
    yield found
    events.unsubscribe(listen)


def a_run(operation: str = "test.noop", **fields) -> limits.Run:
    return limits.Run(item=work(operation, timeout_seconds=60.0), started=1000.0, **fields)


def test_within_its_limits_nothing_is_done_about_a_run():
    assert limits.judge(a_run(), 1059.9) is None
    assert limits.judge(a_run("no.such.operation"), 1059.9) is None
    assert limits.judge(a_run(), 1060.1).outcome.code == "timed_out"


def test_the_grace_of_a_cancel_begins_when_it_was_asked_for_or_when_the_run_began(settings):
    settings.DOCQUEUE = {"CANCEL_GRACE_SECONDS": 10}
    assert limits.judge(a_run(cancelled_at=1020.0), 1029.9) is None
    verdict = limits.judge(a_run(cancelled_at=1020.0), 1030.1)
    assert (verdict.outcome, verdict.patience) == (outcomes.GivenUp(), limits.CANCEL_PATIENCE_SECONDS)
    assert limits.judge(a_run(cancelled_at=900.0), 1009.9) is None


def test_a_stall_counts_from_what_was_said_last():
    assert not limits.stalled(a_run("test.stalling"), 1000.2)
    assert limits.stalled(a_run("test.stalling"), 1000.4)
    assert not limits.stalled(a_run("test.stalling", said_at=1000.3), 1000.5)
    assert not limits.stalled(a_run(), 1059.0), "this handler has no such limit"


def test_memory_is_judged_by_the_handlers_own_limit_or_the_settings(settings):
    settings.DOCQUEUE = {"MEMORY_MB": 10}
    taken = {"taken_bytes": 11 * limits.MIB}
    assert limits.judge(a_run(**taken), 1001).outcome.code == "out_of_memory"
    assert limits.judge(a_run("test.memory", **taken), 1001) is None, "it may take 64"
    settings.DOCQUEUE = {"MEMORY_MB": 0}
    assert limits.judge(a_run(**taken), 1001) is None


@pytest.mark.parametrize("deaf", [False, True], ids=["that obeys SIGTERM", "that ignores it"])
def test_a_handler_that_never_looks_is_ended_after_the_grace_of_a_cancel(
    make_pool: MakePool, tmp_path: Path, settings, deaf: bool
) -> None:
    settings.DOCQUEUE = {"CANCEL_GRACE_SECONDS": 0.5}
    pool = make_pool(1)
    file = tmp_path / "marks"
    item = work("test.parent", {"file": str(file), "deaf": deaf})
    pool.feed(deque([item]), 1)
    until(lambda: bool(marks(file)))
    asked = time.monotonic()
    pool.cancel(item.id, asked)
    (report,) = news_of(pool, 1)
    assert report.outcome == outcomes.GivenUp()
    assert 0.5 < time.monotonic() - asked < 0.5 + 1
    grandchild = int(marks(file)[0][1])
    until(lambda: not psutil.pid_exists(grandchild) or not alive(psutil.Process(grandchild)), 2)
    assert run(pool, [work("test.echo")])


def test_a_cancel_that_was_asked_for_long_ago_leaves_no_more_grace(
    make_pool: MakePool, tmp_path: Path, settings
) -> None:
    settings.DOCQUEUE = {"CANCEL_GRACE_SECONDS": 30}
    pool = make_pool(1)
    file = tmp_path / "marks"
    item = slow(file, 60)
    pool.feed(deque([item]), 1)
    until(lambda: bool(marks(file)))
    time_of_start = pool.children[0].running()[1]
    pool.cancel(item.id, time_of_start - 100)
    pool.enforce(time_of_start + 29)
    assert pool.children[0].ended_for is None
    pool.enforce(time_of_start + 31)
    (report,) = news_of(pool, 1)
    assert report.outcome == outcomes.GivenUp()


def test_a_stalled_run_is_told_of_once_and_goes_on(make_pool: MakePool, heard) -> None:
    pool = make_pool(1)
    item = work("test.stalling", {"seconds": 1.2})
    pool.feed(deque([item]), 1)
    (report,) = news_of(pool, 1)
    assert report.outcome == outcomes.Completed()
    [told] = [e for e in heard if e.name == events.EventName.ITEM_STALLED]
    assert told.fields["item_id"] == item.id


def test_a_stalled_run_is_ended_where_its_handler_says_so(make_pool: MakePool) -> None:
    pool = make_pool(1)
    silent, chatty = work("test.stalling_ends"), work("test.chatty")
    found = run(pool, [silent, chatty])
    assert found[silent.id].code == "stalled"
    assert found[chatty.id] == outcomes.Completed()


def test_memory_is_watched_with_all_that_a_handler_has_started(make_pool: MakePool) -> None:
    """No address space limit can see this: three programs, each within it."""
    pool = make_pool(1)
    item = work("test.three_helpers")
    pool.feed(deque([item]), 1)
    child = pool.children[0].process.pid
    (report,) = news_of(pool, 1)
    assert report.outcome.code == "out_of_memory"
    assert not psutil.pid_exists(child)
    assert run(pool, [work("test.echo")])


def test_what_an_earlier_item_left_running_is_not_the_next_ones_memory(make_pool: MakePool) -> None:
    pool = make_pool(1)
    server, modest = work("test.keep_a_server"), work("test.modest")
    found = run(pool, [server, modest])
    assert found == {server.id: outcomes.Completed(), modest.id: outcomes.Completed()}


def test_a_verdict_on_an_item_that_has_ended_meanwhile_is_dropped(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(1)
    file = tmp_path / "marks"
    item = slow(file, 60)
    pool.feed(deque([item]), 1)
    until(lambda: bool(marks(file)))
    late = limits.Verdict(item_id=item.id + 1, outcome=outcomes.GivenUp(), patience=0.0)
    assert pool.children[0].judged(late, time.monotonic()) == []
    assert pool.children[0].ended_for is None


def test_resident_memory_counts_descendants_and_is_nought_for_one_that_is_gone() -> None:
    assert rss_bytes(os.getpid()) >= psutil.Process().memory_info().rss * 0.5
    assert rss_bytes(2**22 + 1) == 0


def test_a_child_that_has_grown_is_replaced_between_two_items(make_pool: MakePool, settings, monkeypatch) -> None:
    settings.DOCQUEUE = {"CHILD_MAX_GROWTH_MB": 50}
    monkeypatch.setattr("docqueue.worker.executor.WARM_ITEMS", 1)
    pool = make_pool(1)
    items = [work("test.grow", {"mb": mb}) for mb in (0, 80, 0, 0)]  # seen when the next item begins
    found = run(pool, items)
    pids = [found[item.id].result for item in items]
    assert pids[0] == pids[1] == pids[2] != pids[3]


def test_an_old_child_is_replaced_even_when_it_never_rests_and_no_item_is_lost(make_pool: MakePool, settings) -> None:
    settings.DOCQUEUE = {"CHILD_MAX_SECONDS": 0.3}
    pool = make_pool(1)
    items, pids = [], set()
    until_then = time.monotonic() + 1.5
    while time.monotonic() < until_then:
        some = [work("test.look") for _ in range(50)]
        found = run(pool, some, window=10)
        pids |= {found[i.id].result for i in some}
        items += some
    assert 3 <= len(pids) <= 8, pids


def test_the_number_of_children_can_be_changed_and_what_had_not_started_comes_back(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = make_pool(3)
    file = tmp_path / "marks"
    items = [slow(file, 60) for _ in range(3)]
    pool.feed(deque(items), 1)
    until(lambda: len(marks(file)) == 3)
    behind = work("test.noop")
    pool.children[0].give([behind])
    assert pool.resize(1) == []
    assert [c.retiring for c in pool.children].count(False) == 1
    assert not pool.children[0].retiring, "those with least in their hands go"
    assert pool.resize(0) == []
    assert pool.size == 1
    pool.resize(2)
    assert [c.retiring for c in pool.children].count(False) == 2
    assert run(pool, [work("test.noop")]), "the new one works"


def test_what_each_child_is_at_can_be_shown(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(2)
    file = tmp_path / "marks"
    item = slow(file, 60)
    pool.feed(deque([item]), 1)
    until(lambda: bool(marks(file)))
    pool.enforce(time.monotonic())
    idle, busy = sorted(pool.slots(time.monotonic()), key=len)
    assert set(idle) == {"pid", "rss_mb", "cpu"}
    assert (busy["item_id"], busy["operation"], busy["stalled"]) == (item.id, "test.linger", False)
    assert idle["rss_mb"] > 5
