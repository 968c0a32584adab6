"""Bulk operations and pauses over HTTP: asked for here, done by the workers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.api import paging, schema
from docqueue.api.fields import ObjectField, PriorityField
from docqueue.api.permissions import MaySeeQueue, has_queue_permission
from docqueue.api.serializers import EARLIEST, LATEST, ReasonRequest
from docqueue.api.views import QueueView
from docqueue.bulk import KINDS, MOST_CANARIES, PERMISSIONS
from docqueue.conf import get_settings
from docqueue.exceptions import InvalidBulk
from docqueue.models import BulkOperation
from docqueue.service import DocumentQueueService

BULK = {
    "id": 7,
    "action": "requeue",
    "filter": {"status": ["dead"], "operation": "document.ingest"},
    "priority": None,
    "state": "running",
    "actor": "ann",
    "reason": "the archive is back",
    "created_at": "2030-01-31T12:00:00Z",
    "finished_at": None,
    "total": 1200,
    "at_least": False,
    "done": 400,
    "skipped": 3,
    "percent": 33,
    "stopped": "",
    "url": "/api/v1/queue/bulk/7",
}
LISTED = {"results": [BULK], "next": "http://localhost:8000/api/v1/queue/bulk?cursor=7"}
NARROWS = {"state": BulkOperation.State, "action": BulkOperation.Action}
"""By what the list can be narrowed, and what each may be."""
DONE = BULK | {"state": "aborted", "finished_at": "2030-01-31T12:00:02Z"}
PAUSED = {"queue": "documents", "paused": True, "paused_at": "2030-01-31T12:00:00Z", "reason": "the archive moves"}
RESUMED = {"queue": "documents", "paused": False, "paused_at": None, "reason": ""}
ERRORS = ("malformed_json", "invalid_request", "not_authenticated", "permission_denied")


FILTER_HELP = (
    "status (one or a list), queue, operation, document_id, error_code, fingerprint, enqueued_before, ended_before."
)


class CanaryField(serializers.IntegerField):
    """How many items go first."""

    def __init__(self) -> None:
        text = "So many items first, and the rest once these are completed; it ends aborted when one of them fails."
        super().__init__(required=False, allow_null=True, min_value=1, max_value=MOST_CANARIES, help_text=text)


class BulkRequest(ReasonRequest):
    """What to do, to which items."""

    action = serializers.ChoiceField(choices=list(KINDS))
    filter = ObjectField(help_text=FILTER_HELP)
    everything = serializers.BooleanField(required=False, default=False, help_text="Needed where there is no filter.")
    priority = PriorityField(help_text="The new one, for the action priority.")
    canary = CanaryField()

    def arguments(self) -> dict[str, Any]:
        """Arguments of `DocumentQueueService.bulk`. Raises `InvalidBulk`."""
        given = self.validated_data
        more = {key: given.get(key) for key in ("action", "everything", "priority", "canary", "reason")}
        return {**checked_filter(given.get("filter") or {}), **more}


def checked_filter(asked: Any) -> dict[str, Any]:
    """A filter as `DocumentQueueService.bulk` takes it. Raises `InvalidBulk`."""
    if not isinstance(asked, Mapping):
        raise InvalidBulk("filter must be a JSON object.")
    reserved = {"action", "everything", "priority", "canary", "by", "reason", "now"}
    if wrong := [key for key in asked if key in reserved]:
        raise InvalidBulk(f"A filter has no {wrong[0]!r}.")
    found = dict(asked)
    for key in ("enqueued_before", "ended_before"):
        if found.get(key) is not None:
            found[key] = _moment(key, found[key])
    return found


def _moment(key: str, value: Any) -> datetime:
    try:
        found = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        found = None  # well formed, but no date there is
    if found is None or found.tzinfo is None or not EARLIEST <= found <= LATEST:
        raise InvalidBulk(f"{key} must be a time with a time zone, such as 2030-01-31T12:00:00Z.")
    return found


class BulkAnswer(serializers.ModelSerializer[BulkOperation]):
    """How far a bulk operation is."""

    priority = serializers.SerializerMethodField(help_text="The new one, of the action priority.")
    at_least = serializers.BooleanField(read_only=True, help_text="There were more than were counted at the start.")
    percent = serializers.IntegerField(read_only=True)
    stopped = serializers.SerializerMethodField(help_text="What ended it before its time: an item that went first.")
    url = serializers.SerializerMethodField()

    class Meta:
        model = BulkOperation
        fields = ("id", "action", "filter", "priority", "state", "actor", "reason", "created_at", "finished_at",
                  "total", "at_least", "done", "skipped", "percent", "stopped", "url")  # fmt: skip
        extra_kwargs = {
            "total": {"help_text": "Items that matched when it was asked for."},
            "done": {"help_text": "Items changed so far."},
            "skipped": {"help_text": "Items that had moved on, or that somebody held on to."},
        }

    def get_priority(self, found: BulkOperation) -> int | None:
        """None for all other actions."""
        priority: int | None = found.options.get("priority")
        return priority

    def get_stopped(self, found: BulkOperation) -> str:
        """Empty for all others."""
        said: str = found.options.get("stopped", "")
        return said

    def get_url(self, found: BulkOperation) -> str:
        """Where to ask again."""
        return reverse("docqueue:bulk-operation", args=[found.pk])


class BulkListAnswer(serializers.Serializer[Any]):
    """One page of bulk operations."""

    results = BulkAnswer(many=True)
    next = serializers.URLField(allow_null=True, help_text="Where the next page is.")


def page(params: Mapping[str, str]) -> tuple[list[BulkOperation], str | None]:
    """The operations of the page that these query parameters ask for, and the parameters of the next one.

    A page is a walk down the ids. Raises `ValidationError`.
    """
    limit, cursor = paging.limit(params.get("limit")), params.get("cursor", "")
    kept = {name: params[name] for name in (*NARROWS, "limit") if params.get(name)}
    found = BulkOperation.objects.using(get_settings().DATABASE).order_by("-id")
    for name, known in NARROWS.items():
        if name in kept:
            if kept[name] not in known.values:
                raise paging.invalid(name, f"Give one of {', '.join(known.values)}.")
            found = found.filter(**{name: kept[name]})
    if cursor:
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
            raise paging.wrong_cursor()
        found = found.filter(id__lt=int(cursor))
    rows = list(found[: limit + 1])
    return rows[:limit], urlencode({**kept, "cursor": rows[limit - 1].pk}) if len(rows) > limit else None


class PauseAnswer(serializers.Serializer[Any]):
    """Whether a queue is paused."""

    queue = serializers.CharField()
    paused = serializers.BooleanField()
    paused_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


class ByAction(QueueView):
    """What the action says who may do."""

    permission_classes = (IsAuthenticated,)

    def check_action(self, action: str) -> None:
        """Raises `PermissionDenied`."""
        if not self.request.user.has_perm(PERMISSIONS[action]):
            self.permission_denied(self.request)


class BulkView(ByAction):
    """List bulk operations; start one."""

    def get_permissions(self) -> list[BasePermission]:
        return [MaySeeQueue() if self.request.method == "GET" else IsAuthenticated()]

    @extend_schema(
        operation_id="list_bulk_operations",
        tags=[schema.TAG],
        parameters=[
            *(OpenApiParameter(name, str, enum=known.values) for name, known in NARROWS.items()),
            OpenApiParameter("limit", int, description="Operations a page, 1 to 500; 50 when left out."),
            OpenApiParameter("cursor", str, description="Where the page starts; from `next`."),
        ],
        responses=schema.answer(200, BulkListAnswer, LISTED)
        | schema.refusals("invalid_request", "not_authenticated", "permission_denied"),
    )
    def get(self, request: Request) -> Response:
        """Bulk operations, the newest first, page by page. Staff or docqueue.view_queueitem."""
        found, following = page(request.query_params)
        here = request.build_absolute_uri(request.path)
        link = None if following is None else f"{here}?{following}"
        return Response({"results": BulkAnswer(found, many=True).data, "next": link})

    @extend_schema(
        operation_id="start_bulk_operation",
        tags=[schema.TAG],
        request=BulkRequest,
        responses=schema.answer(202, BulkAnswer, BULK, "Started; the workers do it.")
        | schema.refusals(*ERRORS, "invalid_bulk", "invalid_priority"),
        examples=[
            OpenApiExample(
                "requeue dead letters",
                value={"action": "requeue", "filter": {"status": "dead", "operation": "document.ingest"}},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Do one verb on all items that match now; the answer comes at once, the workers do it in slices.

        Needs docqueue.requeue_item for requeue, docqueue.cancel_item for cancel and discard,
        docqueue.delete_historyitem for purge, docqueue.change_queueitem for priority.
        """
        asked = self.checked(BulkRequest)
        self.check_action(asked.validated_data["action"])
        found = self.acting.bulk(**asked.arguments())
        data = BulkAnswer(found).data
        return Response(data, status=202, headers={"Location": data["url"]})


class BulkOperationView(QueueView):
    """One bulk operation."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="get_bulk_operation",
        tags=[schema.TAG],
        responses=schema.answer(200, BulkAnswer, BULK)
        | schema.refusals("not_authenticated", "permission_denied", "bulk_not_found"),
    )
    def get(self, request: Request, bulk_id: int) -> Response:
        """How far it is. Staff or docqueue.view_queueitem."""
        return Response(BulkAnswer(DocumentQueueService().bulk_status(bulk_id)).data)


class BulkAbortView(ByAction):
    """Abort a bulk operation."""

    @extend_schema(
        operation_id="abort_bulk_operation",
        tags=[schema.TAG],
        request=ReasonRequest,
        responses=schema.answer(200, BulkAnswer, DONE, "Aborted.")
        | schema.refusals(*ERRORS, "bulk_not_found", "illegal_transition"),
        examples=[OpenApiExample("with a reason", value={"reason": "the wrong queue"}, request_only=True)],
    )
    def post(self, request: Request, bulk_id: int) -> Response:
        """End it after the slice that is under way; what was done stays done. Needs what starting it needs."""
        service = DocumentQueueService()
        self.check_action(service.bulk_status(bulk_id).action)
        reason = self.checked(ReasonRequest).validated_data["reason"]
        return Response(BulkAnswer(self.acting.bulk_abort(bulk_id, reason=reason)).data)


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
