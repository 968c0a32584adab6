"""A circuit breaker for one store in one process: after some failures that are the store's, it is left alone a while.

Open, every call is refused at once; when its time is over one call is let through as a probe, and its end decides.
The times are jittered, so that many processes do not come back to a store at the same moment.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

FAILURES = 3
"""So many calls in a row have to find the store out of order."""
OPEN_SECONDS, LONGEST_SECONDS = 3.0, 10.0


class Breaker:
    """Thread-safe. `clock` is a monotonic one; `because` is what the store was last found out of order by."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._opens = 0
        self._until = 0.0
        self._probe_since: float | None = None
        self.because: Exception | None = None

    def wait_seconds(self) -> float:
        """0 where a call may be made now, and then it has to be reported; else how long to wait."""
        with self._lock:
            if self._failures < FAILURES:
                return 0.0
            now = self._clock()
            if now < self._until:
                return self._until - now
            if self._probe_since is not None and now - self._probe_since < LONGEST_SECONDS:
                return OPEN_SECONDS  # another call is the probe
            self._probe_since = now
            return 0.0

    def succeeded(self) -> None:
        """The store answered as a store that serves."""
        with self._lock:
            self._failures, self._opens, self._probe_since = 0, 0, None

    def learnt_nothing(self) -> None:
        """The call ended in a way that says nothing about the store: the next one may be the probe."""
        with self._lock:
            self._probe_since = None

    def failed(self, because: Exception, retry_after: float | None = None) -> None:
        """The store is out of order; `retry_after`: it asked to be left alone so long."""
        with self._lock:
            self.because = because
            self._failures += 1
            self._probe_since = None
            if self._failures < FAILURES:
                return
            pause = min(LONGEST_SECONDS, OPEN_SECONDS * 1.5**self._opens)
            self._opens += 1
            pause *= random.uniform(0.75, 1.25)  # noqa: S311 - no secret
            self._until = self._clock() + max(pause, min(retry_after or 0.0, LONGEST_SECONDS))
