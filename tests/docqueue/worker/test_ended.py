"""What a worker has seen end reaches the totals: every ten seconds, at its end, and after kill -9 by the compare."""

from __future__ import annotations

from datetime import timedelta

import pytest

from docqueue import events, store
from docqueue.events import EventName
from docqueue.maintenance import totals
from docqueue.models import FinishedTotal, Worker
from docqueue.service import DocumentQueueService
from docqueue.worker.ended import Ended
from tests.docqueue.helpers import in_threads, until
from tests.docqueue.worker.processes import Manage, completed


def told() -> dict[int, int]:
    found: dict[int, int] = {}
    for by, number in FinishedTotal.objects.values_list("worker_id", "completed"):
        found[by] = found.get(by, 0) + number
    return found


@pytest.mark.django_db
def test_counts_are_kept_per_queue_and_ten_seconds_and_written_once() -> None:
    ended = Ended()
    ended.worker = 7
    for word, number in {"completed": 3, "cancelled": 1, "dead": 1, "retried": 9, "lost": 9}.items():
        ended.add("a", word, number)
    ended.add("a", "completed", 2)
    ended.add("b", "completed", 1)
    assert ended.write("default") in (2, 3, 4)
    assert ended.write("default") == 0
    sums = [0, 0, 0]
    for row in FinishedTotal.objects.filter(queue="a").values_list("completed", "cancelled", "dead"):
        sums = [a + b for a, b in zip(sums, row, strict=True)]
    assert sums == [5, 1, 1]
    assert told() == {7: 6}


@pytest.mark.django_db(transaction=True)
def test_what_could_not_be_written_is_kept_for_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = Ended()
    ended.worker = 7
    ended.add("a", "completed", 3)
    with pytest.raises(Exception, match="nowhere"):
        ended.write("nowhere")
    ended.add("a", "completed", 2)
    assert ended.write("default") >= 1
    assert told() == {7: 5}


@pytest.mark.django_db
def test_without_a_worker_nothing_is_kept() -> None:
    ended = Ended()
    ended.add("a", "completed", 3)
    assert ended.write("default") == 0


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_between_those_that_add_and_the_one_that_writes() -> None:
    ended = Ended()
    ended.worker = 7

    def work(number: int) -> None:
        for _ in range(300):
            if number:
                ended.add("a", "completed", 1)
            else:
                ended.write("default")

    in_threads(4, work)
    ended.write("default")
    assert told() == {7: 900}


def test_workers_that_end_in_good_order_have_told_all(manage: Manage, service: DocumentQueueService) -> None:
    for _ in range(20):
        service.enqueue(None, "test.effect")
    workers = [manage.worker("--drain") for _ in range(2)]
    for one in workers:
        assert one.wait(60) == 0
    assert sum(told().values()) == 20
    assert set(told()) <= set(Worker.objects.values_list("id", flat=True))
    assert service.get_queue_stats().total.completed == 20


def test_kill_9_loses_the_last_ten_seconds_of_counts_until_the_compare_mends_them(
    manage: Manage, service: DocumentQueueService
) -> None:
    for _ in range(20):
        service.enqueue(None, "test.effect")
    worker = manage.worker()
    until(lambda: completed() == 20, 60)
    worker.kill()
    told_before = sum(told().values())
    assert service.get_queue_stats().total.completed == 20, "the history is asked for what was not compared yet"

    heard: list[events.Event] = []
    events.subscribe(heard.append, lambda name, _level: name is EventName.TOTALS_DRIFTED)
    try:
        totals.compare("default", store.clock("default") + timedelta(seconds=90))
    finally:
        events.unsubscribe(heard.append)
    assert sum(told().values()) == 20 == service.get_queue_stats().total.completed
    assert sum(event.fields["completed"] for event in heard) == 20 - told_before
