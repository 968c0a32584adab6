"""Asking again cheaply, as everywhere in the API (`docqueue.api.polling`), within the bounds that ingestion sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.api import polling
from docqueue.api.polling import (
    CLOCK_STEP_SECONDS,
    IF_NONE_MATCH,
    MOST_SECONDS,
    NOT_MODIFIED,
    PAUSE_SECONDS,
    Bounds,
    Look,
    etag,
)
from ingestion.codes import WaitingReason
from ingestion.errors import InvalidWait
from ingestion.limits import get_limits

__all__ = [
    "CLOCK_STEP_SECONDS",
    "IF_NONE_MATCH",
    "MOST_SECONDS",
    "NOT_MODIFIED",
    "PAUSE_SECONDS",
    "WAIT",
    "Look",
    "answer",
    "etag",
]

WAIT = OpenApiParameter("wait", int, description=f"{polling.WAIT.description} See max_wait_seconds in GET limits.")


def answer(request: Request, look: Callable[[], Look]) -> Response:
    """The answer to a client that may have the last one; see `docqueue.api.polling.answer`. Raises `InvalidWait`."""
    return polling.answer(request, look, _bounds())


def _bounds() -> Bounds:
    limits = get_limits()
    return Bounds(
        seconds=limits.max_wait_seconds,
        answers=limits.max_held_answers,
        ask_again=_ask_again_after,
        refused=InvalidWait,
    )


def _ask_again_after(body: dict[str, Any]) -> int:
    """Seconds after which something new may be there: little while work runs, more while it waits for something."""
    reason = body.get("waiting_reason")
    return 1 if reason is None else 2 if reason == WaitingReason.QUEUED else 5
