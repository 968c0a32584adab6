"""A second talk beside the claimer's: it only writes what ended, in the duties' thread and on their connection.

So a worker has three connections at most. What is lent to the thread comes between two duties; while a duty is under
way nothing is lent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from docqueue.worker.bell import Bell
from docqueue.worker.readable import readable
from docqueue.worker.talk import Answer, Request, Talk


class Lender(Protocol):
    """A thread with a connection that does something else besides."""

    def reserve(self) -> bool:
        """Whether it is free; if so it is the caller's until what is lent to it is done."""

    def lend(self, work: Callable[[], None]) -> None:
        """Have it do `work`, after `reserve`."""

    def is_alive(self) -> bool:
        """Whether the thread runs."""


class Scribe:
    """A `Talker` in a thread that does something else besides. Hears nothing."""

    listening = False

    def __init__(self, talk: Talk, lender: Lender) -> None:
        self._talk = talk
        self._lender = lender
        self._answer: Answer | None = None
        self._told = Bell()
        self._busy = False
        self.wake = [self._told.fd]

    def reserve(self) -> bool:
        """Whether it is free. If so, `submit` must follow."""
        return self._lender.reserve()

    def submit(self, request: Request) -> None:
        """`Talker`."""
        self._busy = True
        self._lender.lend(lambda: self._work(request))

    def _work(self, request: Request) -> None:
        self._answer = self._talk(request)
        self._told.ring()

    def take(self) -> Answer | None:
        """`Talker`."""
        self._told.hush()
        answer, self._answer = self._answer, None
        if answer is not None:
            self._busy = False
        elif self._busy and not self._lender.is_alive():
            raise RuntimeError("the duties' thread has ended: what it was lent would not be written")
        return answer

    def heard(self) -> set[str]:
        """`Talker`."""
        return set()

    def broken(self) -> None:
        """`Talker`."""

    def hurry(self) -> None:
        """`Talker`."""

    def close(self) -> None:
        """`Talker`."""
        if self.wake:
            while self._busy and self._answer is None and self._lender.is_alive():
                readable(self.wake, 1.0)
            self.wake = []
            self._told.close()
