"""Batches over HTTP: how far each is, how it ended, and sealing one that was left open."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.api import paging, schema
from docqueue.api.bulk import ERRORS
from docqueue.api.permissions import MaySeeQueue, has_queue_permission
from docqueue.api.serializers import ReasonRequest
from docqueue.api.views import QueueView
from docqueue.batching import BatchStatus
from docqueue.conf import get_settings
from docqueue.models import Batch
from docqueue.service import DocumentQueueService

COUNTED = 100_000
"""Items of each kind are counted up to that."""

BATCH = {
    "id": 7,
    "name": "import of January",
    "created_at": "2030-01-31T11:00:00Z",
    "sealed_at": "2030-01-31T11:00:05Z",
    "finished_at": None,
    "outcome": None,
    "callback_id": None,
    "url": "/api/v1/batches/7",
}
COUNTS = {"total": 120, "pending": 3, "in_progress": 2, "waiting": 0, "dead": 1, "completed": 114, "cancelled": 0}
ONE = BATCH | COUNTS | {"at_least": False}


class BatchAnswer(serializers.ModelSerializer[Batch]):
    """A batch."""

    url = serializers.SerializerMethodField()

    class Meta:
        model = Batch
        fields = ("id", "name", "created_at", "sealed_at", "finished_at", "outcome", "callback_id", "url")
        extra_kwargs = {
            "outcome": {"help_text": "completed or failed; null: it has not ended."},
            "callback_id": {"help_text": "The item that was enqueued at its end."},
        }

    def get_url(self, batch: Batch) -> str:
        """Where it is, with its numbers."""
        return schema.url("batch", batch.pk)


class OneBatchAnswer(serializers.Serializer[Any]):
    """A batch with its items by state, counted now."""

    id = serializers.IntegerField()
    name = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    sealed_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.CharField(allow_null=True, help_text="completed or failed; null: it has not ended.")
    callback_id = serializers.IntegerField(allow_null=True, help_text="The item that was enqueued at its end.")
    url = serializers.CharField()
    total = serializers.IntegerField(help_text="As far as the history goes.")
    pending = serializers.IntegerField()
    in_progress = serializers.IntegerField()
    waiting = serializers.IntegerField()
    dead = serializers.IntegerField()
    completed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    at_least = serializers.BooleanField(help_text=f"There are more than the {COUNTED:,} that were counted of a kind.")


class BatchesAnswer(serializers.Serializer[Any]):
    """One page of batches, the latest first."""

    results = BatchAnswer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Address of the next page; null on the last one.")


class BatchesView(QueueView):
    """The batches."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="list_batches",
        tags=[schema.TAG],
        parameters=[*schema.PAGE],
        responses=schema.answer(200, BatchesAnswer, {"results": [BATCH], "next": None})
        | schema.refusals("invalid_request", "not_authenticated", "permission_denied"),
    )
    def get(self, request: Request) -> Response:
        """Batches, the latest first, page by page; ask one for its numbers. Staff or docqueue.view_queueitem."""
        limit, before = paging.asked(request)
        found = Batch.objects.using(get_settings().DATABASE).defer("on_complete", "on_failure").order_by("-id")
        rows = list((found.filter(id__lt=before) if before is not None else found)[: limit + 1])
        cursor = rows[limit - 1].pk if len(rows) > limit else None
        return Response({"results": BatchAnswer(rows[:limit], many=True).data, "next": paging.link(request, cursor)})


def told(found: BatchStatus) -> Any:
    """A batch with its numbers."""
    counts = (found.pending + found.in_progress + found.waiting, found.dead, found.completed + found.cancelled)
    more = {"at_least": max(counts) >= COUNTED, "url": schema.url("batch", found.id)}
    return OneBatchAnswer(found.as_dict() | more).data


class OneBatchView(QueueView):
    """One batch."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="get_batch",
        tags=[schema.TAG],
        responses=schema.answer(200, OneBatchAnswer, ONE)
        | schema.refusals("not_authenticated", "permission_denied", "batch_not_found"),
    )
    def get(self, request: Request, batch_id: int) -> Response:
        """How far a batch is. Staff or docqueue.view_queueitem."""
        return Response(told(DocumentQueueService().batch_status(batch_id, most=COUNTED)))


class SealBatchView(QueueView):
    """Seal a batch."""

    permission_classes = (has_queue_permission("change_batch"),)

    @extend_schema(
        operation_id="seal_batch",
        tags=[schema.TAG],
        request=ReasonRequest,
        responses=schema.answer(200, OneBatchAnswer, ONE, "Sealed, by now or before.")
        | schema.refusals(*ERRORS, "batch_not_found"),
        examples=[OpenApiExample("with a reason", value={"reason": "its program has died"}, request_only=True)],
    )
    def post(self, request: Request, batch_id: int) -> Response:
        """No more items: it ends when those that there are have ended. Needs docqueue.change_batch."""
        reason = self.checked(ReasonRequest).validated_data["reason"]
        service = DocumentQueueService()
        self.acting.seal_batch(batch_id, reason=reason)
        return Response(told(service.batch_status(batch_id, most=COUNTED)))
