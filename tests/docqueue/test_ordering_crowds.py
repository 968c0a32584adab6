"""Many threads on a few ordering keys: a watcher notices two items of one key in hand at once, or out of order."""

from __future__ import annotations

import random
import threading
from collections import defaultdict

import pytest

from docqueue.maintenance import promote
from docqueue.models import HistoryItem, QueueItem
from docqueue.service import NewItem
from tests.docqueue.helpers import OPERATION, all_well, in_threads, worker

pytestmark = pytest.mark.django_db(transaction=True)


class Overlap:
    """Notices when two items of one key are in hand at once, and in which order they were started."""

    def __init__(self) -> None:
        self.busy: dict[str, int] = {}
        self.started: dict[str, list[int]] = defaultdict(list)
        self.faults: list[str] = []
        self._lock = threading.Lock()

    def start(self, claim) -> None:
        with self._lock:
            if claim.ordering_key in self.busy:
                self.faults.append(f"{claim.id} started while {self.busy[claim.ordering_key]} ran")
            self.busy[claim.ordering_key] = claim.id
            self.started[claim.ordering_key].append(claim.id)

    def end(self, claim) -> None:
        with self._lock:
            if self.busy.pop(claim.ordering_key, None) != claim.id:
                self.faults.append(f"{claim.id} ended and was not the one that ran")


def settle_somehow(service, claim, dice: random.Random) -> None:
    match dice.choice(["complete"] * 6 + ["fail", "dead", "release", "snooze", "cancel"]):
        case "complete":
            service.mark_completed(claim)
        case "fail":
            service.mark_failed(claim, "x", retry_after=0)
        case "dead":
            service.move_to_dead(claim, "x")
        case "release":
            service.release(claim)
        case "snooze":
            service.snooze(claim, 0)
        case "cancel":
            service.cancel(claim.id)
            service.release(claim)


def test_twenty_threads_on_a_few_keys_never_run_two_items_of_one_key_at_once(service):
    watch, keys = Overlap(), [f"key-{n}" for n in range(5)]

    def work(n: int) -> None:
        dice, mine, idle = random.Random(n), worker(None, 600), 0
        for _ in range(8):
            service.enqueue(dice.choice(keys), OPERATION, max_attempts=100)
        while all_well.is_set() and QueueItem.objects.exclude(status="dead").exists() and idle < 2000:
            claims = service.claim(dice.choice([1, 3]), worker=mine)
            for claim in claims:
                watch.start(claim)
            for claim in claims:
                watch.end(claim)
                settle_somehow(service, claim, dice)
            if not claims:
                idle += 1
                promote.run("default")

    in_threads(20, work)
    assert watch.faults == []
    assert not QueueItem.objects.exclude(status="dead").exists(), "nothing was left behind"
    assert HistoryItem.objects.count() + QueueItem.objects.count() == 160


def test_many_claimers_start_the_items_of_each_key_in_order(service):
    ids = service.enqueue_many([NewItem(document_id=f"key-{n % 4}", operation=OPERATION) for n in range(120)])
    watch = Overlap()

    def work(n: int) -> None:
        dice, mine = random.Random(n), worker(None, 600)
        while all_well.is_set() and QueueItem.objects.exists():
            for claim in service.claim(2, worker=mine):
                watch.start(claim)
                watch.end(claim)
                if dice.random() < 0.1:
                    service.mark_failed(claim, "x", retry_after=0)
                else:
                    service.mark_completed(claim)
            promote.run("default")

    in_threads(8, work)
    assert watch.faults == []
    for n in range(4):
        assert list(dict.fromkeys(watch.started[f"key-{n}"])) == ids[n::4]
