"""Dead letters over HTTP: by their cause, and what is to become of them: one, all of a cause, or all that match."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.api import dead_letters, paging, schema, throttles
from docqueue.api import serializers as serializers_of_items
from docqueue.api.bulk import BULK, ERRORS, FILTER_HELP, BulkAnswer, CanaryField, checked_filter
from docqueue.api.fields import ObjectField, StrictSerializer
from docqueue.api.item_verbs import CancelView, RequeueView
from docqueue.api.permissions import MaySeeQueue, has_queue_permission
from docqueue.api.serializers import ReasonRequest
from docqueue.api.views import QueueView
from docqueue.conf import get_settings
from docqueue.exceptions import InvalidBulk
from docqueue.listing import nearest
from docqueue.models import FailureGroup
from docqueue.service import DocumentQueueService

GROUP = {
    "fingerprint": "9f86d081884c7d65",
    "queue": "documents",
    "operation": "document.ingest",
    "error_code": "km_5xx",
    "error_message": "The knowledge store answered 500.",
    "sample_id": 42,
    "number": 812,
    "first_at": "2030-01-31T03:02:11Z",
    "last_at": "2030-01-31T03:40:59Z",
    "hours": [0] * 23 + [812],
    "counted_at": "2030-01-31T03:41:02Z",
    "acknowledged": False,
    "acknowledged_at": None,
    "acknowledged_by": "",
    "note": "",
}
NOTED = GROUP | {
    "acknowledged": True,
    "acknowledged_at": "2030-01-31T03:45:00Z",
    "acknowledged_by": "ann",
    "note": "restarted the store",
}
STARTED = BULK | {"filter": {"status": ["dead"], "fingerprint": "9f86d081884c7d65"}}
LISTED = {"results": [GROUP], "next": None}


class GroupAnswer(serializers.ModelSerializer[FailureGroup]):
    """The dead items of one cause, as counted some seconds ago."""

    acknowledged = serializers.BooleanField(
        read_only=True, help_text="Somebody sees to it, and nothing has died of it since."
    )

    class Meta:
        model = FailureGroup
        fields = ("fingerprint", "queue", "operation", "error_code", "error_message", "sample_id", "number", "first_at",
                  "last_at", "hours", "counted_at", "acknowledged", "acknowledged_at", "acknowledged_by",
                  "note")  # fmt: skip
        extra_kwargs = {
            "sample_id": {"help_text": "One of them; queue, operation, code and message are that one's."},
            "hours": {"help_text": "How many died in each of the last 24 hours, the earliest first."},
        }


class GroupsAnswer(serializers.Serializer[Any]):
    """One page of causes, that of the latest death first."""

    results = GroupAnswer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Address of the next page; null on the last one.")


class NoteRequest(StrictSerializer):
    """What others should know."""

    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=1000)


class CanaryRequest(ReasonRequest):
    """Why, and how carefully."""

    canary = CanaryField()


class RequeueManyRequest(CanaryRequest):
    """Which dead items: all that match the filter, or everything."""

    filter = ObjectField(help_text=FILTER_HELP)
    everything = serializers.BooleanField(required=False, default=False, help_text="Needed where there is no filter.")


def page(params: Mapping[str, str]) -> tuple[list[FailureGroup], str | None]:
    """The causes of the page that these query parameters ask for, and the cursor of the next one.

    By queue, operation or code it looks at the next 20,000 causes only: there may be few, and still a next page.
    """
    limit = paging.limit(params.get("limit"))
    found = FailureGroup.objects.using(get_settings().DATABASE).filter(number__gt=0)
    names = ("queue", "operation", "error_code")
    asked = {name: paging.text(name, params[name]) for name in names if params.get(name)}
    if params.get("cursor"):
        micros, _, fingerprint = params["cursor"].partition("-")
        try:
            at = dead_letters.EPOCH + timedelta(microseconds=int(micros))
        except (ValueError, OverflowError) as error:
            raise paging.wrong_cursor() from error
        fingerprint = paging.text("cursor", fingerprint)
        found = found.filter(last_at__lte=at).exclude(last_at=at, fingerprint__gte=fingerprint)
    found, last = nearest(found, ("last_at", "fingerprint"), found.filter(**asked)) if asked else (found, None)
    rows = list(found.order_by("-last_at", "-fingerprint")[: limit + 1])
    if len(rows) > limit:
        last = rows[limit - 1]
    if last is None:
        return rows, None
    moment = (last.last_at - dead_letters.EPOCH) // timedelta(microseconds=1)
    return rows[:limit], f"{moment}-{last.pk}"


class GroupsView(QueueView):
    """The dead-letter queue by cause."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="list_failures",
        tags=[schema.TAG],
        parameters=[
            OpenApiParameter("queue", str, description="Only of this queue."),
            OpenApiParameter("operation", str, description="Only of this operation."),
            OpenApiParameter("error_code", str, description="Only with this code."),
            *schema.PAGE,
        ],
        responses=schema.answer(200, GroupsAnswer, LISTED)
        | schema.refusals("invalid_request", "not_authenticated", "permission_denied"),
    )
    def get(self, request: Request) -> Response:
        """Why items are dead: one row a cause, that of the latest death first. Staff or docqueue.view_queueitem.

        By queue, operation or code a page looks at the next 20,000 causes: `next` may be there though few or none fit.
        """
        rows, cursor = page(request.query_params)
        return Response({"results": GroupAnswer(rows, many=True).data, "next": paging.link(request, cursor)})


class GroupView(QueueView):
    """One cause."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="get_failure",
        tags=[schema.TAG],
        responses=schema.answer(200, GroupAnswer, GROUP)
        | schema.refusals("not_authenticated", "permission_denied", "failure_not_found"),
    )
    def get(self, request: Request, fingerprint: str) -> Response:
        """The dead items of one cause. Staff or docqueue.view_queueitem."""
        return Response(GroupAnswer(DocumentQueueService().failure(fingerprint)).data)


class AcknowledgeView(QueueView):
    """Say who sees to a cause."""

    permission_classes = (has_queue_permission("acknowledge_failure"),)

    @extend_schema(
        operation_id="acknowledge_failure",
        tags=[schema.TAG],
        request=NoteRequest,
        responses=schema.answer(200, GroupAnswer, NOTED) | schema.refusals(*ERRORS, "failure_not_found"),
        examples=[OpenApiExample("with a note", value={"note": "restarted the store"}, request_only=True)],
    )
    def post(self, request: Request, fingerprint: str) -> Response:
        """Note that you see to it, until another item dies of it. Needs docqueue.acknowledge_failure."""
        note = self.checked(NoteRequest).validated_data["note"]
        return Response(GroupAnswer(self.acting.acknowledge_failure(fingerprint, note=note)).data)

    @extend_schema(
        operation_id="unacknowledge_failure",
        tags=[schema.TAG],
        responses=schema.answer(200, GroupAnswer, GROUP)
        | schema.refusals("not_authenticated", "permission_denied", "failure_not_found"),
    )
    def delete(self, request: Request, fingerprint: str) -> Response:
        """Take that back. Needs docqueue.acknowledge_failure."""
        return Response(GroupAnswer(self.acting.unacknowledge_failure(fingerprint)).data)


class OfManyView(QueueView):
    """One verb on many dead items."""

    throttle_scopes: ClassVar = {"POST": throttles.BULK}


class OfGroupView(OfManyView):
    """One verb on all dead items of a cause."""

    def start(self, action: str, fingerprint: str, **options: Any) -> Response:
        """202 with the bulk operation. Raises `FailureNotFound`."""
        DocumentQueueService().failure(fingerprint)
        return started(self.acting.bulk(action, fingerprint=fingerprint, **options))


def started(operation: Any) -> Response:
    """The answer of what the workers will do."""
    data = BulkAnswer(operation).data
    return Response(data, status=202, headers={"Location": data["url"]})


class RequeueGroupView(OfGroupView):
    """Requeue all of a cause."""

    permission_classes = (has_queue_permission("requeue_item"),)

    @extend_schema(
        operation_id="requeue_failure",
        tags=[schema.TAG],
        request=CanaryRequest,
        responses=schema.answer(202, BulkAnswer, STARTED, "Started; the workers do it.")
        | schema.refusals(*ERRORS, "failure_not_found"),
        examples=[OpenApiExample("ten first", value={"canary": 10, "reason": "fixed"}, request_only=True)],
    )
    def post(self, request: Request, fingerprint: str) -> Response:
        """Put all dead items of a cause back, or some first as canaries. Needs docqueue.requeue_item."""
        given = self.checked(CanaryRequest).validated_data
        return self.start("requeue", fingerprint, canary=given.get("canary"), reason=given["reason"])


class DiscardGroupView(OfGroupView):
    """Discard all of a cause."""

    permission_classes = (has_queue_permission("cancel_item"),)

    @extend_schema(
        operation_id="discard_failure",
        tags=[schema.TAG],
        request=ReasonRequest,
        responses=schema.answer(202, BulkAnswer, STARTED | {"action": "discard"}, "Started; the workers do it.")
        | schema.refusals(*ERRORS, "failure_not_found"),
        examples=[OpenApiExample("with a reason", value={"reason": "sent by mistake"}, request_only=True)],
    )
    def post(self, request: Request, fingerprint: str) -> Response:
        """Give all dead items of a cause up for good. Needs docqueue.cancel_item."""
        return self.start("discard", fingerprint, reason=self.checked(ReasonRequest).validated_data["reason"])


class RequeueDeadLettersView(OfManyView):
    """Requeue dead items, all or those that match."""

    permission_classes = (has_queue_permission("requeue_item"),)

    @extend_schema(
        operation_id="requeue_dead_letters",
        tags=[schema.TAG],
        request=RequeueManyRequest,
        responses=schema.answer(202, BulkAnswer, BULK, "Started; the workers do it.")
        | schema.refusals(*ERRORS, "invalid_bulk"),
        examples=[
            OpenApiExample("all", value={"everything": True, "reason": "fixed"}, request_only=True),
            OpenApiExample("of one code", value={"filter": {"error_code": "km_5xx"}, "canary": 10}, request_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """Put dead items back; the answer comes at once, the workers do it. Needs docqueue.requeue_item."""
        given = self.checked(RequeueManyRequest).validated_data
        options = {key: given.get(key) for key in ("everything", "canary", "reason")}
        asked = checked_filter(given.get("filter") or {})
        if asked.get("status", "dead") not in ("dead", ["dead"]):
            raise InvalidBulk("Dead letters have no other status.")
        return started(self.acting.bulk("requeue", **asked, **options))


class RequeueDeadLetterView(RequeueView):
    """Requeue a dead item."""

    @extend_schema(
        operation_id="requeue_dead_letter",
        tags=[schema.TAG],
        request=serializers_of_items.RequeueRequest,
        responses=schema.answer(200, serializers_of_items.ItemAnswer, schema.ITEM | {"status": "pending"})
        | schema.refusals(*ERRORS, "item_not_found", "illegal_transition"),
        examples=[OpenApiExample("with a reason", value={"reason": "fixed"}, request_only=True)],
    )
    def post(self, request: Request, item_id: int) -> Response:
        """Put a dead item back, as items/{id}/requeue. Needs docqueue.requeue_item."""
        return super().post(request, item_id)


class DiscardView(CancelView):
    """Discard a dead item."""

    @extend_schema(
        operation_id="discard_dead_letter",
        tags=[schema.TAG],
        request=ReasonRequest,
        responses=schema.answer(200, serializers_of_items.ItemAnswer, schema.CANCELLED, "Discarded.")
        | schema.refusals(*ERRORS, "item_not_found", "illegal_transition"),
        examples=[OpenApiExample("with a reason", value={"reason": "sent by mistake"}, request_only=True)],
    )
    def post(self, request: Request, item_id: int) -> Response:
        """Give a dead item up for good. Needs docqueue.cancel_item."""
        reason = self.checked(ReasonRequest).validated_data["reason"]
        self.acting.discard(item_id, reason=reason)
        return Response(self.shown(item_id))
