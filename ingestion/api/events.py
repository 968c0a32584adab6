"""GET …/events: how an upload or a document goes on, as server-sent events, where the server speaks ASGI.

The view itself is as every other: it says who may listen, in problem JSON. What it returns is read by the event loop,
which WSGI has none of; there a stream would take a thread for as long as somebody listens, so it is refused.
"""

from __future__ import annotations

import copy
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.decorators import method_decorator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.api.base import refused
from ingestion.api.examples import EVENTS
from ingestion.api.following import Followed, FollowedDocument, FollowedIntake
from ingestion.api.polling import Look
from ingestion.api.streams import END, Stream
from ingestion.errors import NeedsAsgi

CONTENT_TYPE = "text/event-stream"
DESCRIPTION = (
    "`event: progress` with the present state, then one whenever it has changed; `data` is what the address without "
    "/events answers, `id` its ETag. `event: end` when it has finished or is gone; close the stream then. Coming back "
    "with `Last-Event-ID` tells nothing until that state has changed; with `end`, of what is still finished: 204. "
    "Needs a server that speaks ASGI (406 `needs_asgi` elsewhere): be ready to ask with `wait` instead."
)
PARAMETERS = [
    OpenApiParameter(
        "Last-Event-ID",
        str,
        OpenApiParameter.HEADER,
        description="The `id` of the last event that came; browsers send it by themselves.",
    )
]
RESPONSES: dict[Any, Any] = {
    (200, CONTENT_TYPE): OpenApiResponse(OpenApiTypes.STR, description="The stream.", examples=[EVENTS]),
    204: OpenApiResponse(description="The end was told, and nothing has begun since. Browsers do not come again."),
    **refused(401, 404, 406, 429, 503),
}


class EventStreamRenderer(JSONRenderer):
    """Lets a client ask for events alone; refusals are JSON all the same."""

    media_type = CONTENT_TYPE
    format = "events"


class EventsView(Followed):
    """The stream of events of one thing."""

    renderer_classes = [EventStreamRenderer, JSONRenderer]
    http_method_names = ["get", "options"]  # HEAD would hold a stream that nobody hears

    def stream(self, request: Request, pk: int) -> HttpResponse | StreamingHttpResponse | Response:
        """The answer. Raises `NeedsAsgi`, and what `Stream` does; 404 for what is not the caller's."""
        if not hasattr(request, "scope"):  # the request came by WSGI
            raise NeedsAsgi
        self.begin(request, pk)
        known = request.headers.get("Last-Event-ID", "")
        if known == END and self.look(request, pk).finished:
            return Response(status=204)
        plain: HttpRequest = request._request  # noqa: SLF001 - documented there; it has no other name
        stream = Stream(lambda: self._look_again(plain, pk), known=known)
        connections.close_all()  # this thread is kept for the request until the stream ends, and is idle meanwhile
        headers = {"Cache-Control": "private, no-cache", "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(stream, content_type=f"{CONTENT_TYPE}; charset=utf-8", headers=headers)

    def _look_again(self, request: HttpRequest, pk: int) -> Look:
        """One look, if the caller still may: a session may have ended meanwhile, a token been taken back."""
        again = self.initialize_request(_afresh(request))
        self.perform_authentication(again)
        self.check_permissions(again)
        return self.look(again, pk)


def _afresh(request: HttpRequest) -> HttpRequest:
    """The request as it came, with what was looked up of its session forgotten."""
    again = copy.copy(request)
    if SESSION_KEY in getattr(request, "session", {}):
        vars(again).pop("_cached_user", None)
        SessionMiddleware(_unused).process_request(again)
        AuthenticationMiddleware(_unused).process_request(again)
    return again


def _unused(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError


@method_decorator(transaction.non_atomic_requests, name="dispatch")
class IntakeEventsView(EventsView, FollowedIntake):
    """One upload, as it goes on."""

    @extend_schema(
        operation_id="intake_events",
        summary="How an upload goes on, as server-sent events",
        description=DESCRIPTION,
        parameters=PARAMETERS,
        responses=RESPONSES,
        tags=["intakes"],
    )
    def get(self, request: Request, pk: int) -> HttpResponse | StreamingHttpResponse | Response:
        """The intake's events."""
        return self.stream(request, pk)


@method_decorator(transaction.non_atomic_requests, name="dispatch")
class DocumentEventsView(EventsView, FollowedDocument):
    """One document, as it goes on."""

    @extend_schema(
        operation_id="document_events",
        summary="How a document goes on, as server-sent events",
        description=DESCRIPTION,
        parameters=PARAMETERS,
        responses=RESPONSES,
        tags=["documents"],
    )
    def get(self, request: Request, pk: int) -> HttpResponse | StreamingHttpResponse | Response:
        """The document's events."""
        return self.stream(request, pk)
