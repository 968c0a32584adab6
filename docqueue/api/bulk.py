"""Bulk operations over HTTP: asked for here, done by the workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.api import paging, schema, throttles
from docqueue.api.fields import ObjectField, PriorityField
from docqueue.api.permissions import MaySeeQueue
from docqueue.api.serializers import ReasonRequest, moment
from docqueue.api.views import QueueView
from docqueue.bulk import KINDS, MOST_CANARIES, PERMISSIONS
from docqueue.conf import get_settings
from docqueue.exceptions import InvalidBulk
from docqueue.listing import nearest
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
            found[key] = moment(found[key])
            if found[key] is None:
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


def page(params: Mapping[str, str]) -> tuple[list[BulkOperation], int | None]:
    """The operations of the page that these query parameters ask for, and the cursor of the next one.

    A page is a walk down the ids. Raises `ValidationError`.
    """
    limit, before = paging.limit(params.get("limit")), paging.before(params.get("cursor"))
    line = BulkOperation.objects.using(get_settings().DATABASE).order_by("-id")
    asked = {}
    for name, known in NARROWS.items():
        if params.get(name):
            if params[name] not in known.values:
                raise paging.invalid(name, f"Give one of {', '.join(known.values)}.")
            asked[name] = params[name]
    if before is not None:
        line = line.filter(id__lt=before)
    found, last = nearest(line, ("id",), line.filter(**asked)) if asked else (line, None)
    rows = list(found[: limit + 1])
    if len(rows) > limit:
        last = rows[limit - 1]
    return rows[:limit], None if last is None else last.pk


class ByAction(QueueView):
    """What the action says who may do."""

    permission_classes = (IsAuthenticated,)

    def check_action(self, action: str) -> None:
        """Raises `PermissionDenied`."""
        if not self.request.user.has_perm(PERMISSIONS[action]):
            self.permission_denied(self.request)


class BulkView(ByAction):
    """List bulk operations; start one."""

    throttle_scopes: ClassVar = {"POST": throttles.BULK}

    def get_permissions(self) -> list[BasePermission]:
        return [MaySeeQueue() if self.request.method in SAFE_METHODS else IsAuthenticated()]

    @extend_schema(
        operation_id="list_bulk_operations",
        tags=[schema.TAG],
        parameters=[
            *(OpenApiParameter(name, str, enum=known.values) for name, known in NARROWS.items()),
            *schema.PAGE,
        ],
        responses=schema.answer(200, BulkListAnswer, LISTED)
        | schema.refusals("invalid_request", "not_authenticated", "permission_denied"),
    )
    def get(self, request: Request) -> Response:
        """Bulk operations, the newest first, page by page. Staff or docqueue.view_queueitem.

        By action or state a page looks at the next 20,000 of them: `next` may be there though few or none fit.
        """
        found, cursor = page(request.query_params)
        return Response({"results": BulkAnswer(found, many=True).data, "next": paging.link(request, cursor)})

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
