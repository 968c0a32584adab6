"""Queues over HTTP: how each is, and letting nothing of one start for a while."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue import routing, stats, validation
from docqueue.api import paging, schema
from docqueue.api.bulk import ERRORS
from docqueue.api.permissions import MaySeeQueue, has_queue_permission
from docqueue.api.serializers import ReasonRequest
from docqueue.api.views import QueueView
from docqueue.api.waiting import EXAMPLE_QUEUE, AnyObject, PausedAnswer
from docqueue.exceptions import QueueNotFound
from docqueue.service import DocumentQueueService
from docqueue.stats import QueueStats

PAUSED = {"queue": "documents", "paused": True, "paused_at": "2030-01-31T12:00:00Z", "reason": "the archive moves"}
RESUMED = {"queue": "documents", "paused": False, "paused_at": None, "reason": ""}
QUEUE = {"name": "documents", **schema.COUNTS, **EXAMPLE_QUEUE, "paused": None, "hint": ""}


class QueueAnswer(serializers.Serializer[Any]):
    """One queue at this moment."""

    name = serializers.CharField()
    pending = serializers.IntegerField()
    in_progress = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="For anything but a retry.")
    retrying = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="The dead letters.")
    completed = serializers.IntegerField(help_text="As far back as the history goes.")
    cancelled = serializers.IntegerField()
    oldest_due_seconds = serializers.FloatField(
        allow_null=True, help_text="The lag: how long its oldest pending item has been due."
    )
    finished_per_minute = serializers.FloatField(help_text="In the last ten minutes.")
    workers = serializers.IntegerField(help_text="Live ones that serve it.")
    counted_seconds_ago = AnyObject(
        help_text="By the name of a number that was not counted now, the age of the count, or null: so many at least."
    )
    paused = PausedAnswer(allow_null=True, help_text="By whom and why, while nothing of it starts.")
    hint = serializers.CharField(allow_blank=True, help_text="What to do, where no worker serves it.")


class QueuesAnswer(serializers.Serializer[Any]):
    """One page of queues, by name."""

    results = QueueAnswer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Address of the next page; null on the last one.")


class PauseAnswer(serializers.Serializer[Any]):
    """Whether a queue is paused."""

    queue = serializers.CharField()
    paused = serializers.BooleanField()
    paused_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


def told(name: str, found: QueueStats) -> dict[str, Any]:
    """What is said of one queue. One that holds nothing has noughts."""
    counts = found.of(name)
    paused = next((one for one in found.paused if one.queue == name), None)
    hint = stats.no_worker(name) if name in found.unserved else ""
    return asdict(counts) | {"name": name, "paused": paused and asdict(paused), "hint": hint}


class QueuesView(QueueView):
    """The queues."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="list_queues",
        tags=[schema.TAG],
        parameters=[*schema.PAGE],
        responses=schema.answer(200, QueuesAnswer, {"results": [QUEUE], "next": None})
        | schema.refusals("invalid_request", "not_authenticated", "permission_denied"),
    )
    def get(self, request: Request) -> Response:
        """Queues by name that hold something, or that handlers, settings or people name.

        Staff or docqueue.view_queueitem. Numbers are counted up to 10,000 each; of larger ones the last full count is
        told, with its age.
        """
        limit = paging.limit(request.query_params.get("limit"))
        cursor = paging.text("cursor", request.query_params.get("cursor") or "")
        service = DocumentQueueService()
        found = service.get_queue_stats()
        names = sorted(name for name in {*found.queues, *stats.known_queues(service.using)} if name > cursor)
        rows = [told(name, found) for name in names[:limit]]
        following = paging.link(request, names[limit - 1] if len(names) > limit else None)
        return Response({"results": QueueAnswer(rows, many=True).data, "next": following})


class OneQueueView(QueueView):
    """One queue."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="get_queue",
        tags=[schema.TAG],
        responses=schema.answer(200, QueueAnswer, QUEUE)
        | schema.refusals("invalid_key", "not_authenticated", "permission_denied", "queue_not_found"),
    )
    def get(self, request: Request, name: str) -> Response:
        """Depths, lag, throughput and workers of one queue. Staff or docqueue.view_queueitem."""
        queue = validation.key("queue", name, validation.QUEUE_MAX_LENGTH)
        service = DocumentQueueService()
        found = service.get_queue_stats()
        if queue not in found.queues and queue not in (known := stats.known_queues(service.using)):
            raise QueueNotFound(f"There is no queue {queue!r}.{routing.meant(queue, {*found.queues, *known})}")
        return Response(QueueAnswer(told(queue, found)).data)


class PauseView(QueueView):
    """Pause a queue."""

    permission_classes = (has_queue_permission("change_queue"),)

    @extend_schema(
        operation_id="pause_queue",
        tags=[schema.TAG],
        request=ReasonRequest,
        responses=schema.answer(200, PauseAnswer, PAUSED, "Paused.") | schema.refusals(*ERRORS, "invalid_key"),
        examples=[OpenApiExample("with a reason", value={"reason": "the archive moves"}, request_only=True)],
    )
    def post(self, request: Request, name: str) -> Response:
        """Let nothing of a queue start any more; what runs may finish. Needs docqueue.change_queue."""
        reason = self.checked(ReasonRequest).validated_data["reason"]
        since = self.acting.pause_queue(name, reason)
        return Response(PauseAnswer({"queue": name, "paused": True, "paused_at": since, "reason": reason[:500]}).data)


class ResumeView(QueueView):
    """Resume a queue."""

    permission_classes = (has_queue_permission("change_queue"),)

    @extend_schema(
        operation_id="resume_queue",
        tags=[schema.TAG],
        request=ReasonRequest,
        responses=schema.answer(200, PauseAnswer, RESUMED, "It goes on.") | schema.refusals(*ERRORS, "invalid_key"),
        examples=[OpenApiExample("with a reason", value={"reason": "it has moved"}, request_only=True)],
    )
    def post(self, request: Request, name: str) -> Response:
        """Let a paused queue go on; nothing is changed where it is not paused. Needs docqueue.change_queue."""
        reason = self.checked(ReasonRequest).validated_data["reason"]
        self.acting.resume_queue(name, reason=reason)
        return Response(PauseAnswer({"queue": name, "paused": False, "paused_at": None, "reason": ""}).data)
