"""The workers of one queue: started again when they end, killed or stopped with all their processes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import Speaker, end
from docqueue.chaos import phases
from docqueue.chaos.ledger import Ledger, now

AHEAD_SECONDS = 0.1
Worker = subprocess.Popen[bytes]


def tree(root: int) -> list[int]:
    """A process and its descendants, itself first."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            children.setdefault(phases.parent(int(path.name)), []).append(int(path.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """Signal processes, of which some may have ended meanwhile."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@dataclass(kw_only=True)
class Crew:
    """`size` workers. Only what it started is ever signalled."""

    speaker: Speaker
    ledger: Ledger
    pages: Path
    size: int
    env: Mapping[str, str]
    workers: list[Worker] = field(default_factory=list)
    exits: int = 0
    _asleep: dict[int, threading.Thread] = field(default_factory=dict)

    def start(self) -> None:
        """Bring the workers up to their number; those that ended by themselves are noted."""
        for worker in self.workers:
            if (code := worker.poll()) is not None:
                self.exits += 1
                self.ledger.write("exited", pid_struck=worker.pid, code=code)
        self.workers = [worker for worker in self.workers if worker.returncode is None]
        while len(self.workers) < self.size:
            self.workers.append(self.speaker.start("work", **self.env))

    def at_work(self) -> list[tuple[phases.At, Worker]]:
        """What runs a handler, and whose worker it is; none of those that are asleep."""
        owners = {worker.pid: worker for worker in self.workers if worker.pid not in self.asleep()}
        found = []
        for at in phases.living(self.pages):
            pid = at.pid if at.phase != phases.IDLE else 0
            while pid > 1 and pid not in owners:
                pid = phases.parent(pid)
            if pid in owners:
                found.append((at, owners[pid]))
        return found

    def asleep(self) -> set[int]:
        """The workers that are stopped now."""
        return {pid for pid, thread in self._asleep.items() if thread.is_alive()}

    def kill(self, victim: phases.At, worker: Worker, *, whole: bool) -> None:
        """kill -9 of the process that runs a handler, or of its whole worker. Who has ended is started again at once.

        Where a worker runs its handlers itself the two are the same.
        """
        struck = now()
        if whole:
            os.killpg(worker.pid, signal.SIGKILL)  # each worker has a session of its own
        send([victim.pid], signal.SIGKILL)
        while phases.parent(victim.pid):
            time.sleep(0.0005)
        self._note("kill", victim.pid, struck, "worker" if whole else "process")
        if whole or victim.pid == worker.pid:
            worker.wait()
            self.workers.remove(worker)
            self.start()

    def stop(self, victim: phases.At, worker: Worker, seconds: float) -> None:
        """SIGSTOP to a whole worker, and SIGCONT `seconds` later."""
        send([worker.pid, victim.pid], signal.SIGSTOP)
        pids = tree(worker.pid)
        send(pids, signal.SIGSTOP)
        self._note("stop", victim.pid, now(), "stop")
        self._asleep[worker.pid] = threading.Thread(target=self._wake, args=(pids, victim.pid, seconds))
        self._asleep[worker.pid].start()

    def _wake(self, pids: list[int], victim: int, seconds: float) -> None:
        time.sleep(seconds)
        self.ledger.write("woken", pid_struck=victim)
        send(pids[:0:-1], signal.SIGCONT)
        if len(pids) > 1:
            time.sleep(AHEAD_SECONDS)  # a worker that woke first would end its handlers before they write anything
        send(pids[:1], signal.SIGCONT)

    def _note(self, event: str, pid: int, struck: float, why: str) -> None:
        at = phases.look(self.pages, pid)
        self.ledger.write(event, t=struck, phase=phases.NAMES[at.phase], n=at.item_id, pid_struck=pid, why=why)

    def quiet(self, seconds: float, patience: float) -> None:
        """Wait until all are awake and no handler has run for so long, `patience` at most."""
        for thread in self._asleep.values():
            thread.join()
        deadline, since = time.monotonic() + patience, time.monotonic()
        while time.monotonic() < min(deadline, since + seconds):
            if self.at_work():
                since = time.monotonic()
            time.sleep(0.05)

    def end(self) -> None:
        """End all: in peace, then by force."""
        for thread in self._asleep.values():
            thread.join()
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            end(worker)
