"""On a terminal: one live line under the worker's log that says what it is doing. Needs rich (the extra `cli`)."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docqueue.worker.supervisor import Supervisor

REFRESHES = 2  # a second
WINDOW_SECONDS = 5.0  # over which the rate is taken


class Status:
    """The line. rich asks for it, from a thread of its own; it only reads."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self._seen: deque[tuple[float, int]] = deque()

    def __rich__(self) -> str:
        return self.text(time.monotonic())

    def text(self, now: float) -> str:
        """What there is to say at `now` (monotonic)."""
        counts = self.supervisor.tally.as_dict()
        ended = sum(counts[name] for name in ("completed", "failed", "cancelled", "snoozed"))
        self._seen.append((now, ended))
        while now - self._seen[0][0] > WINDOW_SECONDS:
            self._seen.popleft()
        (since, before), span = self._seen[0], max(0.001, now - self._seen[0][0])
        rate = (ended - before) / span if now > since else 0.0
        said = [f"{counts['completed']:,} completed"]
        said += [f"{counts[name]:,} {name}" for name in ("retried", "dead", "cancelled") if counts[name]]
        return " · ".join([self.supervisor.at_work(), *said, f"{rate:,.0f}/s"])


@contextmanager
def live(supervisor: Supervisor) -> Iterator[None]:
    """Show the line for the length of the block, where standard error is a terminal and rich is there."""
    if not sys.stderr.isatty():
        yield
        return
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:
        yield
        return
    shown = Live(
        Status(supervisor),
        console=Console(stderr=True, highlight=False),
        refresh_per_second=REFRESHES,
        transient=True,
        redirect_stdout=True,
    )
    with shown, _logs_above():
        yield


@contextmanager
def _logs_above() -> Iterator[None]:
    """Have log handlers that write to the terminal write above the line: through what rich put in its place."""
    streams = {sys.__stdout__: sys.stdout, sys.__stderr__: sys.stderr}
    loggers: list[Any] = [logging.root, *logging.root.manager.loggerDict.values()]
    handlers = {handler for logger in loggers for handler in getattr(logger, "handlers", ())}
    moved = [h for h in handlers if isinstance(h, logging.StreamHandler) and h.stream in streams]
    before = [(handler, handler.setStream(streams[handler.stream])) for handler in moved]
    try:
        yield
    finally:
        for handler, stream in before:
            handler.setStream(stream)
