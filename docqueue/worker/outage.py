"""Calm while the database is unwell: what is finished is kept, nothing is claimed, and each try waits longer."""

from __future__ import annotations

import logging
import random
import time
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from docqueue import events, store

FIRST_SECONDS = 0.2
MOST_SECONDS = 5.0
# Somebody else's lock, deadlock or cancelled statement: nothing is wrong with what we sent, so it is sent again.
PASSING_SQLSTATE_CLASSES = ("40", "55", "57")

# A worker must notice within a minute that the other end of its connection is gone without a word.
IMPATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms
}


def be_impatient(using: str) -> None:
    """Set these for this process's connections, where the project's settings do not.

    And have no pool: each of our threads keeps one connection, and a pool in each process would open four more.
    """
    options = connections.settings[using]["OPTIONS"]
    options.pop("pool", None)
    for name, value in IMPATIENCE.items():
        options.setdefault(name, value)


def passing(error: BaseException) -> bool:
    """Whether the same statement may succeed later: the database is unwell or somebody was in the way."""
    if not isinstance(error, DatabaseError):
        return False
    return store.is_unwell(error) or store.sqlstate(error).startswith(PASSING_SQLSTATE_CLASSES)


class Outage:
    """The backoff of one worker's statements. `until` (monotonic) is when to try again."""

    def __init__(self, using: str) -> None:
        self.using = using
        self.until = 0.0
        self._pause = 0.0

    def failed(self, error: DatabaseError, **fields: Any) -> None:
        """A statement failed: close the connection and wait. Raises `error` when waiting would not help."""
        if not passing(error):
            raise error
        if not self._pause:
            events.emit(events.EventName.DATABASE_UNWELL, logging.ERROR, error=str(error).strip()[:300], **fields)
        store.close(self.using)
        self._pause = min(MOST_SECONDS, max(FIRST_SECONDS, self._pause * 2))
        self.until = time.monotonic() + self._pause * random.uniform(0.1, 1.0)  # noqa: S311 - jitter

    @property
    def lasts(self) -> bool:
        """Whether the last statement failed for it."""
        return bool(self._pause)

    def over(self, **fields: Any) -> None:
        """The database answered."""
        if self._pause:
            self._pause = 0.0
            events.emit(events.EventName.DATABASE_BACK, **fields)
