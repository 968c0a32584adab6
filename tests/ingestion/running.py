"""A worker in the test's own process: real claims, real handlers, real settlements, one item after the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Self

from django.db import connection
from django.utils import timezone

from docqueue import outcomes, settling
from docqueue.items import ClaimedItem
from docqueue.maintenance import promote
from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from docqueue.worker.running import run_item


class InlineWorker:
    """Claims and runs items as a worker does. It is its own channel: cancels are read from the item's row."""

    def __init__(self) -> None:
        self.service = DocumentQueueService()
        self.said: list[tuple[int, str]] = []

    def progress(self, item: ClaimedItem, percent: int, stage: str, message: str) -> None:
        self.said.append((percent, stage))

    def cancel_requested(self, item: ClaimedItem) -> bool:
        return QueueItem.objects.filter(pk=item.id, cancel_requested_at__isnull=False).exists()

    def claim(self) -> ClaimedItem:
        """Claim the next item, and run nothing."""
        promote.run(self.service.using)
        (item,) = self.service.claim(1)
        return item

    def run_claimed(self, item: ClaimedItem) -> outcomes.Outcome:
        """Run one claimed item and settle it. Returns how its run ended."""
        outcome = run_item(item, self.service.using, self)
        if isinstance(outcome, outcomes.Completed):
            if not outcome.settled:
                settling.complete(self.service.using, [(item, outcome.result)])
        elif not isinstance(outcome, outcomes.Lost):
            settling.settle(self.service.using, [(item, outcome)])
        return outcome

    def run_and_die(self, item: ClaimedItem) -> None:
        """Run one claimed item as by a process that ends before anybody hears how it went."""
        run_item(item, self.service.using, self)

    def run(self, *, most: int = 500) -> int:
        """Run what is due until nothing is. Returns how many runs that were."""
        for done in range(most):
            promote.run(self.service.using)
            items = self.service.claim(1)
            if not items:
                return done
            self.run_claimed(items[0])
        raise AssertionError(f"there was still something to do after {most} runs")

    def run_retries(self) -> int:
        """Let what waits for another try run now, as if its time had come."""
        promote.run(self.service.using, timezone.now() + timedelta(days=1))
        return self.run()


def finish_dead(item_id: int, code: str, message: str) -> None:
    """Leave an item dead as a supervisor does after its executor was lost: no handler of ours had a say."""
    service = DocumentQueueService()
    item = service.mark_in_progress(item_id)
    status = service.move_to_dead(item, message, code=code)
    assert status == Status.DEAD


def until_somebody_waits_for_us(seconds: float = 20.0) -> None:
    """Return when another session waits for a lock that this one's transaction holds."""
    deadline = time.monotonic() + seconds
    look = "select 1 from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
    with connection.cursor() as cursor:
        while not cursor.execute(look).fetchone():
            assert time.monotonic() < deadline, "nobody waits"


class WorkerProcess:
    """`manage.py run_queue_worker` as a process of its own, stopped at the end of the block."""

    def __init__(self, root: Path, env: dict[str, str], *options: str) -> None:
        self.command = [sys.executable, str(root / "manage.py"), "run_queue_worker", *options]
        self.root, self.env = root, env

    def __enter__(self) -> Self:
        self.log = tempfile.TemporaryFile("w+b")
        self.process = subprocess.Popen(
            self.command, cwd=self.root, env=self.env, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise
        finally:
            self.log.close()

    def until(self, condition: Callable[[], bool], seconds: float, *, dies: bool = False) -> None:
        """Wait until `condition` holds. Fails when the time is over, or the worker ends first (`dies`: it may)."""
        deadline = time.monotonic() + seconds
        while not condition():
            try:
                code = self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                assert time.monotonic() < deadline, f"not after {seconds} seconds:\n{self.tail()}"
            else:
                if dies:
                    return
                raise AssertionError(f"the worker ended with {code}:\n{self.tail()}")

    def tail(self) -> str:
        """The end of what the worker said."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-4000:]
