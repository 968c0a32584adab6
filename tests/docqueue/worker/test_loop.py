"""The work loop: what it claims, when it waits, what it does with answers that were lost."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from docqueue import claiming, outcomes, settling
from docqueue.models import Attempt, HistoryItem, Progress, Queue, QueueItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.worker.protocol import Report
from tests.docqueue.helpers import past, row
from tests.docqueue.worker.loops import Standing, drain, drive, make_loop, rounds_in
from tests.docqueue.worker.pools import MakePool
from tests.docqueue.worker.processes import completed, marks
from tests.testapp.models import Effect

pytestmark = pytest.mark.django_db(transaction=True)


def linger(service: DocumentQueueService, file: Path, seconds: float, **options: Any) -> int:
    """Enqueue an item that marks its start and stays."""
    return service.enqueue(None, "test.linger", payload={"file": str(file), "seconds": seconds}, **options).id


def test_every_outcome_reaches_the_row_it_belongs_to(service: DocumentQueueService) -> None:
    names = ["test.echo", "test.effect", "test.fail", "test.dead", "test.snooze"]
    ids = {name: service.enqueue(None, name, max_attempts=2).id for name in names}
    loop = make_loop()
    drain(loop)
    assert HistoryItem.objects.get(id=ids["test.echo"]).result == {"payload": {}, "document": None, "attempt": 1}
    assert past(ids["test.effect"])["status"] == "completed"
    assert row(ids["test.fail"])["wait_reason"] == "retry"
    assert row(ids["test.dead"])["error_code"] == "hopeless"
    assert (row(ids["test.snooze"])["wait_reason"], row(ids["test.snooze"])["attempt"]) == ("snoozed", 0)
    counts = loop.tally.as_dict()
    assert {k: v for k, v in counts.items() if v} == {
        "completed": 2,
        "failed": 2,
        "retried": 1,
        "dead": 1,
        "snoozed": 1,
    }


def test_an_operation_that_nobody_knows_waits_for_a_worker_that_does_and_costs_no_attempt(
    service: DocumentQueueService,
) -> None:
    item = service.enqueue(None, "test.noop").id
    QueueItem.objects.filter(id=item).update(operation="test.of_the_next_release")
    drain(make_loop())
    assert (row(item)["wait_reason"], row(item)["attempt"]) == ("no_handler", 0)
    assert "no handler for test.of_the_next_release" in service.explain(item)


def test_a_claim_whose_answer_was_lost_gives_its_items_back(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [service.enqueue(None, "test.noop").id for _ in range(3)]
    loop = make_loop()
    real = settling.step

    def step(*arguments: Any, **options: Any) -> Any:
        real(*arguments, **options)
        monkeypatch.setattr(settling, "step", real)
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(settling, "step", step)
    drive(loop, lambda: QueueItem.objects.filter(status="in_progress").exists())
    drain(loop)
    assert set(HistoryItem.objects.values_list("status", "attempt")) == {("completed", 1)}
    assert HistoryItem.objects.count() == len(ids)


def test_a_settlement_whose_answer_was_lost_is_not_made_twice(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine, bad = service.enqueue(None, "test.noop").id, service.enqueue(None, "test.fail").id
    for module_function in ("step", "settle"):
        real = getattr(settling, module_function)

        def once(*arguments: Any, name: str = module_function, real: Any = real, **options: Any) -> Any:
            answer = real(*arguments, **options)
            if arguments[-1]:
                monkeypatch.setattr(settling, name, real)
                raise OperationalError("the connection is lost")
            return answer

        monkeypatch.setattr(settling, module_function, once)
    drain(make_loop())
    assert past(fine)["status"] == "completed"
    assert (row(bad)["wait_reason"], row(bad)["attempt"]) == ("retry", 1)
    assert Attempt.objects.filter(item_id=bad).count() == 1


def test_an_outcome_that_can_not_be_stored_stops_no_other_and_is_a_failed_attempt(
    service: DocumentQueueService,
) -> None:
    ids = [service.enqueue(None, "test.noop").id for _ in range(3)]
    loop = make_loop()
    for item in claiming.claim("default", loop.worker, ["default"], 3):
        result = "no JSON" if item.id == ids[1] else '"fine"'
        loop.results.add(Report(item=item, outcome=outcomes.Completed(result=result), seconds=0.1))
    drain(loop)
    assert set(HistoryItem.objects.values_list("id", "result")) == {(ids[0], "fine"), (ids[2], "fine")}
    assert row(ids[1])["error_code"] == "outcome_refused"
    assert "json" in row(ids[1])["error_message"]


def test_an_item_that_says_it_is_completed_and_is_not_does_not_stay_in_progress(
    service: DocumentQueueService,
) -> None:
    """`held` is compared with what is in hand at every look, so nothing can be forgotten in progress."""
    item = service.enqueue(None, "test.noop").id
    loop = make_loop()
    claim = claiming.claim("default", loop.worker, ["default"], 1)[0]
    loop.results.add(Report(item=claim, outcome=outcomes.Completed(settled=True), seconds=0.1))
    drive(loop, lambda: completed() == 1)
    assert past(item)["attempt"] == 1


def test_ctx_complete_refuses_to_run_inside_a_transaction_that_could_undo_it(service: DocumentQueueService) -> None:
    item = service.enqueue(None, "test.raise", payload={"what": "nested"}).id
    drain(make_loop())
    assert row(item)["status"] == "dead"
    assert "outside of any other" in row(item)["error_message"]
    assert not Effect.objects.exists()


def test_the_loss_of_another_claim_is_a_failure_like_any_other(service: DocumentQueueService) -> None:
    item = service.enqueue(None, "test.raise", payload={"what": "another_lease"}).id
    drain(make_loop())
    assert (row(item)["status"], row(item)["error_code"]) == ("dead", "lease_lost")
    assert Attempt.objects.get().code == "lease_lost"


def test_a_handler_that_cancels_its_item_unasked_is_not_run_for_ever(service: DocumentQueueService) -> None:
    item = service.enqueue("d", "test.raise", payload={"what": "cancelled"}, unique_key="u").id
    after = service.enqueue("d", "test.noop").id
    loop = make_loop()
    drain(loop)
    assert past(item)["status"] == "cancelled"
    assert past(after)["status"] == "completed"
    assert loop.tally.cancelled == 1
    assert service.enqueue("d", "test.noop", unique_key="u").created


def test_a_handler_that_raises_after_its_completion_has_completed(service: DocumentQueueService) -> None:
    item = service.enqueue(None, "test.raise", payload={"what": "completed"}).id
    loop = make_loop()
    drain(loop)
    assert past(item)["status"] == "completed"
    assert not Attempt.objects.exists()
    assert {k: v for k, v in loop.tally.as_dict().items() if v} == {"completed": 1}


def test_a_transaction_that_a_handler_left_open_does_not_swallow_the_next_item(service: DocumentQueueService) -> None:
    service.enqueue(None, "test.raise", payload={"what": "open"})
    after = service.enqueue(None, "test.effect").id
    drain(make_loop())
    assert list(Effect.objects.values_list("item_id", flat=True)) == [after]
    assert past(after)["status"] == "completed"


def test_a_paused_queue_is_not_served_and_the_others_are(service: DocumentQueueService) -> None:
    waiting = service.enqueue(None, "test.noop", queue="stopped").id
    service.enqueue(None, "test.noop", queue="going")
    Queue.objects.create(name="stopped", paused_at="2026-01-01T00:00Z")
    loop = make_loop()
    drain(loop)
    assert row(waiting)["status"] == "pending"
    assert completed() == 1
    Queue.objects.update(paused_at=None)
    drive(loop, lambda: completed() == 2)


def test_serve_and_exclude_choose_the_queues(service: DocumentQueueService) -> None:
    for queue in "abc":
        service.enqueue(None, "test.noop", queue=queue)
    drain(make_loop(serve=["a", "b"], exclude=["b"]))
    assert set(HistoryItem.objects.values_list("queue", flat=True)) == {"a"}


@pytest.mark.parametrize("seconds", [0, 0.02], ids=["quick", "slow"])
def test_no_queue_starves_beside_a_deep_one(service: DocumentQueueService, seconds: float) -> None:
    def items(queue: str, count: int) -> list[NewItem]:
        payload = {"seconds": seconds}
        return [NewItem(operation="test.effect", queue=queue, payload=payload) for _ in range(count)]

    service.enqueue_many(items("deep", 300))
    service.enqueue_many(items("shallow", 5) + items("third", 5))
    loop = make_loop()
    few = HistoryItem.objects.filter(queue__in=["shallow", "third"])
    drive(loop, lambda: few.count() == 10)
    assert HistoryItem.objects.filter(queue="deep").count() < 290
    drive(loop, lambda: HistoryItem.objects.filter(queue="deep").exists(), 5)
    loop.stop()


def test_progress_is_written_while_the_handler_runs_and_a_cancel_comes_back(
    service: DocumentQueueService, make_pool: MakePool
) -> None:
    item = service.enqueue(None, "test.cooperative").id
    loop = make_loop(make_pool(1))
    drive(loop, lambda: Progress.objects.filter(item_id=item, percent__gt=0).exists())
    assert Progress.objects.get(item_id=item).stage == "steps"
    service.cancel(item)
    drive(loop, lambda: past(item) is not None, 3)
    assert past(item)["status"] == "cancelled"
    assert loop.tally.cancelled == 1


def test_a_cancelled_item_in_the_buffer_is_never_started(
    service: DocumentQueueService, make_pool: MakePool, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    first, second = linger(service, file, 60), linger(service, file, 60)
    loop = make_loop(make_pool(1))
    loop.speeds.means["default"] = 0.1
    drive(loop, lambda: len(loop.buffer) == 1 and bool(marks(file)))
    service.cancel(second)
    drive(loop, lambda: past(second) is not None, 5)
    assert past(second)["status"] == "cancelled"
    assert row(first)["status"] == "in_progress"
    assert {line[0] for line in marks(file)} == {str(first)}


def test_items_that_can_not_start_soon_are_handed_back_for_other_workers(
    service: DocumentQueueService, make_pool: MakePool, tmp_path: Path
) -> None:
    """Fast items were expected; two slow ones came first."""
    file = tmp_path / "marks"
    for _ in range(2):
        linger(service, file, 60, priority="high")
    service.enqueue_many([NewItem(operation="test.noop") for _ in range(200)])
    loop = make_loop(make_pool(2))
    loop.speeds.means["default"] = 0.0005
    drive(loop, lambda: len(marks(file)) == 2)
    drive(loop, lambda: QueueItem.objects.filter(status="in_progress").count() == 2, 5)
    assert loop.in_hand() == 2
    assert rounds_in(loop, 1) < 30
    assert QueueItem.objects.filter(status="in_progress").count() == 2, "and are not claimed again at once"
    assert set(QueueItem.objects.filter(status="pending").values_list("attempt", flat=True)) == {0}
    loop.cut_off()


def test_results_do_not_wait_for_a_long_neighbour(
    service: DocumentQueueService, make_pool: MakePool, tmp_path: Path
) -> None:
    linger(service, tmp_path / "marks", 60)
    for _ in range(20):
        service.enqueue(None, "test.noop")
    loop = make_loop(make_pool(2))
    drive(loop, lambda: completed() == 20, 10)
    loop.cut_off()


def test_a_suspect_runs_alone_and_the_rest_after_it(
    service: DocumentQueueService, make_pool: MakePool, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    ids = [linger(service, file, 0.2) for _ in range(4)]
    QueueItem.objects.filter(id__in=ids[2:]).update(suspect=True, returned=True)
    drain(make_loop(make_pool(2)))
    order = [(line[0], line[1]) for line in marks(file)]
    assert order[:4] == [(str(i), what) for i in ids[2:] for what in ("start", "end")]
    assert completed() == 4


def test_while_a_suspect_runs_nothing_else_is_claimed_however_often_the_loop_looks(
    service: DocumentQueueService, make_pool: MakePool, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    suspect, other = linger(service, file, 60), linger(service, file, 60)
    QueueItem.objects.filter(id=suspect).update(suspect=True, returned=True)
    loop = make_loop(make_pool(2))
    drive(loop, lambda: bool(marks(file)))
    for _ in range(10):
        loop.looks.look.soon()
        loop.tick()
    assert row(other)["status"] == "pending"
    loop.cut_off()


def test_the_loop_sleeps_while_there_is_nothing_to_do_but_wait(
    service: DocumentQueueService, make_pool: MakePool, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    pool, lease = make_pool(2), Standing()
    loop = make_loop(pool, lease=lease)
    assert rounds_in(loop, 0.5) < 12, "idle"
    item = linger(service, file, 60)
    drive(loop, lambda: bool(marks(file)))
    assert rounds_in(loop, 0.5) < 12, "one runs"
    lease.standing = False
    assert rounds_in(loop, 0.5) < 12, "and the lease does not stand"
    lease.standing = True
    other = linger(service, file, 60)
    QueueItem.objects.filter(id=other).update(suspect=True, returned=True)
    assert rounds_in(loop, 1.5) < 40, "and a suspect waits for its turn"
    loop.stop()
    assert rounds_in(loop, 0.5) < 12, "and we are to stop"
    loop.cut_off()
    assert {row(i)["attempt"] for i in (item, other)} == {0}
    alone = make_loop(make_pool(2))
    drive(alone, lambda: len(marks(file)) == 2)
    assert rounds_in(alone, 0.5) < 12, "a suspect runs alone"
    alone.cut_off()


def test_a_worker_whose_executors_do_not_start_takes_no_items(
    service: DocumentQueueService, make_pool: MakePool
) -> None:
    item = service.enqueue(None, "test.noop").id
    pool = make_pool(1)
    pool.close()
    pool._start_at = float("inf")
    loop = make_loop(pool)
    rounds_in(loop, 0.3)
    assert row(item)["claim_no"] == 0
    pool._start_at = 0.0
    drive(loop, lambda: completed() == 1)


def test_a_worker_takes_nothing_while_no_lease_stands(service: DocumentQueueService) -> None:
    item = service.enqueue(None, "test.noop").id
    lease = Standing(standing=False)
    loop = make_loop(lease=lease)
    for _ in range(5):
        loop.looks.look.soon()
        loop.tick()
    assert row(item)["claim_no"] == 0
    lease.standing = True
    drain(loop)
    assert past(item)["status"] == "completed"


def test_limit_counts_what_was_run_and_not_what_was_handed_back(
    service: DocumentQueueService, make_pool: MakePool
) -> None:
    service.enqueue_many([NewItem(operation="test.noop") for _ in range(50)])
    loop = make_loop(make_pool(2), limit=20)
    drive(loop, lambda: loop.claimed >= 20 and not loop.in_hand())
    assert completed() == 20


def test_finished_items_are_told_one_by_one(service: DocumentQueueService, caplog: pytest.LogCaptureFixture) -> None:
    item = service.enqueue("d-1", "test.fail", metadata={"correlation_id": "c-1"}).id
    with caplog.at_level(logging.DEBUG, "docqueue"):
        drain(make_loop())
    told = [r.docqueue for r in caplog.records if r.docqueue["event"] == "item_finished"]
    assert [(t["item_id"], t["operation"], t["document"], t["outcome"]) for t in told] == [
        (item, "test.fail", "d-1", "retried")
    ]
    assert json.dumps(told[0])
