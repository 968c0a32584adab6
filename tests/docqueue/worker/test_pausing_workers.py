"""A pause reaches real workers within a second, pending items included; what was fetched ahead goes back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.worker.buffer import Buffer
from tests.docqueue.helpers import until
from tests.docqueue.worker.pools import work
from tests.docqueue.worker.processes import Manage, completed, marks

EFFECTIVE_SECONDS = 1.0


def starts(file: Path) -> list[float]:
    """When handlers started, in seconds of this machine's clock."""
    return [float(line[3]) for line in marks(file) if line[1] != "end"]


@pytest.mark.parametrize("listen", ["true", "false"], ids=["told", "polling"])
@pytest.mark.parametrize("seconds", [0.0, 0.1], ids=["quick", "slow"])
def test_nothing_starts_later_than_a_second_after_the_pause(
    manage: Manage, service: DocumentQueueService, tmp_path: Path, listen: str, seconds: float
) -> None:
    file = tmp_path / "marks"
    count = 20_000 if not seconds else 400
    payload = {"file": str(file), "seconds": seconds}
    service.enqueue_many([NewItem(operation="test.mark", payload=payload, ordering_key=None) for _ in range(count)])
    worker = manage.worker("--processes", 2, DOCQUEUE_LISTEN=listen)
    until(lambda: len(starts(file)) > 20)

    service.pause_queue("default", "the archive moves", "ada")
    paused_at = time.time()

    until(lambda: not QueueItem.objects.filter(status="in_progress").exists())
    ended = time.time()
    until(lambda: time.time() > ended + 1.5)  # and nothing more comes
    late = [at - paused_at for at in starts(file) if at > paused_at]
    assert max(late, default=0.0) < EFFECTIVE_SECONDS, late[-5:]
    assert len(starts(file)) == completed() < count
    left = QueueItem.objects.filter(status="pending")
    assert left.count() == count - completed()
    assert service.explain(left[0].pk) == "Waiting: queue default is paused (the archive moves)."

    before = len(starts(file))
    service.resume_queue("default", "ada")
    until(lambda: len(starts(file)) > before, 3)
    worker.stop()


def test_an_idle_worker_leaves_what_comes_into_a_paused_queue(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    file = tmp_path / "marks"
    manage.worker("--processes", 1)
    service.pause_queue("default")
    going = service.enqueue(None, "test.noop", queue="other").id
    until(lambda: not QueueItem.objects.filter(id=going).exists())  # it has looked
    service.enqueue(None, "test.mark", payload={"file": str(file)})
    for n in range(3):
        after = service.enqueue(None, "test.noop", queue="other").id
        until(lambda after=after: not QueueItem.objects.filter(id=after).exists())
        assert not starts(file), n
    service.resume_queue("default")
    until(lambda: bool(starts(file)), 3)


def test_the_lines_of_paused_queues_are_taken_out_of_the_buffer() -> None:
    buffer = Buffer()
    items = [work("test.noop", queue="ab"[n % 2]) for n in range(4)]
    buffer.append(items)
    assert buffer.take({"b", "c"}) == [items[1], items[3]]
    assert list(buffer) == [items[0], items[2]]
    assert buffer.take(frozenset()) == []


def test_what_came_through_a_limit_is_taken_out_by_its_queue() -> None:
    buffer = Buffer()
    items = [work("test.noop", queue=queue)._replace(limit_key="slow") for queue in "abab"]
    buffer.append(items)
    assert buffer.take({"b"}) == [items[1], items[3]]
    assert list(buffer) == [items[0], items[2]]
