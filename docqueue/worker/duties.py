"""The maintenance duties of one worker: a thread and a connection of their own, so that none queues behind items."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from types import ModuleType

from django.db import Error as DatabaseError

from docqueue import events, store
from docqueue.maintenance import DUTIES, reap


class Duties(threading.Thread):
    """Runs every duty when it is due. A duty that fails is reported and tried again at its next turn.

    While the own lease is not `calm` nobody is reaped: we might be the one who was away.
    """

    def __init__(self, using: str, calm: Callable[[], bool]) -> None:
        super().__init__(name="docqueue-duties", daemon=True)
        self.using = using
        self.calm = calm
        self._ended = threading.Event()

    def run(self) -> None:
        """Until stopped."""
        due = dict.fromkeys(DUTIES, 0.0)
        with store.own_connection(self.using):
            while not self._ended.is_set():
                now = time.monotonic()
                for duty in DUTIES:
                    if due[duty] <= now and not self._ended.is_set():
                        due[duty] = now + duty.EVERY_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
                        if duty is not reap or self.calm():
                            self._do(duty)
                self._ended.wait(max(0.05, min(due.values()) - time.monotonic()))

    def _do(self, duty: ModuleType) -> None:
        name = duty.__name__.rpartition(".")[2]
        try:
            done = duty.run(self.using)
        except DatabaseError as error:
            level = logging.DEBUG if store.is_unwell(error) else logging.ERROR  # the work loop reports an outage
            events.emit(events.EventName.DUTY_FAILED, level, duty=name, error=str(error).strip()[:300])
            store.close(self.using)
        except Exception as error:  # noqa: BLE001 - reported; see below
            # One duty's bug must not end the others, nor the worker.
            events.emit(events.EventName.DUTY_FAILED, logging.ERROR, duty=name, error=repr(error)[:300])
        else:
            if done:
                events.emit(events.EventName.DUTY_DONE, logging.DEBUG, duty=name, count=done)

    def stop(self) -> None:
        """End the thread after the duty it is at."""
        self._ended.set()
        self.join(5)
