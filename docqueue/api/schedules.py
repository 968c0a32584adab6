"""Schedules over HTTP: what is enqueued again and again, when next, and letting it rest or run now."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.api import paging, schema
from docqueue.api.bulk import ERRORS
from docqueue.api.items import enqueued
from docqueue.api.permissions import MaySeeQueue, has_queue_permission
from docqueue.api.serializers import EnqueuedAnswer, ReasonRequest
from docqueue.api.views import QueueView
from docqueue.conf import get_settings
from docqueue.exceptions import DocqueueError, ScheduleNotFound
from docqueue.models import Schedule
from docqueue.service import DocumentQueueService

TICKS_SHOWN = 5
SCHEDULE = {
    "id": 7,
    "name": "nightly report",
    "operation": "report.make",
    "cron": "30 2 * * 1-5",
    "interval_seconds": None,
    "time_zone": "Europe/Berlin",
    "missed": "latest",
    "source": "admin",
    "paused": False,
    "paused_at": None,
    "paused_reason": "",
    "created_at": "2030-01-01T09:00:00Z",
    "next_at": "2030-02-01T01:30:00Z",
    "last_error": None,
    "last_error_at": None,
    "url": "/api/v1/schedules/7",
}
ONE = SCHEDULE | {"next_ticks": ["2030-02-01T01:30:00Z", "2030-02-04T01:30:00Z"]}
RESTING = ONE | {"paused": True, "paused_at": "2030-01-31T12:00:00Z", "paused_reason": "the archive moves"}
RUN = schema.ENQUEUED | {"explain": "Waiting for a free worker."}
WHY = OpenApiExample("with a reason", value={"reason": "the archive moves"}, request_only=True)


class ScheduleAnswer(serializers.ModelSerializer[Schedule]):
    """A schedule."""

    paused = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()

    class Meta:
        model = Schedule
        fields: tuple[str, ...] = (
            "id", "name", "operation", "cron", "interval_seconds", "time_zone", "missed", "source", "paused",
            "paused_at", "paused_reason", "created_at", "next_at", "last_error", "last_error_at", "url",
        )  # fmt: skip
        extra_kwargs = {
            "missed": {"help_text": "What becomes of ticks that no worker was there for: skip, latest, all."},
            "source": {"help_text": "Where it is changed: code or admin."},
            "last_error": {"help_text": "What kept its last tick from being enqueued."},
        }

    def get_paused(self, schedule: Schedule) -> bool:
        """Whether it has no ticks for now."""
        return schedule.paused_at is not None

    def get_url(self, schedule: Schedule) -> str:
        """Where it is."""
        return schema.url("schedule", schedule.pk)


class OneScheduleAnswer(ScheduleAnswer):
    """A schedule with what comes next."""

    next_ticks = serializers.ListField(
        child=serializers.DateTimeField(), help_text="The next ones, as if it were not paused; none: it is broken."
    )

    class Meta(ScheduleAnswer.Meta):
        fields: tuple[str, ...] = (*ScheduleAnswer.Meta.fields, "next_ticks")


class SchedulesAnswer(serializers.Serializer[Any]):
    """One page of schedules, the latest first."""

    results = ScheduleAnswer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Address of the next page; null on the last one.")


def _rows() -> Any:
    return Schedule.objects.using(get_settings().DATABASE)


def _one(schedule_id: int) -> Schedule:
    found: Schedule | None = _rows().filter(pk=schedule_id).first() if schedule_id < 2**63 else None
    if found is None:
        raise ScheduleNotFound(f"There is no schedule {schedule_id}.")
    return found


def _told(schedule_id: int) -> Any:
    schedule: Any = _one(schedule_id)
    try:
        schedule.next_ticks = DocumentQueueService().next_ticks(schedule, TICKS_SHOWN)
    except DocqueueError:  # its own words say why: last_error
        schedule.next_ticks = []
    return OneScheduleAnswer(schedule).data


class SchedulesView(QueueView):
    """The schedules."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="list_schedules",
        tags=[schema.TAG],
        parameters=[*schema.PAGE],
        responses=schema.answer(200, SchedulesAnswer, {"results": [SCHEDULE], "next": None})
        | schema.refusals("invalid_request", "not_authenticated", "permission_denied"),
    )
    def get(self, request: Request) -> Response:
        """What is enqueued again and again, page by page. Staff or docqueue.view_queueitem."""
        limit, before = paging.asked(request)
        found = _rows().order_by("-id")
        rows = list((found.filter(id__lt=before) if before is not None else found)[: limit + 1])
        cursor = rows[limit - 1].pk if len(rows) > limit else None
        shown = ScheduleAnswer(rows[:limit], many=True).data
        return Response({"results": shown, "next": paging.link(request, cursor)})


class OneScheduleView(QueueView):
    """One schedule."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="get_schedule",
        tags=[schema.TAG],
        responses=schema.answer(200, OneScheduleAnswer, ONE)
        | schema.refusals("not_authenticated", "permission_denied", "schedule_not_found"),
    )
    def get(self, request: Request, schedule_id: int) -> Response:
        """A schedule with its next ticks. Staff or docqueue.view_queueitem."""
        return Response(_told(schedule_id))


class ChangingView(QueueView):
    """What changes one schedule."""

    permission_classes = (has_queue_permission("change_schedule"),)

    @property
    def reason(self) -> str:
        """Why, as the caller says."""
        said: str = self.checked(ReasonRequest).validated_data["reason"]
        return said


class PauseScheduleView(ChangingView):
    """Pause a schedule."""

    @extend_schema(
        operation_id="pause_schedule",
        tags=[schema.TAG],
        request=ReasonRequest,
        responses=schema.answer(200, OneScheduleAnswer, RESTING) | schema.refusals(*ERRORS, "schedule_not_found"),
        examples=[WHY],
    )
    def post(self, request: Request, schedule_id: int) -> Response:
        """No ticks until it is resumed, and nobody makes up for them. Needs docqueue.change_schedule."""
        self.acting.pause_schedule(_one(schedule_id), reason=self.reason)
        return Response(_told(schedule_id))


class ResumeScheduleView(ChangingView):
    """Resume a schedule."""

    @extend_schema(
        operation_id="resume_schedule",
        tags=[schema.TAG],
        request=ReasonRequest,
        responses=schema.answer(200, OneScheduleAnswer, ONE)
        | schema.refusals(*ERRORS, "invalid_schedule", "schedule_not_found"),
        examples=[WHY],
    )
    def post(self, request: Request, schedule_id: int) -> Response:
        """Go on with the first tick after now. Needs docqueue.change_schedule."""
        self.acting.resume_schedule(_one(schedule_id), reason=self.reason)
        return Response(_told(schedule_id))


class RunScheduleView(ChangingView):
    """Run a schedule now."""

    @extend_schema(
        operation_id="run_schedule",
        tags=[schema.TAG],
        request=ReasonRequest,
        responses=schema.answer(201, EnqueuedAnswer, RUN, "Enqueued.")
        | schema.answer(200, EnqueuedAnswer, RUN | {"created": False}, "Already there.")
        | schema.refusals(
            *ERRORS, "unknown_operation", "invalid_option", "invalid_schedule", "schedule_not_found", "duplicate_key"
        ),
        examples=[WHY],
    )
    def post(self, request: Request, schedule_id: int) -> Response:
        """Enqueue what it enqueues, beside its ticks, also while it is paused. Needs docqueue.change_schedule."""
        service = DocumentQueueService()
        new = self.acting.run_now(_one(schedule_id), reason=self.reason)
        return enqueued(service, new)
