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

from ingestion.codes import WaitingReason
from ingestion.errors import InvalidWait
from ingestion.limits import get_limits

CLOCK_STEP_SECONDS = 10
MOST_SECONDS = 30
PAUSE_SECONDS = (0.1, 1.0)
"""How long a held answer rests between two looks: first, and at most."""

_lock, _holding = threading.Lock(), set[object]()

WAIT = OpenApiParameter(
    "wait",
    int,
    description="Seconds, 0 to 30, to hold the answer until it differs from `If-None-Match` (without that: until it is "
    "finished). The server may hold it for less: see max_wait_seconds in GET limits.",
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
    """What one look found. `at` tells it of a moment; `finished`: it changes no more by itself."""

    at: Callable[[datetime], dict[str, Any]]
    finished: bool


def answer(request: Request, look: Callable[[], Look]) -> Response:
    """The answer to a client that may have the last one: 200 with a tag, or 304. Raises `InvalidWait`.

    With `?wait=` it looks again, at growing intervals, until there is something new to tell or the time is over. No
    transaction is open meanwhile, but the thread is taken: so only a few answers are held at a time.
    """
    known = request.headers.get("If-None-Match", "")
    with _held(_wait(request)) as wait:
        until, pause = time.monotonic() + wait, PAUSE_SECONDS[0]
        while True:
            found = look()
            tag = etag(found.at)
            left = until - time.monotonic()
            if found.finished or left <= 0 or (known and not _matches(known, tag)):
                break
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, PAUSE_SECONDS[1])
    body = found.at(timezone.now())
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if not found.finished:
        headers["Retry-After"] = str(_ask_again_after(body))
    if _matches(known, tag):
        return Response(status=304, headers=headers)
    return Response(body, headers=headers)


@contextmanager
def _held(wait: int) -> Iterator[int]:
    """Take one of the places for held answers of this process. Gives the seconds to hold it: 0 when none is free."""
    place = object()
    with _lock:
        if wait and len(_holding) < get_limits().max_held_answers:
            _holding.add(place)
        held = place in _holding
    try:
        yield wait if held else 0
    finally:
        with _lock:
            _holding.discard(place)


def etag(at: Callable[[datetime], dict[str, Any]]) -> str:
    """The weak tag of what is shown now."""
    now = timezone.now()
    step = now - timedelta(seconds=now.timestamp() % CLOCK_STEP_SECONDS)
    text = json.dumps(at(step), cls=DjangoJSONEncoder, sort_keys=True)
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def _matches(known: str, tag: str) -> bool:
    """Whether the client has this answer, by the weak comparison that GET asks for."""
    tags = [one.removeprefix("W/") for one in parse_etags(known)] if known else []
    return tag.removeprefix("W/") in tags or tags == ["*"]


def _wait(request: Request) -> int:
    text = request.query_params.get("wait", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and int(text) <= MOST_SECONDS):
        raise InvalidWait
    return min(int(text), get_limits().max_wait_seconds)


def _ask_again_after(body: dict[str, Any]) -> int:
    """Seconds after which something new may be there: little while work runs, more while it waits for something."""
    reason = body.get("waiting_reason")
    return 1 if reason is None else 2 if reason == WaitingReason.QUEUED else 5
