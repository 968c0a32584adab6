"""A worker that was stopped in its tracks and wakes up after its items went elsewhere."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from docqueue.models import Worker
from docqueue.service import DocumentQueueService
from tests.docqueue.helpers import past, until
from tests.docqueue.worker.processes import Manage, completed, effects_once, marks, worker_row
from tests.testapp.models import Effect


@pytest.mark.slow
@pytest.mark.parametrize("children_too", [True, False], ids=["all of it", "the supervisor alone"])
def test_late_results_of_a_zombie_are_refused_and_it_starts_anew(
    manage: Manage, service: DocumentQueueService, tmp_path: Path, children_too: bool
) -> None:
    file, plain = tmp_path / "inside", tmp_path / "plain"
    payload = {"seconds": 2, "again": 0}
    inside = service.enqueue(None, "test.linger_in_complete", payload=payload | {"file": str(file)}).id
    outside = service.enqueue(None, "test.linger", payload=payload | {"file": str(plain)}).id
    zombie = manage.worker("--processes", 2)
    until(lambda: bool(marks(file)) and bool(marks(plain)))
    was = worker_row(zombie).id
    frozen = zombie.family() if children_too else {zombie.process}
    for process in frozen:
        process.send_signal(signal.SIGSTOP)
    manage.worker("--processes", 1)
    until(lambda: completed() == 2)
    winners = {past(i)["worker_id"] for i in (inside, outside)}
    before = past(outside)
    for process in frozen:
        process.send_signal(signal.SIGCONT)
    until(lambda: worker_row(zombie).id != was)
    assert Worker.objects.get(id=was).lost_at is not None
    if children_too:
        assert was not in winners
    effects_once([inside])
    assert past(outside) == before
    ids = [service.enqueue(None, "test.effect").id for _ in range(20)]
    until(lambda: Effect.objects.count() == 21)
    until(lambda: completed() == 22)
    effects_once([inside, *ids])
    assert zombie.popen.poll() is None
    assert zombie.said("lease_lost")
