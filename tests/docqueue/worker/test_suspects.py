"""Who empties its hands for the items that may have killed their worker, and who goes on meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from docqueue import claiming, outcomes
from docqueue.models import QueueItem, Worker
from docqueue.service import DocumentQueueService
from docqueue.worker import lanes as lanes_module
from docqueue.worker.lanes import SUSPECTS_EACH, SUSPECTS_SECONDS, Lanes
from docqueue.worker.protocol import Report
from docqueue.worker.talk import Appetite, Request, Talk
from tests.docqueue.helpers import OPERATION
from tests.docqueue.worker.loops import drive, make_loop
from tests.docqueue.worker.pools import MakePool
from tests.docqueue.worker.processes import marks

pytestmark = pytest.mark.django_db(transaction=True)


def lanes(serve: Sequence[str] = (), exclude: Sequence[str] = (), kind: str = Worker.Kind.WORKER) -> Lanes:
    """The lanes of one more worker."""
    own = claiming.register("default", kind, lease_seconds=60, queues=serve, excluded=exclude)
    return Lanes("default", serve, exclude, own)


def draining(*workers: Lanes) -> list[bool]:
    """Which of them is to empty its hands."""
    for one in workers:
        one.look()
    return [one.draining for one in workers]


def make_suspects(service: DocumentQueueService, count: int, queue: str = "default") -> None:
    for _ in range(count):
        made = service.enqueue(None, OPERATION, queue=queue)
        QueueItem.objects.filter(id=made.id).update(suspect=True, returned=True)


def test_one_worker_empties_its_hands_and_more_only_for_many(service: DocumentQueueService) -> None:
    workers = [lanes() for _ in range(3)]
    assert draining(*workers) == [False, False, False]
    make_suspects(service, 1)
    assert draining(*workers) == [True, False, False]
    assert all(one.suspects == ["default"] for one in workers), "whoever is idle may take it"
    make_suspects(service, SUSPECTS_EACH)
    assert draining(*workers) == [True, True, False]
    make_suspects(service, SUSPECTS_EACH)
    assert draining(*workers) == [True, True, True]
    QueueItem.objects.all().delete()
    assert draining(*workers) == [False, False, False]


def test_the_next_ones_help_when_the_first_does_not_get_to_it(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(lanes_module.time, "monotonic", lambda: now)
    workers = [lanes() for _ in range(3)]
    make_suspects(service, 1)
    assert draining(*workers) == [True, False, False]
    now += SUSPECTS_SECONDS
    assert draining(*workers) == [True, True, False]
    now += 2 * SUSPECTS_SECONDS
    assert draining(*workers) == [True, True, True]
    QueueItem.objects.update(suspect=False)
    assert draining(*workers) == [False, False, False]
    make_suspects(service, 1)
    assert draining(*workers) == [True, False, False], "another one, which has waited for nobody yet"


def test_nothing_that_was_in_line_behind_a_completed_item_is_claimed_beside_a_suspect(
    service: DocumentQueueService,
) -> None:
    lanes(), (mine := lanes())
    ids = [service.enqueue("d1", OPERATION).id for _ in range(2)]
    [done] = service.claim(1, worker=mine.worker)
    make_suspects(service, 1)
    assert draining(mine) == [False], "the other worker is first"
    request = Request(
        ended=[Report(item=done, outcome=outcomes.Completed(), seconds=0.1)], appetite=Appetite(size=2, alone=True)
    )
    answer = Talk("default", mine.worker, mine)(request)
    assert answer.alone
    assert [(item.suspect, item.id in ids) for item in answer.claimed] == [(True, False)]


def test_only_workers_that_live_and_serve_the_queue_count(service: DocumentQueueService) -> None:
    stopped, lost = lanes(), lanes()
    claiming.stop("default", stopped.worker)
    Worker.objects.filter(id=lost.worker).update(lost_at="2026-01-01T00:00Z")
    lanes(kind=Worker.Kind.CRON)
    others = [lanes(["big"]), lanes(exclude=["small"])]
    first, second = lanes(["small", "big"]), lanes()
    make_suspects(service, 1, "small")
    assert draining(*others, first, second) == [False, False, True, False]
    make_suspects(service, 1, "big")
    assert draining(*others, first, second) == [True, False, True, False]


def test_a_bounded_run_takes_them_where_there_is_no_worker(service: DocumentQueueService) -> None:
    make_suspects(service, 1)
    assert draining(lanes(kind=Worker.Kind.CRON)) == [True]


def test_who_is_not_asked_goes_on_claiming_and_takes_a_suspect_when_its_hands_are_empty(
    service: DocumentQueueService, make_pool: MakePool, tmp_path: Path
) -> None:
    lanes()  # the one that is asked, and does not come to it
    file = tmp_path / "marks"

    def linger(seconds: float) -> int:
        return service.enqueue(None, "test.linger", payload={"file": str(file), "seconds": seconds}).id

    long = linger(3)
    loop = make_loop(make_pool(2))
    drive(loop, lambda: bool(marks(file)))
    suspect = linger(0.1)
    QueueItem.objects.filter(id=suspect).update(suspect=True, returned=True)
    others = [linger(0.1) for _ in range(3)]
    loop.looks.look.soon()
    drive(loop, lambda: len(marks(file)) == 10)
    assert [int(line[0]) for line in marks(file) if line[1] == "end"] == [*others, long, suspect]
