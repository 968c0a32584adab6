"""The supervisor when its own code fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import ProgrammingError

from docqueue.models import Attempt, Worker
from docqueue.service import DocumentQueueService
from docqueue.worker.loop import WorkLoop
from docqueue.worker.supervisor import Options, Supervisor
from docqueue.worker.talk import Request
from tests.docqueue.helpers import row
from tests.docqueue.worker.processes import gone, marks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("make_pool")]  # its environment


def test_a_fault_in_the_supervisor_ends_it_with_its_items_released_and_its_children_gone(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import psutil

    file = tmp_path / "marks"
    item = service.enqueue(None, "test.linger", payload={"file": str(file), "seconds": 60}).id
    real = WorkLoop._compose

    def compose(loop: WorkLoop, now: float) -> Request | None:
        if marks(file):
            raise ProgrammingError("no such column")
        return real(loop, now)

    monkeypatch.setattr(WorkLoop, "_compose", compose)
    with pytest.raises(ProgrammingError, match="no such column"):
        Supervisor(options=Options(using="default", processes=1)).run()
    assert (row(item)["status"], row(item)["attempt"], row(item)["suspect"]) == ("pending", 0, False)
    assert [a.outcome for a in Attempt.objects.all()] == ["interrupted"]
    assert Worker.objects.get().stopped_at is not None
    assert gone(psutil.Process(pid) for pid in [int(marks(file)[0][2])] if psutil.pid_exists(pid))
