"""TERM and INT: once means stop in peace, twice means now. TTIN and TTOU: one process more, one fewer."""

from __future__ import annotations

import contextlib
import select
import signal
from collections.abc import Iterator
from types import FrameType

from docqueue.worker.bell import Bell

HANGING_SECONDS = 15.0
NOW_SECONDS = 8.0


class StopSignals:
    """Counts stop signals; `fd` becomes readable at each, so that a waiting loop wakes up.

    A stop that hangs, on a database that neither answers nor goes away, is cut off by the kernel: SIGALRM ends the
    process `HANGING_SECONDS` after the grace period, or `NOW_SECONDS` after the second signal. Its children follow.
    """

    def __init__(self, grace_seconds: float = 0.0) -> None:
        self.count = 0
        self.more = 0  # processes asked for, less those given up
        self.resized = False
        self.grace_seconds = grace_seconds
        self._bell = Bell()
        self.fd = self._bell.fd

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """What each stop signal does; also for who is asked to stop in another way."""
        self.count += 1
        limit = self.grace_seconds + HANGING_SECONDS if self.count == 1 else NOW_SECONDS
        signal.setitimer(signal.ITIMER_REAL, limit)
        self._bell.ring()

    def _resize(self, number: int, frame: FrameType | None) -> None:
        self.more += 1 if number == signal.SIGTTIN else -1
        self.resized = True
        self._bell.ring()

    def drain(self) -> None:
        """Make `fd` unreadable again."""
        self._bell.hush()

    def wait(self, seconds: float) -> None:
        """Wait for a signal, so many seconds at most."""
        select.select([self.fd], [], [], max(0.0, seconds))
        if not self.count:
            self.drain()

    @contextlib.contextmanager
    def installed(self) -> Iterator[StopSignals]:
        """Listen until the block ends (in the main thread only)."""
        before = {n: signal.signal(n, self._heard) for n in (signal.SIGTERM, signal.SIGINT)}
        before |= {n: signal.signal(n, self._resize) for n in (signal.SIGTTIN, signal.SIGTTOU)}
        try:
            yield self
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, old in before.items():
                signal.signal(number, old)
            self._bell.close()
