"""What one call to a knowledge store cost, told to whoever subscribes: rows, metrics, a terminal.

Stores that speak to nobody (`LocalKM`) tell nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class KMCall:
    """One HTTP exchange, finished or failed. Durations are seconds; None where it did not come so far.

    `method` is the protocol's verb (`put`, `put_many`, `exists` …), `attempt` counts the exchanges of one verb from 1.
    `status` is the HTTP status, `code` the error code where it failed. `bytes_sent` are those of the documents.
    """

    method: str
    started_at: datetime
    attempt: int = 1
    status: int | None = None
    code: str = ""
    document_ids: tuple[int, ...] = ()
    bytes_sent: int = 0
    queue_wait_seconds: float | None = None
    connect_seconds: float | None = None
    send_seconds: float | None = None
    first_byte_seconds: float | None = None
    total_seconds: float = 0.0

    @property
    def bytes_per_second(self) -> float | None:
        """How fast the documents went out; None where nothing was sent."""
        return self.bytes_sent / self.send_seconds if self.bytes_sent and self.send_seconds else None


Subscriber = Callable[[KMCall], None]
_subscribers: list[Subscriber] = []


def subscribe(subscriber: Subscriber) -> None:
    """Have `subscriber` hear of every call of this process. Subscribing twice is subscribing once."""
    if subscriber not in _subscribers:
        _subscribers.append(subscriber)


@contextmanager
def heard_by(subscriber: Subscriber) -> Iterator[None]:
    """Have `subscriber` hear of the calls within the block."""
    subscribe(subscriber)
    try:
        yield
    finally:
        _subscribers.remove(subscriber)


def record(call: KMCall) -> None:
    """Tell the subscribers. One that raises is logged: no document fails because of its diagnostics."""
    for subscriber in _subscribers:
        try:
            subscriber(call)
        except Exception:
            log.exception("%r could not take in a call to the knowledge store", subscriber)
