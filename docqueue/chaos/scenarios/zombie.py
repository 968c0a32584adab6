"""Workers that are stopped for longer than their lease and go on as if nothing had been."""

from __future__ import annotations

import os
import signal
import threading
import time

from docqueue.chaos.storm import Storm
from docqueue.exceptions import ConfigurationError

WORKERS_LEAST = 2
AHEAD_SECONDS = 0.1


class Zombie(Storm):
    """SIGSTOP to a worker with its executors for 1.5 to 3 leases, then SIGCONT: they do not know what they missed.

    Half of the workers at least are awake: nobody could take over where all sleep.
    """

    about = "SIGSTOP to a worker and its executors for 1.5 to 3 leases, then SIGCONT; half of the workers are awake"

    def strike(self) -> None:
        """`Storm`."""
        if self.workers < WORKERS_LEAST:
            raise ConfigurationError(f"This storm needs {WORKERS_LEAST} workers: while one sleeps another takes over.")
        self.await_work()
        sleepers: dict[int, threading.Thread] = {}
        done = 0
        while done < self.strikes and not self.over(done):
            awake = [w for w in self.fleet.workers if w.pid not in sleepers or not sleepers[w.pid].is_alive()]
            victim = self.victim()
            worker = next((w for w in awake if victim and victim in self.fleet.children(w)), None)
            if worker is not None and len(awake) > (self.workers + 1) // 2:
                pids = [worker.pid, *(at.pid for at in self.fleet.children(worker))]
                for pid in pids:
                    os.kill(pid, signal.SIGSTOP)
                for pid in pids[1:]:
                    self.fleet.note("stop", pid, "zombie")
                seconds = self.lease_seconds * self.dice.uniform(1.5, 3.0)
                sleepers[worker.pid] = threading.Thread(target=_wake, args=(pids, seconds))
                sleepers[worker.pid].start()
                done += 1
            time.sleep(self.lease_seconds * self.dice.uniform(0.3, 0.8))
        for sleeper in sleepers.values():
            sleeper.join()


def _wake(pids: list[int], seconds: float) -> None:
    time.sleep(seconds)
    for pid in reversed(pids):
        if pid == pids[0]:
            time.sleep(AHEAD_SECONDS)  # the worker last: it would end its executors before they write anything
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue  # the fleet has ended it meanwhile
