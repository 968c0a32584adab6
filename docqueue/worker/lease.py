"""The worker's lease: one row, renewed by a thread of its own on a connection of its own."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Protocol

from django.db import Error as DatabaseError

from docqueue import claiming, events, store

RETRY_SECONDS = 1.0
CALM_SECONDS = 3 * RETRY_SECONDS


class Standing(Protocol):
    """The part of the lease that the work loop asks."""

    def stands(self) -> bool: ...


class Lease(threading.Thread):
    """Renews the worker row until stopped.

    `lost` is set once the database says that the row is lost. While the database can not be asked, the lease stands
    as long as it would by the last answer (`expires`, monotonic); no safety hangs on that, only politeness.
    """

    def __init__(
        self, using: str, worker: int, lease_seconds: float, heartbeat_seconds: float, file: Path | None = None
    ) -> None:
        """`file` is touched at each renewal, for probes."""
        super().__init__(name="docqueue-lease", daemon=True)
        self.using = using
        self.worker = worker
        self.lease_seconds = lease_seconds
        self.heartbeat_seconds = heartbeat_seconds
        self.expires = time.monotonic() + lease_seconds
        self.file = file
        self.info: str | None = None  # JSON for people, written with each renewal
        self._failed_at = float("-inf")
        self.lost = threading.Event()
        self._ended = threading.Event()

    def run(self) -> None:
        """Renew every `heartbeat_seconds`; at first, and after a failure, after a second."""
        pause = min(RETRY_SECONDS, self.heartbeat_seconds)  # the first soon, with what there is to tell
        self._touch()  # the lease that the row was made with
        with store.own_connection(self.using):
            while not self._ended.wait(pause):
                asked = time.monotonic()
                try:
                    stands = claiming.renew(self.using, self.worker, self.lease_seconds, self.info)
                except Exception as error:  # noqa: BLE001 - a thread that ended would take the lease with it
                    if not isinstance(error, DatabaseError):
                        events.emit(events.EventName.DUTY_FAILED, logging.ERROR, duty="lease", error=repr(error)[:300])
                    # The supervisor's own statements fail too and say so; here only the next try matters.
                    store.close(self.using)
                    self._failed_at = time.monotonic()
                    pause = min(RETRY_SECONDS, self.heartbeat_seconds)
                    continue
                pause = self.heartbeat_seconds
                if not stands:
                    self.lost.set()
                    events.emit(events.EventName.LEASE_LOST, logging.ERROR, worker_id=self.worker)
                    return
                self.expires = asked + self.lease_seconds
                self._touch()

    def _touch(self) -> None:
        if self.file is not None:
            try:
                self.file.touch()
            except OSError as error:
                fields = {"duty": "heartbeat file", "error": repr(error)[:300]}
                events.emit(events.EventName.DUTY_FAILED, logging.ERROR, **fields)

    def stands(self) -> bool:
        """Whether this worker may still take itself for alive."""
        return not self.lost.is_set() and time.monotonic() < self.expires

    def calm(self) -> bool:
        """Whether it stands and has been renewed without trouble for a while.

        After an outage every worker needs a moment to renew; nobody should be called lost before.
        """
        return self.stands() and time.monotonic() - self._failed_at > CALM_SECONDS

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self.join(5)
