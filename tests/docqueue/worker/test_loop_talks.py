"""The work loop and its two talks with the database: what is under way is neither lost nor taken for unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from docqueue import claiming, outcomes
from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.worker.loop import WorkLoop
from docqueue.worker.protocol import Report
from docqueue.worker.talk import Answer, Appetite, Request, Talk
from tests.docqueue.helpers import worker
from tests.docqueue.worker.loops import drain, drive, make_loop
from tests.docqueue.worker.processes import completed

pytestmark = pytest.mark.django_db(transaction=True)


class Slow:
    """A talker whose answers arrive when the test says so."""

    listening = False
    wake: list[int] = []

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        self.held = False

    def submit(self, request: Request) -> None:
        self.requests.append(request)
        self.answers.append(self.talk(request))

    def take(self) -> Answer | None:
        return self.answers.pop(0) if self.answers and not self.held else None

    def heard(self) -> set[str]:
        return set()

    def broken(self) -> None:
        return None

    def hurry(self) -> None:
        """It is in no hurry."""

    def close(self) -> None:
        """Nothing to close."""


class AtOnce:
    """A lender that does what it is lent at once, in the caller's thread."""

    def __init__(self) -> None:
        self.lent = 0

    def reserve(self) -> bool:
        return True

    def lend(self, work: Callable[[], None]) -> None:
        self.lent += 1
        work()

    def is_alive(self) -> bool:
        return True


def slow_loop(lender: AtOnce | None = None) -> tuple[WorkLoop, list[Slow]]:
    talkers: list[Slow] = []

    def make(talk: Talk) -> Slow:
        talkers.append(Slow(talk))
        return talkers[-1]

    return make_loop(make_talker=make, lender=lender), talkers


def test_a_stop_waits_for_a_claim_that_is_on_its_way_and_hands_it_back(service: DocumentQueueService) -> None:
    service.enqueue_many([NewItem(operation="test.noop") for _ in range(5)])
    loop, talkers = slow_loop()
    talkers[0].held = True
    loop.tick()
    assert QueueItem.objects.filter(status="in_progress").exists(), "claimed, and the loop does not know yet"
    loop.stop()
    assert loop.busy()
    assert not loop.in_hand()
    talkers[0].held = False
    drive(loop, lambda: not loop.busy())
    assert set(QueueItem.objects.values_list("status", "attempt", "suspect")) == {("pending", 0, False)}


def test_what_ends_while_the_claimer_is_talking_is_written_by_the_scribe(
    service: DocumentQueueService, settings: Any
) -> None:
    settings.DOCQUEUE = {"BATCH_SIZE": 5}
    service.enqueue_many([NewItem(operation="test.noop") for _ in range(30)])
    lender = AtOnce()
    loop, talkers = slow_loop(lender)
    drive(loop, lambda: len(loop.buffer) + loop.pool.held() >= 5)
    talkers[0].held = True
    loop.buffer.append(claiming.claim("default", loop.worker, ["default"], 10))  # it holds some when the talk begins
    drive(loop, lambda: loop.talks.claimer.under_way is not None)
    before = completed()
    drive(loop, lambda: completed() >= before + 5)
    assert talkers[0].answers, "still at its talk"
    assert lender.lent
    talkers[0].held = False
    drain(loop)
    assert completed() == 30
    assert loop.tally.completed == 30


def test_where_other_workers_live_there_is_no_scribe(service: DocumentQueueService, settings: Any) -> None:
    settings.DOCQUEUE = {"BATCH_SIZE": 5}
    service.enqueue_many([NewItem(operation="test.noop") for _ in range(30)])
    worker(None)
    lender = AtOnce()
    loop, talkers = slow_loop(lender)
    drive(loop, lambda: len(loop.buffer) + loop.pool.held() >= 5)
    talkers[0].held = True
    loop.buffer.append(claiming.claim("default", loop.worker, ["default"], 10))
    drive(loop, lambda: loop.talks.claimer.under_way is not None and not loop.buffer and not loop.pool.held())
    assert len(loop.results.waiting) >= 5
    assert not lender.lent
    talkers[0].held = False
    drain(loop)
    assert completed() == 30


def test_what_is_being_written_is_known_to_be_ours(service: DocumentQueueService) -> None:
    service.enqueue_many([NewItem(operation="test.noop") for _ in range(5)])
    loop, _ = slow_loop()
    items = claiming.claim("default", loop.worker, ["default"], 5)
    for item in items:
        loop.results.add(Report(item=item, outcome=outcomes.Completed(), seconds=0.1))
    taken = loop.results.take()
    assert loop._known() == {(i.id, i.claim_token) for i in items}
    assert len(loop.results) == 5
    newer = items[0]._replace(claim_token=7)
    loop.buffer.append([newer])  # claimed again before the first answer came: both are known
    loop.results.written(taken, [(report, None) for report in taken[1:]])
    assert loop._known() == {(newer.id, 7), (items[0].id, items[0].claim_token)}
    assert loop.results.waiting == [taken[0]]


def test_a_queue_of_which_we_hold_items_has_its_share_though_its_lane_is_empty() -> None:
    appetite = Appetite(size=2, held={"fast": 900, "slow": 1}, pace={"fast": 0.0001, "slow": 2.0})
    assert appetite.wanted("slow", ["slow"]) == 0
    assert Appetite(size=2, held={"fast": 0, "slow": 1}, pace={"slow": 2.0}).wanted("slow", ["slow"]) == 1
