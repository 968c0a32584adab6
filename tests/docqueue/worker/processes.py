"""Real workers as processes, and what tests do to them. Only what a test started is ever signalled."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil

from docqueue.models import Attempt, HistoryItem, QueueItem, Worker
from tests.docqueue.helpers import until
from tests.testapp.models import Effect

ROOT = Path(__file__).resolve().parents[3]
LEASE_SECONDS = 3
SHORT = {
    "DJANGO_SETTINGS_MODULE": "tests.docqueue.worker.project",
    "DOCQUEUE_LEASE_SECONDS": str(LEASE_SECONDS),
    "LOG_FORMAT": "json",
}


class Running:
    """A process of the project, its log, and all that it has started."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path, cwd: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            # a session of its own: a signal to its process group reaches nobody else
            self.popen = subprocess.Popen(
                command, env=env, cwd=cwd, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
            )
        self.process = psutil.Process(self.popen.pid)
        self.known: set[psutil.Process] = {self.process}

    @property
    def pid(self) -> int:
        return self.popen.pid

    def family(self) -> set[psutil.Process]:
        """Itself and its descendants, also those seen before that are on their own now."""
        if self.process.is_running():
            self.known |= {self.process, *self.process.children(recursive=True)}
        for process in list(self.known):
            if process.is_running():
                self.known |= set(_quietly(process.children, [], recursive=True))
        return {p for p in self.known if alive(p)}

    def fork_server(self) -> psutil.Process | None:
        """The process that executors are forked from."""
        found = [p for p in self.process.children() if "forkserver import main" in " ".join(_quietly(p.cmdline, []))]
        return found[0] if found else None

    def executors(self) -> list[psutil.Process]:
        """The processes that run handlers."""
        server = self.fork_server()
        return [] if server is None else _quietly(server.children, [])

    def signal(self, number: int) -> None:
        """Send a signal to the process alone."""
        self.family()
        self.process.send_signal(number)

    def kill(self) -> None:
        """What no process can prepare for."""
        self.signal(signal.SIGKILL)
        self.popen.wait(10)

    def wait(self, seconds: float = 20) -> int:
        """The exit code."""
        return self.popen.wait(seconds)

    def stop(self, seconds: float = 20) -> int:
        """End in peace; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def lines(self) -> list[dict[str, Any]]:
        """Its log lines that are JSON."""
        found = []
        for line in self.log.read_text().splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found.append(value)
        return found

    def said(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of one event."""
        return [line for line in self.lines() if line.get("event") == event]

    def end(self) -> None:
        """Leave nothing behind."""
        for process in self.family():
            _quietly(process.kill, None)
        if self.popen.poll() is None:
            self.popen.wait(10)


def _quietly(call: Callable[..., Any], otherwise: Any, **options: Any) -> Any:
    try:
        return call(**options)
    except psutil.Error:
        return otherwise


def alive(process: psutil.Process) -> bool:
    """Whether it runs (a zombie does not)."""
    return process.is_running() and _quietly(process.status, psutil.STATUS_DEAD) not in (
        psutil.STATUS_ZOMBIE,
        psutil.STATUS_DEAD,
    )


def gone(processes: Iterable[psutil.Process]) -> bool:
    """Whether none of them runs."""
    return not any(alive(p) for p in processes)


class Manage:
    """`start("run_queue_worker", "--processes", 1, POLL…="…")`: management commands on the test's database."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        # what a killed process leaves in its temporary folder goes away with the run's own files
        self.env = env | SHORT | {"TMPDIR": env["VAR_DIR"]}
        self.folder = folder
        self.started: list[Running] = []

    def __call__(self, *arguments: object, cwd: Path = ROOT, **env: object) -> Running:
        command = [sys.executable, str(ROOT / "manage.py"), *map(str, arguments)]
        log = self.folder / f"process-{len(self.started)}.log"
        running = Running(command, self.env | {k: str(v) for k, v in env.items()}, log, cwd)
        self.started.append(running)
        return running

    def worker(self, *arguments: object, ready: bool = True, **options: Any) -> Running:
        """A worker, by default waited for until it has its row and its executors."""
        running = self("run_queue_worker", *arguments, **options)
        if ready:
            until(lambda: worker_row(running) is not None or running.popen.poll() is not None, 30)
            assert running.popen.poll() is None, running.log.read_text()
        return running

    def end(self) -> None:
        """End everything that was started."""
        for running in self.started:
            running.end()


def worker_row(running: Running) -> Worker | None:
    """The newest worker row of a process."""
    return Worker.objects.filter(pid=running.pid, kind="worker").order_by("-id").first()


def completed() -> int:
    """How many items are completed."""
    return HistoryItem.objects.filter(status="completed").count()


def in_progress() -> int:
    """How many items are in progress."""
    return QueueItem.objects.filter(status="in_progress").count()


def outcomes(item_id: int) -> list[str]:
    """How an item's attempts that did not end well ended, in order."""
    return list(Attempt.objects.filter(item_id=item_id).order_by("id").values_list("outcome", flat=True))


def marks(file: Path) -> list[list[str]]:
    """What handlers of test.mark wrote, line by line."""
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def effects_once(ids: Iterable[int]) -> None:
    """Assert that each of these items had its database effect exactly once, and nothing else had any."""
    assert sorted(Effect.objects.values_list("item_id", flat=True)) == sorted(ids)


def uncharged(ids: Iterable[int]) -> None:
    """Assert that these items completed in their first attempt, with no crash."""
    found = HistoryItem.objects.filter(id__in=list(ids))
    assert {(i.status, i.attempt, i.crashes) for i in found} <= {("completed", 1, 0)}
    assert found.count() == len(list(ids))
