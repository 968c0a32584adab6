"""What a real worker writes down about handlers that die, overrun or eat memory."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from docqueue.models import Attempt, QueueItem
from docqueue.service import DocumentQueueService, NewItem
from tests.docqueue.helpers import past, row, until
from tests.docqueue.worker.processes import Manage, completed, effects_once, marks, outcomes, uncharged


def test_dying_overrunning_and_greedy_handlers_hurt_only_themselves(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    innocents = service.enqueue_many([NewItem(operation="test.effect", payload={"seconds": 0.02})] * 60)
    poison = service.enqueue(None, "test.segfault").id
    sleeper = service.enqueue(None, "test.sleep", max_attempts=1).id
    deaf = service.enqueue(
        None, "test.parent", payload={"file": str(tmp_path / "deaf"), "deaf": True}, timeout_seconds=1
    ).id
    greedy = service.enqueue(None, "test.memory").id
    once = service.enqueue(None, "test.crash_once", payload={"file": str(tmp_path / "once")}).id
    began = time.monotonic()
    worker = manage.worker("--processes", 2, DOCQUEUE_RETRY_BASE_SECONDS=0.1)
    bad = [poison, sleeper, deaf, greedy]
    until(lambda: QueueItem.objects.filter(status="dead", id__in=bad).count() == 4, 40)
    until(lambda: completed() == len(innocents) + 1, 30)
    assert time.monotonic() - began < 40
    effects_once(innocents)
    uncharged(innocents)
    assert (row(poison)["error_code"], row(poison)["crashes"], row(poison)["attempt"]) == ("crashed", 3, 0)
    assert outcomes(poison) == ["crashed"] * 3
    assert "SIGSEGV" in row(poison)["error_message"]
    for item in (sleeper, deaf):
        assert (outcomes(item), row(item)["error_code"]) == (["timed_out"], "timed_out")
        attempt = Attempt.objects.get(item_id=item)
        assert 1 <= (attempt.ended_at - attempt.started_at).total_seconds() < 1 + 1 + 5
    assert row(greedy)["error_code"] == "out_of_memory"
    assert (past(once)["attempt"], past(once)["crashes"]) == (1, 1), "crashes and failures are counted apart"
    assert worker.popen.poll() is None
    died = worker.said("child_died")
    assert {line["item_id"] for line in died} == {poison, once}


def test_kill_9_of_a_child_charges_one_crash_and_three_of_them_are_enough(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    item = service.enqueue(None, "test.linger", payload={"file": str(file), "seconds": 60, "again": 60}).id
    others = [service.enqueue(None, "test.effect").id for _ in range(20)]
    worker = manage.worker("--processes", 1)
    for n in range(1, 4):
        until(lambda n=n: len(marks(file)) == n)
        victim = int(marks(file)[-1][2])
        next(p for p in worker.executors() if p.pid == victim).kill()
        until(lambda n=n: len(outcomes(item)) == n)
    assert outcomes(item) == ["crashed"] * 3
    assert (row(item)["status"], row(item)["error_code"], row(item)["attempt"]) == ("dead", "crashed", 0)
    until(lambda: completed() == 20)
    uncharged(others)
    effects_once(others)


@pytest.mark.parametrize("complete", [True, False], ids=["committed", "not committed"])
def test_a_child_that_dies_between_the_end_of_its_item_and_the_report_of_it(
    manage: Manage, service: DocumentQueueService, tmp_path: Path, complete: bool
) -> None:
    """What it has committed with `ctx.complete()` counts and costs nothing; what only its report would say does not."""
    file = tmp_path / "marks"
    item = service.enqueue(None, "test.die_at_report", payload={"file": str(file), "complete": complete}).id
    worker = manage.worker("--processes", 1)
    until(lambda: completed() == 1)
    until(lambda: len(worker.said("child_died")) == 1)
    assert len(marks(file)) == (1 if complete else 2)
    assert outcomes(item) == ([] if complete else ["crashed"])
    assert past(item)["crashes"] == (0 if complete else 1)
    if complete:
        effects_once([item])
