"""The workers of a storm: real supervisors as processes, started again when they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docqueue.chaos import phases
from docqueue.chaos.handlers import FOLDER, SETTINGS
from docqueue.chaos.ledger import Ledger

STOP_SECONDS = 60.0


@dataclass(kw_only=True)
class Fleet:
    """`size` workers with `processes` executors each. Only what it started is ever signalled."""

    folder: Path
    ledger: Ledger
    size: int
    processes: int
    settings: Mapping[str, Any]
    environment: Callable[[int], Mapping[str, str]]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    started: int = 0
    numbers: dict[int, int] = field(default_factory=dict)
    """By process: its number among all that were started."""

    @property
    def pages(self) -> Path:
        """Where the executors' pages are."""
        return self.folder / "phases"

    def start(self) -> None:
        """Bring the workers up to their number; those that ended by themselves are noted."""
        for worker in self.workers:
            if (code := worker.poll()) is not None:
                self.ledger.write("exited", pid_struck=worker.pid, code=code)
        self.workers = [worker for worker in self.workers if worker.returncode is None]
        while len(self.workers) < self.size:
            self.workers.append(self._start())

    def _start(self) -> subprocess.Popen[bytes]:
        self.started += 1
        command = [sys.executable, sys.argv[0], "run_queue_worker", "--processes", str(self.processes)]
        env = os.environ | {FOLDER: str(self.folder), SETTINGS: json.dumps(self.settings)}
        env |= self.environment(self.started)
        with (self.folder / f"worker-{self.started}.log").open("ab") as log:
            worker = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.numbers[worker.pid] = self.started
        return worker

    def executors(self) -> list[phases.At]:
        """What the executors of our workers are at."""
        ours = {worker.pid for worker in self.workers}
        return [at for at in phases.living(self.pages) if phases.parent(phases.parent(at.pid)) in ours]

    def children(self, worker: subprocess.Popen[bytes]) -> list[phases.At]:
        """The executors of one worker: the grandchildren of its process."""
        return [at for at in self.executors() if phases.parent(phases.parent(at.pid)) == worker.pid]

    def kill(self, victim: phases.At, why: str) -> None:
        """kill -9 of an executor, noted with what it was at when it died."""
        try:
            os.kill(victim.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.note("kill", victim.pid, why)

    def kill_worker(self, worker: subprocess.Popen[bytes]) -> None:
        """kill -9 of a supervisor; its executors die with it, each noted with what it was at."""
        children = self.children(worker)
        worker.kill()
        worker.wait(10)
        self.workers.remove(worker)
        for child in children:
            deadline = time.monotonic() + 5  # it dies with its supervisor, and may get on with its items until then
            while phases.parent(child.pid) and time.monotonic() < deadline:
                time.sleep(0.001)
            self.note("kill", child.pid, "supervisor")
        if not children:
            self.ledger.write("kill", phase="idle", id=0, pid_struck=worker.pid, why="supervisor")

    def note(self, event: str, pid: int, why: str) -> None:
        """Write down that a process was struck."""
        at = phases.look(self.pages, pid)
        self.ledger.write(event, phase=phases.NAMES[at.phase], id=at.item_id, pid_struck=pid, why=why)

    def stop(self) -> bool:
        """End all in peace, then by force. Whether each ended in peace."""
        for worker in self.workers:
            worker.send_signal(signal.SIGCONT)
            worker.send_signal(signal.SIGTERM)
        peaceful = True
        for worker in self.workers:
            try:
                peaceful = worker.wait(STOP_SECONDS) == 0 and peaceful
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait(10)
                peaceful = False
        self.workers = []
        return peaceful
