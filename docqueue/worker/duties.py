"""The duties in one worker: a thread and a connection of their own, so that none queues behind items.

Between two duties the thread may be lent for a statement (scribe.py).
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

from django.db import Error as DatabaseError

from docqueue import events, store
from docqueue.duties import Duty
from docqueue.maintenance import REAP, all_duties, ours, perform
from docqueue.worker.pace import Pace

SELDOM_SECONDS = 10.0  # what runs no more often has time, and workers start together


def _first(duty: Duty, now: float) -> Pace:
    """Due at once, or, if it runs seldom, some time soon: workers that start together must not all count and prune."""
    pace = Pace(duty.every_seconds)
    if duty.every_seconds >= SELDOM_SECONDS:
        pace.next = now + random.uniform(0.0, SELDOM_SECONDS)  # noqa: S311 - no secret
    return pace


class Duties(threading.Thread):
    """Runs every duty when it is due, those that are this worker's `own` as well.

    While the own lease is not `calm` nobody is reaped: we might be the one who was away.
    """

    def __init__(self, using: str, calm: Callable[[], bool], own: Sequence[Duty] = ()) -> None:
        super().__init__(name="docqueue-duties", daemon=True)
        self.using = using
        self.calm = calm
        self.own = own
        self._ended = False
        self._due: dict[Duty, Pace] = {}
        self._free = threading.Lock()
        self._lent: Callable[[], None] | None = None
        self._awake = threading.Event()

    def run(self) -> None:
        """Until stopped."""
        self._due = {duty: _first(duty, time.monotonic()) for duty in (*self.own, *all_duties())}
        session: store.Session | None = None
        with store.own_connection(self.using):
            while not self._ended:
                lent, self._lent = self._lent, None
                if lent is not None or self._free.acquire(blocking=False):  # else it is reserved, and comes at once
                    try:
                        session = self._prepared(session)
                        if lent is not None:
                            lent()
                        self._perform(session)
                    except Exception as error:  # noqa: BLE001 - a thread that ended would take all duties with it
                        events.emit(events.EventName.DUTY_FAILED, logging.ERROR, duty="all", error=repr(error)[:300])
                        store.close(self.using)
                    finally:
                        self._free.release()
                self._awake.wait(max(0.05, min(pace.next for pace in self._due.values()) - time.monotonic()))
                self._awake.clear()

    def reserve(self) -> bool:
        """`Lender`: no, while a duty is under way."""
        return self.is_alive() and not self._ended and self._free.acquire(blocking=False)

    def lend(self, work: Callable[[], None]) -> None:
        """`Lender`."""
        self._lent = work
        self._awake.set()

    def _perform(self, session: store.Session | None) -> None:
        for duty, pace in self._due.items():
            began = time.monotonic()
            if pace.due(began) and not self._ended:
                if duty.name != REAP or self.calm():
                    perform(duty, self.using, None if session is None or ours(duty) else session.as_it_came())
                jitter = duty.every_seconds * random.uniform(0.9, 1.1)  # noqa: S311
                pace.took(began, time.monotonic() - began if duty.paced else 0.0, jitter)

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
        self._ended = True
        self._awake.set()
        self.join(5)
