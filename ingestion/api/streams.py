"""Streams of server-sent events: what is told of something that changes, and how few resources that takes.

A stream looks at the present state again and again and tells what differs from the state told last. There is no log of
events, and none is needed: each event carries the whole state, so a client that was away is put right by the next one.
Its `id` is the state's ETag. A client that comes back with it (Last-Event-ID) hears nothing until that state has
changed, also in another process or after a restart.

One thread of the process looks for all streams, one after the other, on one connection to the database, which is closed
whenever no stream waits for a look. Between looks a stream holds neither connection nor transaction.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import FrameType
from typing import Any
from weakref import WeakSet

from django.db import InterfaceError, OperationalError, connections
from django.http import Http404
from django.utils import timezone, translation
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, PermissionDenied
from rest_framework.renderers import JSONRenderer

from docqueue import correlation
from ingestion.api.polling import PAUSE_SECONDS, Look, etag
from ingestion.errors import EventsOff, TooManyStreams
from ingestion.limits import get_limits

HEARTBEAT_SECONDS = 15
RETRY_MILLISECONDS = 2_000
END = "end"
"""The id of the last event of what has finished."""

_lock, _open, _stopping = threading.Lock(), WeakSet["Stream"](), threading.Event()
_looker, _waiting = ThreadPoolExecutor(1, thread_name_prefix="events"), set[object]()


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What one look found, ready to be sent."""

    tag: str
    data: bytes
    finished: bool


class Stream:
    """One open stream: iterate over it once, for bytes to send. It ends when the thing has finished or is gone, when
    its caller may not see it any more, after MAX_EVENT_STREAM_SECONDS, and when the server stops.

    It takes one of the places of this process until it is closed or forgotten. Raises `TooManyStreams`, `EventsOff`.
    """

    def __init__(self, look: Callable[[], Look], *, known: str) -> None:
        """`look` is called in another thread, and raises as a view does for who may not see it. `known` is the tag of
        the state that the client has.
        """
        self.look, self.known = look, known
        self.language, self.bound = translation.get_language(), correlation.current()
        limits = get_limits()
        if limits.max_event_streams == 0:
            raise EventsOff
        self.seconds = limits.max_event_stream_seconds
        with _lock:
            if len(_open) >= limits.max_event_streams:
                raise TooManyStreams
            _open.add(self)

    def close(self) -> None:
        """Give the place back. Django calls it when the answer is over, however that came."""
        with _lock:
            _open.discard(self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        _hear_of_stops()
        try:
            async for event in self._events():
                yield event
        finally:
            self.close()

    async def _events(self) -> AsyncIterator[bytes]:
        yield b"retry: %d\n\n" % RETRY_MILLISECONDS
        until, spoke, pause = time.monotonic() + self.seconds, time.monotonic(), PAUSE_SECONDS[0]
        while not _stopping.is_set():
            try:
                seen = await self._seen()
            except Http404:
                yield _event(END, b'{"reason":"not_found"}')
                return
            except (NotAuthenticated, AuthenticationFailed, PermissionDenied):
                yield _event(END, b'{"reason":"not_authenticated"}')
                return
            if seen is not None and seen.tag != self.known:
                yield _event("progress", seen.data, seen.tag)
                self.known, spoke, pause = seen.tag, time.monotonic(), PAUSE_SECONDS[0]
            if seen is not None and seen.finished:
                yield _event(END, b'{"reason":"finished"}', END)
                return
            now = time.monotonic()
            if now >= until:
                return
            if now - spoke >= HEARTBEAT_SECONDS:
                yield b":\n\n"
                spoke = now
            await asyncio.sleep(min(pause, until - now))
            pause = min(pause * 1.5, PAUSE_SECONDS[1])

    async def _seen(self) -> Seen | None:
        """Look, in the thread for that. None: the database is away, and a later look will tell."""
        ticket = object()
        _waiting.add(ticket)
        work = asyncio.get_running_loop().run_in_executor(_looker, self._look, ticket)
        try:
            return await work
        except (OperationalError, InterfaceError):
            return None
        except asyncio.CancelledError:  # the client has gone, maybe before its turn came
            _waiting.discard(ticket)
            _looker.submit(_rest)
            raise

    def _look(self, ticket: object) -> Seen:
        try:
            with correlation.bind(**self.bound), translation.override(self.language):
                found = self.look()
                tag, body = etag(found.at), found.at(timezone.now())
                return Seen(tag=tag, data=JSONRenderer().render(body), finished=found.finished)
        except (OperationalError, InterfaceError):
            connections.close_all()
            raise
        finally:
            _waiting.discard(ticket)
            _rest()


def _rest() -> None:
    """In the looking thread: let its connection go when nobody waits for a look."""
    if not _waiting:
        connections.close_all()


def _event(name: str, data: bytes, tag: str = "") -> bytes:
    """One event on the wire; `data` has no line breaks, as it is JSON."""
    mark = f"id: {tag}\n".encode() if tag else b""
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), mark, data)


def _hear_of_stops() -> None:
    """Have a TERM or INT to the server end the streams: servers wait for open answers before they stop.

    What the server itself does on the signal stays as it is. Nothing happens where it hears of no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if callable(before) and not isinstance(before, _Stop):
            signal.signal(number, _Stop(before))


class _Stop:
    """A signal's handler: the streams end, then what was there before is done."""

    def __init__(self, before: Callable[[int, FrameType | None], Any]) -> None:
        self.before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        _stopping.set()
        self.before(number, frame)
