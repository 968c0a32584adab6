"""The scribe: a talk beside the claimer's, in the duties' thread and on their connection."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from docqueue import claiming, duties, outcomes
from docqueue.models import HistoryItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status
from docqueue.worker.duties import Duties
from docqueue.worker.lanes import Lanes
from docqueue.worker.protocol import Report
from docqueue.worker.scribe import Scribe
from docqueue.worker.talk import Answer, Request, Talk
from tests.docqueue.helpers import rows, until, worker
from tests.docqueue.worker.processes import Manage, completed

pytestmark = pytest.mark.django_db(transaction=True)
MakeDuties = Callable[[], Duties]


@pytest.fixture
def make_duties() -> Iterator[MakeDuties]:
    made: list[Duties] = []

    def make() -> Duties:
        made.append(Duties("default", lambda: True))
        made[-1].start()
        return made[-1]

    yield make
    for thread in made:
        thread.stop()


def make_scribe(lender: Duties, me: int) -> Scribe:
    return Scribe(Talk("default", me, Lanes("default")), lender)


def written(scribe: Scribe, ended: list[Report]) -> Answer:
    found: list[Answer] = []
    until(scribe.reserve)
    scribe.submit(Request(ended=ended))
    until(lambda: bool(found.extend(filter(None, [scribe.take()])) or found))
    return found[0]


def test_it_writes_on_the_duties_connection_and_again_when_that_broke(
    make_duties: MakeDuties, service: DocumentQueueService
) -> None:
    lender, me = make_duties(), worker(None)
    scribe = make_scribe(lender, me)
    ids = [service.enqueue(None, "test.noop").id for _ in range(2)]
    first, second = (
        Report(i, outcomes.Completed(result="null"), 0.1) for i in claiming.claim("default", me, ["default"], 2)
    )
    assert [status for _, status in written(scribe, [first]).settled] == [Status.COMPLETED]
    others = "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    assert len(rows(others)) == 1
    rows(f"select pg_terminate_backend(pid) from ({others}) o")
    until(lambda: written(scribe, [second]).error is None)
    assert sorted(HistoryItem.objects.values_list("id", flat=True)) == ids
    scribe.close()
    scribe.close()


def test_while_a_duty_is_under_way_nothing_is_lent_and_no_duty_starves(make_duties: MakeDuties) -> None:
    go_on, at_it, runs = threading.Event(), threading.Event(), []

    def slow(using: str) -> int:
        runs.append(using)
        at_it.set()
        go_on.wait(20)
        return 0

    duties.duty("test.slow", every_seconds=0.1)(slow)
    try:
        lender = make_duties()
        scribe = make_scribe(lender, worker(None))
        assert at_it.wait(20)
        assert not scribe.reserve()
        go_on.set()
        while len(runs) < 3:
            assert written(scribe, []).error is None
    finally:
        go_on.set()
        duties.forget("test.slow")


def test_a_thread_that_has_ended_is_not_waited_for(make_duties: MakeDuties) -> None:
    lender = make_duties()
    scribe = make_scribe(lender, worker(None))
    until(lender.reserve)
    lender.stop()
    scribe._busy = True  # as if it had been lent just before
    with pytest.raises(RuntimeError, match="has ended"):
        scribe.take()
    assert not scribe.reserve()
    scribe.close()


def test_a_busy_worker_has_three_connections_and_one_for_each_child(
    manage: Manage, service: DocumentQueueService
) -> None:
    service.enqueue_many([NewItem(operation="test.noop") for _ in range(20_000)])
    most, sql = 0, "select count(*) as n from pg_stat_activity where datname = current_database()"
    running = manage("run_queue_worker", "--drain", "--processes", 2)
    while running.popen.poll() is None:
        most = max(most, rows(sql)[0]["n"] - 1)
    assert most <= 3 + 2
    assert completed() == 20_000


def test_what_it_completes_lets_children_go_at_once(service: DocumentQueueService) -> None:
    me = worker(None)
    parent = service.enqueue(None, "test.noop")
    child = service.enqueue(None, "test.noop", after=[parent])
    [claimed] = claiming.claim("default", me, ["default"], 1)
    talk = Talk("default", me, Lanes("default"))
    answer = talk(Request(ended=[Report(claimed, outcomes.Completed(result="null"), 0.1)], dependencies=True))
    assert answer.error is None
    assert service.get_status(child) is Status.PENDING
