"""Who talks with the database for a work loop: a thread with a connection of its own, or the loop itself.

With the thread, handlers run and timeouts are watched while a statement is under way. The thread also listens: it
tells the loop at once when an enqueue notified the worker, where nothing but PostgreSQL stands between.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Protocol

from django.db import Error as DatabaseError

from docqueue import store
from docqueue.conf import get_settings
from docqueue.worker.bell import Bell
from docqueue.worker.pace import jittered
from docqueue.worker.readable import readable
from docqueue.worker.talk import Answer, Request, Talk

WATCH_SECONDS = 1.0  # how long a talk goes on in which nothing is found


class Talker(Protocol):
    """One request at a time; its answer is taken when it is there."""

    @property
    def wake(self) -> list[int]:
        """Descriptors that become readable when `take` or `heard` have something."""

    @property
    def listening(self) -> bool:
        """Whether notifications arrive."""

    def submit(self, request: Request) -> None:
        """Start a talk. Only when no other is under way."""

    def take(self) -> Answer | None:
        """The answer, once."""

    def heard(self) -> set[str]:
        """The queues of which notifications came since the last call."""

    def broken(self) -> DatabaseError | None:
        """How the connection was found broken while it was idle, once."""

    def hurry(self) -> None:
        """Let the talk that is under way not go on looking."""

    def close(self) -> None:
        """Wait for the talk that is under way and end."""


class Direct:
    """Talks at once, in the caller's thread and on its connection. Hears nothing."""

    listening = False
    wake: list[int] = []

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._answer: Answer | None = None

    def submit(self, request: Request) -> None:
        """`Talker`."""
        self._answer = self._talk(request)

    def take(self) -> Answer | None:
        """`Talker`."""
        answer, self._answer = self._answer, None
        return answer

    def heard(self) -> set[str]:
        """`Talker`."""
        return set()

    def broken(self) -> DatabaseError | None:
        """`Talker`."""
        return None

    def hurry(self) -> None:
        """`Talker`."""

    def close(self) -> None:
        """`Talker`."""


class Thread(threading.Thread):
    """Talks in a thread of its own."""

    def __init__(self, talk: Talk) -> None:
        super().__init__(name="docqueue-talker", daemon=True)
        self._talk = talk
        self._request: Request | None = None
        self._answer: Answer | None = None
        self._heard: deque[str] = deque()
        self._ended = False
        self._broken: DatabaseError | None = None
        self._session: store.Session | None = None
        self._asked, self._told = Bell(), Bell()
        self.wake = [self._told.fd]

    @property
    def listening(self) -> bool:
        """`Talker`."""
        return self._session is not None and self._session.listening

    def submit(self, request: Request) -> None:
        """`Talker`."""
        self._request = request
        self._asked.ring()

    def take(self) -> Answer | None:
        """`Talker`."""
        self._told.hush()
        answer, self._answer = self._answer, None
        if answer is None and not self._ended and not self.is_alive():
            raise RuntimeError("the talker's thread has ended: nothing more would be claimed or written")
        return answer

    def heard(self) -> set[str]:
        """`Talker`."""
        return {self._heard.popleft() for _ in range(len(self._heard))}

    def broken(self) -> DatabaseError | None:
        """`Talker`."""
        error, self._broken = self._broken, None
        return error

    def hurry(self) -> None:
        """`Talker`."""
        if not self._ended:
            self._asked.ring()

    def close(self) -> None:
        """`Talker`."""
        if self._ended:
            return
        self._ended = True
        self._asked.ring()
        self.join()
        self._asked.close()
        self._told.close()

    def run(self) -> None:
        """Until closed."""
        with store.own_connection(self._talk.using):
            while not self._ended:
                ears = self._listen()
                ready = readable([self._asked.fd] if ears is None else [self._asked.fd, ears])
                if ears in ready:
                    self._hear()
                if self._asked.fd in ready:
                    self._asked.hush()
                    request, self._request = self._request, None
                    if request is not None:
                        self._answer = self._watch(request)
                        self._told.ring()

    def _watch(self, request: Request) -> Answer:
        """Talk; where it is asked for, again and again, so that an idle worker has one thread that wakes, not two."""
        until = time.monotonic() + WATCH_SECONDS
        while True:
            answer = self._talk(request)
            nothing = answer.vain and answer.orders != "stop"
            if not request.every or not nothing or answer.error is not None or time.monotonic() > until:
                return answer
            if readable([self._asked.fd], jittered(request.every)):
                return answer  # it is to hurry or to end

    def _listen(self) -> int | None:
        """The descriptor to wait on for notifications. Each new connection is made a session of our own first."""
        try:
            if self._session is None or not self._session.fit():
                self._session = None
                if store.connected(self._talk.using):
                    session = store.Session(self._talk.using)
                    if get_settings().LISTEN:
                        session.listen(self._note)
                    self._session = session
            return self._session.fileno() if self._session is not None and self._session.listening else None
        except DatabaseError:  # it broke at the end of a talk; the next one makes a new connection, or says why not
            store.close(self._talk.using)
            self._session = None
            return None

    def _hear(self) -> None:
        assert self._session is not None
        try:
            self._session.hear()
        except DatabaseError as error:
            store.close(self._talk.using)
            self._session, self._broken = None, error
            self._told.ring()

    def _note(self, queue: str) -> None:
        self._heard.append(queue)
        self._told.ring()


def start(talk: Talk) -> Talker:
    """A talker in a thread of its own, started."""
    thread = Thread(talk)
    thread.start()
    return thread
