"""What was handed to a child behind a slow item comes back, runs elsewhere, and never twice."""

from __future__ import annotations

import random
import time
from collections import deque

import psutil

from docqueue import outcomes
from tests.docqueue.helpers import until
from tests.docqueue.worker.pools import MakePool, news_of, run, slow, work
from tests.docqueue.worker.processes import alive, marks


def test_items_behind_a_slow_one_come_back_and_the_child_goes_on_with_others(make_pool: MakePool, tmp_path) -> None:
    pool = make_pool(1)
    file = tmp_path / "marks"
    first = slow(file, 1.0)
    behind = [work("test.linger", {"file": str(file), "seconds": 0}) for _ in range(5)]
    assert pool.feed(deque([first, *behind]), 10) == 6
    back, news = [], []
    deadline = time.monotonic() + 10
    while not back and time.monotonic() < deadline:
        news += pool.collect(0.05)[0]
        back += pool.enforce(time.monotonic())
    assert [i.id for i in back] == [i.id for i in behind]
    assert pool.in_hand() == [first]
    later = [work("test.echo") for _ in range(3)]
    pool.feed(deque(later), 4)  # given while the slow one runs: these come back, too
    news += news_of(pool, 1)
    assert [r.item.id for r in news] == [first.id]
    assert pool.held() == 0
    assert list(run(pool, later, window=4)) == [i.id for i in later]
    assert {line[0] for line in marks(file)} == {str(first.id)}, "nothing that came back was started"


def test_whatever_is_taken_back_at_whatever_moment_each_item_runs_once(make_pool: MakePool) -> None:
    pool = make_pool(2)
    items = [work("test.noop") for _ in range(3000)]
    buffer, done, taken = deque(items), [], 0
    chance = random.Random(7)
    deadline = time.monotonic() + 60
    while len(done) < len(items) and time.monotonic() < deadline:
        pool.feed(buffer, 60)
        for child in pool.children:
            if chance.random() < 0.3:
                back = child.take_back()
                taken += len(back)
                buffer.extendleft(reversed(back))
        news, unstarted = pool.collect(0.01)
        assert not unstarted
        done += [r.item.id for r in news]
    assert sorted(done) == [i.id for i in items]
    assert taken > 100
    assert pool.held() == 0


def test_a_supervisor_never_waits_for_a_child_that_is_at_an_item(make_pool: MakePool, tmp_path) -> None:
    pool = make_pool(1)
    first = slow(tmp_path / "marks", 30)
    pool.feed(deque([first]), 2)
    big = deque(work("test.echo", {"text": f"{n:0200000}"}) for n in range(20))
    small = deque(work("test.echo", {"text": f"{n:02000}"}) for n in range(200))
    began = time.monotonic()
    pool.feed(big, 100)
    pool.feed(small, 300)
    for _ in range(1000):
        pool.cancel(first.id, time.monotonic())
    assert time.monotonic() - began < 5
    assert len(big) == 20
    assert 0 < len(small) < 200


def test_stopping_gives_unstarted_items_back_at_once_and_lets_the_running_one_finish(
    make_pool: MakePool, tmp_path
) -> None:
    pool = make_pool(1)
    file = tmp_path / "marks"
    first, behind = slow(file, 0.5), work("test.echo")
    pool.feed(deque([first, behind]), 5)
    while not marks(file):
        pool.collect(0.02)
    child = psutil.Process(pool.children[0].process.pid)
    assert pool.stop() == [behind]
    news = news_of(pool, 1)
    assert [(r.item.id, r.outcome) for r in news] == [(first.id, outcomes.Completed())]
    until(lambda: not alive(child), 5)


def test_a_cancelled_item_that_has_not_started_is_not_started(make_pool: MakePool, tmp_path) -> None:
    pool = make_pool(1)
    first, behind = slow(tmp_path / "marks", 0.2), work("test.echo")
    pool.feed(deque([first, behind]), 5)
    pool.cancel(behind.id, time.monotonic())
    found = {r.item.id: r.outcome for r in news_of(pool, 2)}
    assert found[behind.id] == outcomes.Released()


def test_a_child_is_replaced_after_its_items_without_losing_one(make_pool: MakePool, settings) -> None:
    settings.DOCQUEUE = {"CHILD_MAX_ITEMS": 10}
    pool = make_pool(1)
    items = [work("test.look") for _ in range(95)]
    found = run(pool, items, window=40)
    assert sorted(found) == [i.id for i in items]
    pids = {found[i.id].result for i in items}
    assert len(pids) == 10
