"""The documented plain loop: look, mark in progress, mark completed or failed; two callers race through it."""

from __future__ import annotations

import threading

import pytest

from docqueue.exceptions import AlreadyClaimed, LeaseLost
from docqueue.models import Attempt, HistoryItem, QueueItem, Worker
from docqueue.service import DocumentQueueService
from tests.docqueue.helpers import OPERATION, NewItemFactory, everything, in_threads

pytestmark = pytest.mark.django_db(transaction=True)


def plain_loop(process, limit: int = 10) -> tuple[int, int]:
    """Work until nothing is pending. Returns how many items this caller got, and how often it was second."""
    service = DocumentQueueService()
    got = second = 0
    while items := service.get_pending_items(limit):
        for item in items:
            try:
                claim = service.mark_in_progress(item)
            except AlreadyClaimed:
                second += 1
                continue
            got += 1
            try:
                process(claim)
            except ValueError as error:
                service.mark_failed(claim, str(error))
            else:
                service.mark_completed(claim)
    return got, second


def test_two_racing_callers_process_each_item_exactly_once(service):
    ids = service.enqueue_many([NewItemFactory(payload={"bad": n % 10 == 0}, max_attempts=1) for n in range(150)])
    processed, lock = [], threading.Lock()

    def process(claim) -> None:
        with lock:
            processed.append(claim.id)
        if claim.payload["bad"]:
            raise ValueError("bad document")

    outcomes = in_threads(2, lambda n: plain_loop(process))
    assert sorted(processed) == ids
    assert sum(got for got, _ in outcomes) == 150
    assert sum(second for _, second in outcomes) > 0, "the callers raced"
    assert HistoryItem.objects.filter(status="completed").count() == 135
    assert QueueItem.objects.filter(status="dead", error_message="bad document").count() == 15
    assert Attempt.objects.count() == 15
    assert not Worker.objects.exists(), "each caller's lease rows went with its items"


def test_the_loser_of_the_race_changes_nothing(service):
    service.enqueue("d", OPERATION, ordering_key=None)
    [item], [same] = service.get_pending_items(1), service.get_pending_items(1)
    claim = service.mark_in_progress(item)
    before = everything(item.id)
    with pytest.raises(AlreadyClaimed):
        service.mark_in_progress(same)
    assert everything(item.id) == before
    service.mark_completed(claim)


def test_a_caller_that_answers_twice_changes_nothing_the_second_time(service):
    service.enqueue("d", OPERATION, ordering_key=None)
    [item] = service.get_pending_items()
    claim = service.mark_in_progress(item)
    service.mark_completed(claim, result={"pages": 1})
    before = everything(claim.id)
    for again in (
        lambda: service.mark_completed(claim, result={"pages": 2}),
        lambda: service.mark_failed(claim, "too late"),
        lambda: service.move_to_dead(claim, "too late"),
        lambda: service.heartbeat(claim),
    ):
        with pytest.raises(LeaseLost):
            again()
        assert everything(claim.id) == before
