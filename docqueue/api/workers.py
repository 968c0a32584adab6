"""Workers over HTTP: who lives, when each was last heard of, and what it has in its hands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db.models import Count, Q
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.api import paging, schema
from docqueue.api.permissions import MaySeeQueue, has_queue_permission
from docqueue.api.serializers import ReasonRequest
from docqueue.api.views import QueueView
from docqueue.conf import get_settings
from docqueue.exceptions import WorkerNotFound
from docqueue.models import QueueItem, Worker
from docqueue.states import Status

F = TypeVar("F", bound=Callable[..., Any])
STATES = ("live", "lost", "stopped")
HELD_SHOWN = 100
WORKER = {
    "id": 3,
    "name": "web-1:4711",
    "kind": "worker",
    "state": "live",
    "hostname": "web-1",
    "pid": 4711,
    "queues": [],
    "excluded": [],
    "processes": 2,
    "holds": 2,
    "started_at": "2030-01-31T11:00:00Z",
    "heartbeat_at": "2030-01-31T11:59:58Z",
    "lease_expires_at": "2030-01-31T12:00:28Z",
    "lost_at": None,
    "stopped_at": None,
    "asked": None,
    "asked_by": "",
}
ONE = WORKER | {
    "slots": [{"pid": 4713, "rss_mb": 61, "item_id": 42, "operation": "document.ingest", "database": "ok"}],
    "items": [{"id": 42, "operation": "document.ingest", "claimed_at": "2030-01-31T11:59:59Z"}],
}


class WorkerAnswer(serializers.ModelSerializer[Worker]):
    """One start of a worker, a cron run, or a caller outside a worker."""

    state = serializers.SerializerMethodField(help_text="live, lost (its lease has run out) or stopped.")
    holds = serializers.SerializerMethodField(help_text="Items in progress.")

    class Meta:
        model = Worker
        fields: tuple[str, ...] = (
            "id", "name", "kind", "state", "hostname", "pid", "queues", "excluded", "processes", "holds", "started_at",
            "heartbeat_at", "lease_expires_at", "lost_at", "stopped_at", "asked", "asked_by",
        )  # fmt: skip
        extra_kwargs = {
            "asked": {"help_text": "What people have asked of it: quiet, stop or null."},
            "queues": {"help_text": "That it serves; none: all."},
            "excluded": {"help_text": "But not."},
        }

    def get_state(self, worker: Worker) -> str:
        """As the admin shows it."""
        if worker.stopped_at:
            return "stopped"
        return "lost" if worker.lost_at or worker.lease_expires_at < datetime.now(UTC) else "live"

    def get_holds(self, worker: Worker) -> int:
        """From the context, which has been counted for all of them together."""
        held: int = self.context["held"][worker.pk]
        return held


class HeldAnswer(serializers.ModelSerializer[QueueItem]):
    """An item in a worker's hands."""

    class Meta:
        model = QueueItem
        fields = ("id", "operation", "claimed_at")


class OneWorkerAnswer(WorkerAnswer):
    """A worker with its executor processes and items."""

    slots = serializers.SerializerMethodField(help_text="Its executor processes at the last heartbeat.")
    items = HeldAnswer(many=True, help_text=f"Items in progress, {HELD_SHOWN} at most.")

    class Meta(WorkerAnswer.Meta):
        fields: tuple[str, ...] = (*WorkerAnswer.Meta.fields, "slots", "items")

    @extend_schema_field({"type": "array", "items": {"type": "object", "additionalProperties": True}})
    def get_slots(self, worker: Worker) -> list[dict[str, Any]]:
        """As the worker has reported them."""
        return [slot for slot in worker.info.get("slots", ()) if isinstance(slot, dict)]


class WorkersAnswer(serializers.Serializer[Any]):
    """One page of workers, the latest start first."""

    results = WorkerAnswer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Address of the next page; null on the last one.")


def _rows() -> Any:
    return Worker.objects.using(get_settings().DATABASE)


def _held() -> Any:
    return QueueItem.objects.using(get_settings().DATABASE).filter(status=Status.IN_PROGRESS)


def _context(rows: Sequence[Worker]) -> dict[str, Any]:
    ids = [worker.pk for worker in rows]
    counted = _held().filter(worker_id__in=ids).values_list("worker_id").annotate(held=Count("*")).order_by()
    return {"held": Counter(dict(counted))}


class WorkersView(QueueView):
    """The workers."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="list_workers",
        tags=[schema.TAG],
        parameters=[OpenApiParameter("state", str, enum=STATES, description="Only those."), *schema.PAGE],
        responses=schema.answer(200, WorkersAnswer, {"results": [WORKER], "next": None})
        | schema.refusals("invalid_request", "not_authenticated", "permission_denied"),
    )
    def get(self, request: Request) -> Response:
        """Workers, cron runs and callers, the latest start first, page by page. Staff or docqueue.view_queueitem."""
        limit, before = paging.asked(request)
        found, now = _rows().order_by("-id"), datetime.now(UTC)
        ours = Q(lost_at=None, stopped_at=None)
        match request.query_params.get("state") or None:
            case None:
                pass
            case "live":
                found = found.filter(ours, lease_expires_at__gte=now)
            case "lost":
                found = found.filter(Q(lost_at__isnull=False, stopped_at=None) | ours & Q(lease_expires_at__lt=now))
            case "stopped":
                found = found.filter(stopped_at__isnull=False)
            case _:
                raise paging.invalid("state", f"Give one of {', '.join(STATES)}.")
        if before is not None:
            found = found.filter(id__lt=before)
        rows = list(found[: limit + 1])
        shown = WorkerAnswer(rows[:limit], many=True, context=_context(rows[:limit])).data
        return Response(
            {"results": shown, "next": paging.link(request, rows[limit - 1].pk if len(rows) > limit else None)}
        )


class OneWorkerView(QueueView):
    """One worker."""

    permission_classes: tuple[type[BasePermission], ...] = (MaySeeQueue,)

    @extend_schema(
        operation_id="get_worker",
        tags=[schema.TAG],
        responses=schema.answer(200, OneWorkerAnswer, ONE)
        | schema.refusals("not_authenticated", "permission_denied", "worker_not_found"),
    )
    def get(self, request: Request, worker_id: int) -> Response:
        """A worker, its executor processes and what it has in its hands. Staff or docqueue.view_queueitem."""
        return Response(self.shown(worker_id))

    def shown(self, worker_id: int) -> Any:
        """The worker as JSON. Raises `WorkerNotFound`."""
        worker = _rows().filter(pk=worker_id).first() if worker_id < 2**63 else None
        if worker is None:
            raise WorkerNotFound(f"There is no worker {worker_id}.")
        worker.items = (
            _held().filter(worker_id=worker.pk).order_by("id").only("id", "operation", "claimed_at")[:HELD_SHOWN]
        )
        return OneWorkerAnswer(worker, context=_context([worker])).data


class AskWorkerView(OneWorkerView):
    """What people ask of a worker."""

    permission_classes = (has_queue_permission("manage_workers"),)
    http_method_names = ("post", "options")
    verb = ""

    def post(self, request: Request, worker_id: int) -> Response:
        """Ask it, once; asking again changes nothing."""
        reason = self.checked(ReasonRequest).validated_data["reason"]
        self.shown(worker_id)  # that there is one, and that its number is none too large
        getattr(self.acting, self.verb)(worker_id, reason=reason)
        return Response(self.shown(worker_id))


def asks(operation_id: str, asked: str | None) -> Callable[[F], F]:
    """What the OpenAPI document says of such a request."""
    described: Callable[[F], F] = extend_schema(
        operation_id=operation_id,
        tags=[schema.TAG],
        request=ReasonRequest,
        responses=schema.answer(200, OneWorkerAnswer, ONE | {"asked": asked})
        | schema.refusals(
            "malformed_json", "invalid_request", "not_authenticated", "permission_denied", "worker_not_found",
            "worker_refuses",
        ),
        examples=[OpenApiExample("with a reason", value={"reason": "before the update"}, request_only=True)],
    )  # fmt: skip
    return described


class QuietWorkerView(AskWorkerView):
    """Claim nothing new."""

    verb = "quiet_worker"

    @asks("quiet_worker", "quiet")
    def post(self, request: Request, worker_id: int) -> Response:
        """Have a worker claim nothing new; what it holds it finishes. Needs docqueue.manage_workers."""
        return super().post(request, worker_id)


class UnquietWorkerView(AskWorkerView):
    """Go on."""

    verb = "unquiet_worker"

    @asks("unquiet_worker", None)
    def post(self, request: Request, worker_id: int) -> Response:
        """Let a quiet worker claim again. Needs docqueue.manage_workers."""
        return super().post(request, worker_id)


class StopWorkerView(AskWorkerView):
    """End."""

    verb = "stop_worker"

    @asks("stop_worker", "stop")
    def post(self, request: Request, worker_id: int) -> Response:
        """Have a worker end as TERM does: what runs has the grace period. Needs docqueue.manage_workers."""
        return super().post(request, worker_id)
