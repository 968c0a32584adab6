"""The duties in one worker: a thread and a connection of their own, so that none queues behind items."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from docqueue import store
from docqueue.maintenance import REAP, all_duties, perform


class Duties(threading.Thread):
    """Runs every duty when it is due.

    While the own lease is not `calm` nobody is reaped: we might be the one who was away.
    """

    def __init__(self, using: str, calm: Callable[[], bool]) -> None:
        super().__init__(name="docqueue-duties", daemon=True)
        self.using = using
        self.calm = calm
        self._ended = threading.Event()

    def run(self) -> None:
        """Until stopped."""
        due = dict.fromkeys(all_duties(), 0.0)
        with store.own_connection(self.using):
            while not self._ended.is_set():
                now = time.monotonic()
                for duty in due:
                    if due[duty] <= now and not self._ended.is_set():
                        due[duty] = now + duty.every_seconds * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
                        if duty.name != REAP or self.calm():
                            perform(duty, self.using)
                self._ended.wait(max(0.05, min(due.values()) - time.monotonic()))

    def stop(self) -> None:
        """End the thread after the duty it is at."""
        self._ended.set()
        self.join(5)
