"""The duties in one worker: a thread and a connection of their own, so that none queues behind items."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext

from django.db import Error as DatabaseError

from docqueue import store
from docqueue.maintenance import REAP, all_duties, ours, perform
from docqueue.worker.pace import Pace


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
        due = {duty: Pace(duty.every_seconds) for duty in all_duties()}
        session: store.Session | None = None
        with store.own_connection(self.using):
            while not self._ended.is_set():
                session = self._prepared(session)
                for duty, pace in due.items():
                    began = time.monotonic()
                    if pace.due(began) and not self._ended.is_set():
                        if duty.name != REAP or self.calm():
                            with nullcontext() if session is None or ours(duty) else session.as_it_came():
                                perform(duty, self.using)
                        jitter = duty.every_seconds * random.uniform(0.9, 1.1)  # noqa: S311
                        pace.took(began, time.monotonic() - began if duty.paced else 0.0, jitter)
                self._ended.wait(max(0.05, min(pace.next for pace in due.values()) - time.monotonic()))

    def _prepared(self, session: store.Session | None) -> store.Session | None:
        """This thread's connection as a session of our own, in which what is asked every second is prepared."""
        try:
            if session is None or not session.fit():
                session = store.Session(self.using) if store.connected(self.using) else None
        except DatabaseError:  # it broke meanwhile; the next duty says so
            store.close(self.using)
            session = None
        return session

    def stop(self) -> None:
        """End the thread after the duty it is at."""
        self._ended.set()
        self.join(5)
