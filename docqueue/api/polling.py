"""Asking again cheaply: an ETag for what is shown, 304 for what has not changed, and `?wait=` to hold an answer.

The tag is made of the answer itself, told of the beginning of the present ten seconds: what changes with the clock
alone (a countdown, the time left) makes a new answer no more often than that, everything else at once.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.exceptions import InvalidWait

CLOCK_STEP_SECONDS = 10
MOST_SECONDS = 30
PAUSE_SECONDS = (0.1, 1.0)
"""How long a held answer rests between two looks: first, and at most."""

_lock, _holding = threading.Lock(), set[object]()

WAIT = OpenApiParameter(
    "wait",
    int,
    description="Seconds, 0 to 30, to hold the answer until it differs from `If-None-Match` (without that: until it is "
    "finished). The server may hold it for less.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of the last answer: 304 while nothing changed.",
)
NOT_MODIFIED = OpenApiResponse(description="Nothing has changed since the answer with that ETag; without a body.")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look found. `at` tells it of a moment; `finished`: it changes no more by itself.

    `tagged`: what its tag is made of, where that is less than what is told.
    """

    at: Callable[[datetime], dict[str, Any]]
    finished: bool
    tagged: Callable[[datetime], dict[str, Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How long answers are held, and how many of a process at a time; after how many seconds it is worth asking again.

    `refused` is raised for a `wait` that makes no sense.
    """

    answers: int
    seconds: int = MOST_SECONDS
    ask_again: Callable[[dict[str, Any]], int] = lambda _: 1
    refused: type[Exception] = InvalidWait


def answer(request: Request, look: Callable[[], Look], bounds: Bounds) -> Response:
    """The answer to a client that may have the last one: 200 with a tag, or 304. Raises `bounds.refused`.

    With `?wait=` it looks again, at growing intervals, until there is something new to tell or the time is over. No
    transaction may be open meanwhile, and the thread is taken: so only a few answers are held at a time.
    """
    known = request.headers.get("If-None-Match", "")
    with held(wait_of(request, bounds), bounds.answers) as wait:
        until, pause = time.monotonic() + wait, PAUSE_SECONDS[0]
        while True:
            found = look()
            tag = etag(found.tagged or found.at)
            left = until - time.monotonic()
            if found.finished or left <= 0 or (known and not matches(known, tag)):
                break
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, PAUSE_SECONDS[1])
    body = found.at(timezone.now())
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if not found.finished:
        headers["Retry-After"] = str(bounds.ask_again(body))
    if matches(known, tag):
        return Response(status=304, headers=headers)
    return Response(body, headers=headers)


@contextmanager
def held(wait: int, most: int) -> Iterator[int]:
    """Take one of this process's `most` places for held answers. Gives the seconds to hold it: 0 when none is free."""
    place = object()
    with _lock:
        if wait and len(_holding) < most:
            _holding.add(place)
        has_one = place in _holding
    try:
        yield wait if has_one else 0
    finally:
        with _lock:
            _holding.discard(place)


def etag(at: Callable[[datetime], dict[str, Any]]) -> str:
    """The weak tag of what is shown now."""
    now = timezone.now()
    step = now - timedelta(seconds=now.timestamp() % CLOCK_STEP_SECONDS)
    text = json.dumps(at(step), cls=DjangoJSONEncoder, sort_keys=True)
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def matches(known: str, tag: str) -> bool:
    """Whether the client has this answer, by the weak comparison that GET asks for."""
    tags = [one.removeprefix("W/") for one in parse_etags(known)] if known else []
    return tag.removeprefix("W/") in tags or tags == ["*"]


def wait_of(request: Request, bounds: Bounds) -> int:
    """The seconds that the request asks to wait, as far as it may. Raises what `bounds` says."""
    text = request.query_params.get("wait", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and int(text) <= MOST_SECONDS):
        raise bounds.refused
    return min(int(text), bounds.seconds)
