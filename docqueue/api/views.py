"""The queue over HTTP: thin callers of `DocumentQueueService`."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import connections, transaction
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import status as http
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from docqueue import correlation, family, health, redaction
from docqueue.acting import Acting
from docqueue.api import dead_letters, fields, overview, schema, serializers, waiting
from docqueue.api.parsers import BoundedJSONParser
from docqueue.api.permissions import (
    MayProcessQueue,
    MaySeeQueue,
    ProcessTokenAuthentication,
    WrongToken,
    given_token,
    has_queue_permission,
)
from docqueue.api.problems import exception_handler
from docqueue.conf import get_settings
from docqueue.models import AnyItem, Attempt, Checkpoint, Progress
from docqueue.service import DocumentQueueService
from docqueue.states import Status

ATTEMPTS_SHOWN = 50
GONE = "It has ended, and the history has it no more; its key is still taken."


class QueueView(APIView):
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


class OutsideTransactionsView(QueueView):
    """What makes items that others must see at once: outside of ATOMIC_REQUESTS. Takes the process token, too."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [ProcessTokenAuthentication(), *super().get_authenticators()]

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> Any:
        if given_token(request) is not None:
            raise WrongToken
        super().permission_denied(request, message, code)


class ProcessView(OutsideTransactionsView):
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


class ItemsView(QueueView):
    """Enqueue."""

    permission_classes = (has_queue_permission("add_queueitem"),)

    @extend_schema(
        operation_id="enqueue_item",
        tags=[schema.TAG],
        request=serializers.EnqueueRequest,
        responses=schema.answer(201, serializers.EnqueuedAnswer, schema.ENQUEUED, "Enqueued.")
        | schema.answer(200, serializers.EnqueuedAnswer, schema.ENQUEUED | {"created": False}, "Already there.")
        | schema.refusals(
            "malformed_json", "invalid_request", "unknown_operation", "unknown_parent", "invalid_key",
            "invalid_option", "invalid_priority", "payload_too_large", "not_authenticated", "permission_denied",
            "duplicate_key",
        ),
        examples=[
            OpenApiExample(
                "a document",
                value={"operation": "document.ingest", "document_id": 7, "priority": "high", "payload": {"ocr": True}},
                request_only=True,
            ),
            OpenApiExample(
                "behind a limit",
                value={"operation": "mail.send", "tenant": "acme", "limit_key": "smtp", "concurrency_key": "mail-acme"},
                request_only=True,
            ),
            OpenApiExample("later", value={"operation": "mail.send", "delay_seconds": 600}, request_only=True),
        ],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Put one item into the queue. Needs docqueue.add_queueitem."""
        service = DocumentQueueService()
        with correlation.bind(user=str(request.user.pk)):
            new = service.enqueue(**self.checked(serializers.EnqueueRequest).arguments())
        url = reverse("docqueue:item", args=[new.id])
        body = serializers.EnqueuedAnswer(
            {
                "id": new.id,
                "status": new.status,
                "wait_reason": new.wait_reason,
                "created": new.created,
                "replaced": new.replaced,
                "answered": new.answered,
                "explain": GONE if new.status is None else service.explain(new),
                "url": url,
            }
        ).data
        return Response(body, status=201 if new.created else 200, headers={"Location": url})


class ItemView(QueueView):
    """One item."""

    permission_classes: tuple[type[BasePermission], ...] = (MaySeeQueue,)

    @extend_schema(
        operation_id="get_item",
        tags=[schema.TAG],
        responses=schema.answer(200, serializers.ItemAnswer, schema.ITEM)
        | schema.refusals("not_authenticated", "permission_denied", "item_not_found"),
    )
    def get(self, request: Request, item_id: int) -> Response:
        """Where an item is and why, its failed attempts and its progress. Staff or docqueue.view_queueitem."""
        return Response(self.shown(item_id))

    def shown(self, item_id: int) -> dict[str, Any]:
        """The item as the caller may see it. Raises `ItemNotFound`."""
        service = DocumentQueueService()
        item = service.get_item(item_id)
        said = service.explain_detail(item)
        extras = {
            "explain": said.text,
            "position": said.position,
            "estimate_seconds": said.estimate_seconds,
            "blocked_by": said.blocked_by,
            "attempts": Attempt.objects.using(service.using).filter(item_id=item_id).order_by("-id")[:ATTEMPTS_SHOWN],
            "progress": Progress.objects.using(service.using).filter(item_id=item_id).first(),
            "parents": family.relatives(service.using, item_id, 0)["parents"],
            "steps": Checkpoint.objects.using(service.using).filter(item_id=item_id).order_by("id").defer("result"),
        }
        return item_answer(item, extras, self.request.user)


def item_answer(item: AnyItem, extras: dict[str, Any], user: Any) -> dict[str, Any]:
    """An item as JSON; what may hold personal data only for those with docqueue.view_payload."""
    for name, value in extras.items():
        setattr(item, name, value)
    data = dict(serializers.ItemAnswer(item).data)
    may_see = (user or AnonymousUser()).has_perm("docqueue.view_payload")
    for name in ("payload", "metadata", "result"):
        value = data.pop(name)
        if may_see:
            data[name] = redaction.shown(item.operation, value)
    return data


class CancelView(ItemView):
    """Cancel."""

    permission_classes = (has_queue_permission("cancel_item"),)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="cancel_item",
        tags=[schema.TAG],
        request=serializers.ReasonRequest,
        responses=schema.answer(200, serializers.ItemAnswer, schema.CANCELLED, "Cancelled.")
        | schema.answer(202, serializers.ItemAnswer, schema.CANCELLING, "The handler was asked to stop.")
        | schema.refusals(
            "malformed_json", "invalid_request", "not_authenticated", "permission_denied", "item_not_found",
            "illegal_transition",
        ),
        examples=[OpenApiExample("with a reason", value={"reason": "uploaded by mistake"}, request_only=True)],
    )  # fmt: skip
    def post(self, request: Request, item_id: int) -> Response:
        """Cancel an item in any live state; a running handler is asked to stop. Needs docqueue.cancel_item."""
        reason = self.checked(serializers.ReasonRequest).validated_data["reason"]
        status = self.acting.cancel(item_id, reason=reason)
        return Response(self.shown(item_id), status=200 if status == Status.CANCELLED else 202)


class RequeueView(ItemView):
    """Requeue."""

    permission_classes = (has_queue_permission("requeue_item"),)
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="requeue_item",
        tags=[schema.TAG],
        request=serializers.RequeueRequest,
        responses=schema.answer(200, serializers.ItemAnswer, schema.ITEM | {"status": "pending"})
        | schema.refusals(
            "malformed_json", "invalid_request", "not_authenticated", "permission_denied", "item_not_found",
            "illegal_transition",
        ),
        examples=[OpenApiExample("in a minute", value={"delay_seconds": 60, "reason": "fixed"}, request_only=True)],
    )  # fmt: skip
    def post(self, request: Request, item_id: int) -> Response:
        """Put a dead item back, or let one that waits for its time run now. Needs docqueue.requeue_item."""
        given = self.checked(serializers.RequeueRequest).validated_data
        self.acting.requeue(
            item_id,
            delay_seconds=given.get("delay_seconds") or 0,
            reset_attempts=given["reset_attempts"],
            clear_steps=given["clear_steps"],
            reason=given["reason"],
        )
        return Response(self.shown(item_id))


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
            OpenApiParameter("limit", int, description="Items a page, 1 to 500; 50 when left out."),
            OpenApiParameter("cursor", str, description="Where the page starts; from `next`."),
        ],
        responses=schema.answer(200, serializers.DeadLettersAnswer, schema.DEAD_LETTERS)
        | schema.refusals("invalid_request", "not_authenticated", "permission_denied"),
    )
    def get(self, request: Request) -> Response:
        """Dead items, the newest first, page by page. Staff or docqueue.view_queueitem."""
        page, cursor = dead_letters.page(request.query_params)
        here = request.build_absolute_uri(request.path)
        following = None if cursor is None else f"{here}?{dead_letters.query(request.query_params, cursor)}"
        return Response({"results": serializers.DeadLetterAnswer(page, many=True).data, "next": following})
