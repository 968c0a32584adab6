"""The queue over HTTP: thin callers of `DocumentQueueService`."""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import status as http
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue import health
from docqueue.acting import Acting
from docqueue.api import dead_letters, fields, overview, paging, schema, serializers, waiting
from docqueue.api.parsers import BoundedJSONParser
from docqueue.api.permissions import (
    MayProcessQueue,
    MaySeeQueue,
    ProcessTokenAuthentication,
    WrongToken,
    given_token,
)
from docqueue.api.problems import exception_handler
from docqueue.api.throttled import ThrottledView
from docqueue.conf import get_settings
from docqueue.service import DocumentQueueService


class QueueView(ThrottledView):
    """What all views share. Problems are ours also in a project that set no EXCEPTION_HANDLER."""

    parser_classes = (BoundedJSONParser,)
    renderer_classes = (JSONRenderer,)

    def get_exception_handler(self) -> Any:
        return exception_handler

    def checked(self, serializer: type[fields.StrictSerializer]) -> Any:
        """The request's body, checked."""
        found = serializer(data=self.request.data)
        found.is_valid(raise_exception=True)
        return found

    @property
    def acting(self) -> Acting:
        """The verbs of people in the caller's hands: each asks for its permission, and is audited."""
        return DocumentQueueService().acting_as(self.request.user)


class OutsideTransactionsMixin:
    """Outside of ATOMIC_REQUESTS: what others must see at once, or what holds its answer."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """As of any view, in no transaction."""
        view = super().as_view(**initkwargs)  # type: ignore[misc]  # of the view that it stands before
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view


class ProcessTokenView(OutsideTransactionsMixin, QueueView):
    """What makes items that others must see at once. Takes the process token, too."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [ProcessTokenAuthentication(), *super().get_authenticators()]

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> Any:
        if given_token(request) is not None:
            raise WrongToken
        super().permission_denied(request, message, code)


class ProcessView(ProcessTokenView):
    """Run what is due, for a cron job: each item commits by itself, and none waits for the rest of the run."""

    permission_classes = (MayProcessQueue,)

    @extend_schema(
        operation_id="process_document_queue",
        tags=[schema.TAG],
        request=serializers.ProcessRequest,
        responses=schema.answer(200, serializers.ProcessAnswer, schema.PROCESSED, "What the run did.")
        | schema.refusals("malformed_json", "invalid_request", "wrong_token", "not_authenticated", "permission_denied"),
        examples=[OpenApiExample("at most 50 items", value={"limit": 50}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Claim what is due and run it, within PROCESS_LIMIT items and PROCESS_SECONDS, in a process of its own.

        For the process token, staff, or docqueue.process_queue. Two calls at once share the items.
        """
        from docqueue.worker.once import process_document_queue

        most = get_settings().PROCESS_LIMIT
        asked = self.checked(serializers.ProcessRequest).validated_data.get("limit")
        return Response(process_document_queue(limit=min(asked or most, most)).as_dict())


class StatsView(QueueView):
    """Depths and workers."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="get_queue_stats",
        tags=[schema.TAG],
        responses=schema.answer(200, waiting.StatsAnswer, schema.STATS)
        | schema.refusals("not_authenticated", "permission_denied"),
    )
    def get(self, request: Request) -> Response:
        """Items by state, in total and by queue; workers; and what to do about queues that nobody serves."""
        return Response(DocumentQueueService().get_queue_stats().as_dict())


class HealthView(QueueView):
    """Whether everything works."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="get_health",
        tags=[schema.TAG],
        responses=schema.answer(200, overview.HealthAnswer, schema.HEALTH, "Healthy.")
        | schema.answer(503, overview.HealthAnswer, schema.UNHEALTHY, "Not healthy.")
        | schema.refusals("not_authenticated"),
    )
    def get(self, request: Request) -> Response:
        """Database, queue and workers in one answer; 503 when something is wrong."""
        report = health.report()
        return Response(report, status=http.HTTP_200_OK if report["healthy"] else http.HTTP_503_SERVICE_UNAVAILABLE)


class QueueHealthView(HealthView):
    """The same, where monitors look for it."""

    @extend_schema(
        operation_id="get_queue_health",
        tags=[schema.TAG],
        responses=schema.answer(200, overview.HealthAnswer, schema.HEALTH, "Healthy.")
        | schema.answer(503, overview.HealthAnswer, schema.UNHEALTHY, "Not healthy.")
        | schema.refusals("not_authenticated"),
    )
    def get(self, request: Request) -> Response:
        """Whether the queue works: database, queues, workers, and its numbers; 503 when something is wrong."""
        return super().get(request)


class DeadLettersView(QueueView):
    """The dead-letter queue."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="list_dead_letters",
        tags=[schema.TAG],
        parameters=[
            OpenApiParameter("queue", str, description="Only this queue."),
            OpenApiParameter("operation", str, description="Only this operation."),
            OpenApiParameter("error_code", str, description="Only with this code."),
            OpenApiParameter("fingerprint", str, description="Only of this cause."),
            *schema.PAGE,
        ],
        responses=schema.answer(200, serializers.DeadLettersAnswer, schema.DEAD_LETTERS)
        | schema.refusals("invalid_request", "not_authenticated", "permission_denied"),
    )
    def get(self, request: Request) -> Response:
        """Dead items, the newest first, page by page. Staff or docqueue.view_queueitem.

        By queue, operation or code a page looks at the next 20,000 of them: `next` may be there though few or none fit.
        """
        page, cursor = dead_letters.page(request.query_params)
        rows = serializers.DeadLetterAnswer(page, many=True).data
        return Response({"results": rows, "next": paging.link(request, cursor)})
