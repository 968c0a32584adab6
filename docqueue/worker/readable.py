"""Waiting for descriptors, however large their numbers are (`select` knows 1,023) and at little cost."""

from __future__ import annotations

import select
from collections.abc import Sequence


def readable(fds: Sequence[int], seconds: float | None = None) -> set[int]:
    """Wait until some can be read or have ended, at most so many seconds (None: for ever). Which."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return {fd for fd, _ in poll.poll(None if seconds is None else seconds * 1000)}
