"""A pipe that wakes whoever waits for its descriptor; it may be rung from any thread and from a signal handler."""

from __future__ import annotations

import contextlib
import os


class Bell:
    """`fd` is readable from a ring until it is hushed."""

    def __init__(self) -> None:
        self.fd, self._write = os.pipe()
        for fd in (self.fd, self._write):
            os.set_blocking(fd, False)

    def ring(self) -> None:
        """Make `fd` readable."""
        with contextlib.suppress(BlockingIOError):  # it is full: it rings already
            os.write(self._write, b"!")

    def hush(self) -> None:
        """Make `fd` unreadable again."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)

    def close(self) -> None:
        """Give the pipe back. It must not be rung afterwards."""
        os.close(self.fd)
        os.close(self._write)
