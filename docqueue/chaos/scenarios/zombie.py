"""Workers that are stopped for longer than their lease and go on as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping

from docqueue import store
from docqueue.chaos.handlers import DATABASE
from docqueue.chaos.ledger import now
from docqueue.chaos.proxy import Proxy, Trap
from docqueue.chaos.storm import Storm
from docqueue.exceptions import ConfigurationError
from docqueue.store import connection

WORKERS_LEAST = 2
AHEAD_SECONDS = 0.1
CATCH_SECONDS = 3.0  # how long a trap waits for what it is to catch
HEARTBEAT, CLAIM = "heartbeat", "claim"
PLACES = ((HEARTBEAT, 0.15), (CLAIM, 0.15), ("", 0.70))
CLAIMED = b'"complete_seconds"'  # only a claim's result has a payload in it


class Zombie(Storm):
    """SIGSTOP to a worker with its executors for 1.5 to 3 leases, then SIGCONT: they do not know what they missed.

    Some are stopped while the answer to their heartbeat is on its way, some when half of a claim's result has come.
    Half of the workers at least are awake: nobody could take over where all sleep.
    """

    about = (
        "SIGSTOP to a worker and its executors for 1.5 to 3 leases, then SIGCONT; half of the workers are awake; "
        "some sleep inside a heartbeat, some with half of a claim's result"
    )
    _proxies: dict[int, Proxy]

    def environment(self, number: int) -> Mapping[str, str]:
        """`Storm`: a way to the database of its own."""
        proxy = self._proxies[number] = Proxy(connection(self.using).get_connection_params())
        return {DATABASE: json.dumps({"HOST": "127.0.0.1", "PORT": proxy.port})}

    def prepare(self) -> None:
        """`Storm`."""
        self._proxies = {}
        if self.workers < WORKERS_LEAST:
            raise ConfigurationError(f"This storm needs {WORKERS_LEAST} workers: while one sleeps another takes over.")
        super().prepare()

    def strike(self) -> None:
        """`Storm`."""
        self.await_work()
        sleepers: dict[int, threading.Thread] = {}
        done = 0
        while done < self.strikes and not self.over(done):
            awake = [w for w in self.fleet.workers if w.pid not in sleepers or not sleepers[w.pid].is_alive()]
            place = self.dice.choices([p for p, _ in PLACES], [w for _, w in PLACES])[0]
            seconds = self.lease_seconds * self.dice.uniform(1.5, 3.0)
            if len(awake) > (self.workers + 1) // 2 and (caught := self._catch(awake, place)):
                worker, trap = caught
                sleepers[worker.pid] = self._put_to_sleep(worker, place, trap, seconds)
                done += 1
            time.sleep(self.lease_seconds * self.dice.uniform(0.3, 0.8) / max(1, self.workers // 4))
        for sleeper in sleepers.values():
            sleeper.join()

    def _catch(
        self, awake: list[subprocess.Popen[bytes]], place: str
    ) -> tuple[subprocess.Popen[bytes], Trap | None] | None:
        """A worker at this place, and what holds it there; None when nobody comes by in time."""
        if not place:
            victim = self.victim()
            worker = next((w for w in awake if victim and victim in self.fleet.children(w)), None)
            return None if worker is None else (worker, None)
        worker = self.dice.choice(awake)
        proxy = self._proxies[self.fleet.numbers[worker.pid]]
        heartbeat = store.sql("heartbeat").splitlines()[0].encode()
        trap = Trap(marker=CLAIMED, answer=True) if place == CLAIM else Trap(marker=heartbeat, answer=False)
        proxy.lay(trap)
        if not trap.caught.wait(CATCH_SECONDS):
            proxy.take_up()
            trap.released.set()
            return None
        return worker, trap

    def _put_to_sleep(
        self, worker: subprocess.Popen[bytes], place: str, trap: Trap | None, seconds: float
    ) -> threading.Thread:
        children = self.fleet.children(worker)
        pids = [worker.pid, *(at.pid for at in children)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        stopped = now()
        for at in children:
            self.fleet.note("stop", at.pid, place or "zombie")
        self.note_held(worker.pid, stopped)
        sleeper = threading.Thread(target=_wake, args=(pids, seconds, trap))
        sleeper.start()
        return sleeper

    def clear_away(self) -> None:
        """`Storm`."""
        for proxy in self._proxies.values():
            proxy.cut()


def _wake(pids: list[int], seconds: float, trap: Trap | None) -> None:
    time.sleep(seconds)
    if trap is not None:
        trap.released.set()
    for pid in reversed(pids):
        if pid == pids[0]:
            time.sleep(AHEAD_SECONDS)  # the worker last: it would end its executors before they write anything
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue  # the fleet has ended it meanwhile
