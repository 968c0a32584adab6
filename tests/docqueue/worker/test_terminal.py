"""The worker on a terminal: a line that lives under its log; elsewhere, nothing of the kind."""

from __future__ import annotations

import io
import os
import pty
import select
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from docqueue.management import terminal
from docqueue.service import DocumentQueueService, NewItem
from docqueue.worker.supervisor import Options, Supervisor
from docqueue.worker.tally import Tally
from tests.docqueue.worker.processes import ROOT, Manage, completed


def test_the_line_says_what_is_being_done_and_how_fast_over_the_last_seconds() -> None:
    tally = Tally()
    status = terminal.Status(SimpleNamespace(tally=tally, at_work=lambda: "2 in 2 processes, 5 next"))
    assert status.text(100.0) == "2 in 2 processes, 5 next · 0 completed · 0/s"
    tally.completed, tally.failed, tally.retried, tally.dead = 1_200, 3, 2, 1
    assert status.text(102.0) == "2 in 2 processes, 5 next · 1,200 completed · 2 retried · 1 dead · 602/s"
    assert status.text(110.0).endswith("· 0/s")


def test_a_worker_that_has_not_begun_says_so() -> None:
    assert Supervisor(options=Options(using="default")).at_work() == "starting"


def test_without_a_terminal_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with terminal.live(SimpleNamespace()):
        assert isinstance(sys.stderr, io.StringIO)


def read(master: int, wanted: list[bytes], seconds: float) -> bytes:
    """What comes to the terminal until all of `wanted` has."""
    seen, deadline = b"", time.monotonic() + seconds
    while not all(word in seen for word in wanted):
        assert time.monotonic() < deadline, seen[-3000:]
        if select.select([master], [], [], 0.2)[0]:
            seen += os.read(master, 65_536)
    return seen


def test_on_a_terminal_the_line_lives_under_the_log_and_is_gone_at_the_end(
    manage: Manage, service: DocumentQueueService
) -> None:
    service.enqueue_many([NewItem(operation="test.noop", ordering_key=None) for _ in range(30)])
    master, slave = pty.openpty()
    command = [sys.executable, str(ROOT / "manage.py"), "run_queue_worker", "--processes", "1"]
    env = manage.env | {"TERM": "xterm", "COLUMNS": "120", "LOG_FORMAT": "console"}
    worker = subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, start_new_session=True
    )
    try:
        seen = read(master, [b"30 completed", b"worker_started"], 30)
        assert completed() == 30
        assert b"0 in 1 processes" in seen
        worker.send_signal(signal.SIGTERM)
        read(master, [b"worker_stopped"], 15)
        assert worker.wait(10) == 0
    finally:
        worker.kill()
        worker.wait(10)
        os.close(master)
        os.close(slave)
