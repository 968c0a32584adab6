"""What calls to the knowledge store cost: for staff of all, for anybody of their own uploads."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ingestion.api.base import OwnedView, refused
from ingestion.api.serializers import Shape
from ingestion.diagnostics import reading

_CALL: dict[str, Any] = {
    "id": 4711,
    "started_at": "2026-11-22T19:30:01.512Z",
    "method": "put",
    "attempt": 2,
    "status": 201,
    "error_code": None,
    "document_ids": [56],
    "bytes_sent": 18211,
    "bytes_per_second": 1821100.0,
    "seconds": {"queue_wait": 0.0001, "connect": None, "send": 0.01, "first_byte": 0.061, "total": 0.0625},
}
_SECONDS = {"p50": 0.0625, "p95": 0.2, "p99": 0.9}
DIAGNOSTICS = OpenApiExample(
    "A store that has been away for a moment",
    value={
        "store": "http",
        "since": "2026-11-21T19:30:00Z",
        "hours": 24,
        "calls": 1210,
        "complete": True,
        "breaker": {
            "state": "closed",
            "failures_in_a_row": 0,
            "last_code": "km_unavailable",
            "last_success_at": "2026-11-22T19:30:01.512Z",
            "last_failure_at": "2026-11-22T11:02:31Z",
        },
        "methods": [
            {
                "method": "put",
                "calls": 1210,
                "failed": 3,
                "retries": 3,
                "bytes_sent": 734003200,
                "bytes_per_second": 2097152.0,
                "seconds": {
                    "queue_wait": _SECONDS, "connect": None, "send": _SECONDS, "first_byte": _SECONDS, "total": _SECONDS
                },
            }
        ],
        "error_codes": [{"code": "km_unavailable", "calls": 3, "last_at": "2026-11-22T11:02:31Z"}],
        "slowest": [_CALL],
    },
    response_only=True,
    status_codes=["200"],
)  # fmt: skip
OF_INTAKE = OpenApiExample(
    "One document, sent at the second try",
    value={"intake_id": 12, "complete": True, "calls": [_CALL]},
    response_only=True,
    status_codes=["200"],
)
PHASE_HELP = (
    "Seconds. queue_wait: for a connection of the process; connect: TCP and TLS, null where one was kept; send: the "
    "request; first_byte: from the call's beginning; total: to the end of the answer."
)


class PhasesShape(Shape):
    """How long the parts of one call took."""

    queue_wait = serializers.FloatField(allow_null=True)
    connect = serializers.FloatField(allow_null=True)
    send = serializers.FloatField(allow_null=True)
    first_byte = serializers.FloatField(allow_null=True)
    total = serializers.FloatField()


class PercentilesShape(Shape):
    """Of one duration, in seconds."""

    p50 = serializers.FloatField()
    p95 = serializers.FloatField()
    p99 = serializers.FloatField()


class PhasePercentilesShape(Shape):
    """The same of every phase; null where no call came to it."""

    queue_wait = PercentilesShape(allow_null=True)
    connect = PercentilesShape(allow_null=True)
    send = PercentilesShape(allow_null=True)
    first_byte = PercentilesShape(allow_null=True)
    total = PercentilesShape()


class CallShape(Shape):
    """One exchange with the knowledge store."""

    id = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    method = serializers.CharField(help_text="What was asked of the store: health, exists, put, put_many …")
    attempt = serializers.IntegerField(help_text="From 1; later ones are tries of the same call.")
    status = serializers.IntegerField(allow_null=True, help_text="Of HTTP; null where no answer came.")
    error_code = serializers.CharField(allow_null=True)
    document_ids = serializers.ListField(child=serializers.IntegerField())
    bytes_sent = serializers.IntegerField(help_text="Those of documents.")
    bytes_per_second = serializers.FloatField(allow_null=True)
    seconds = PhasesShape(help_text=PHASE_HELP)


class BreakerShape(Shape):
    """What the newest calls of all processes say of the store."""

    state = serializers.ChoiceField(
        choices=["closed", "open", "unknown"],
        help_text="open: the last three calls or more found it out of order. Each process has a breaker of its own.",
    )
    failures_in_a_row = serializers.IntegerField()
    last_code = serializers.CharField(allow_blank=True)
    last_success_at = serializers.DateTimeField(allow_null=True)
    last_failure_at = serializers.DateTimeField(allow_null=True)


class MethodShape(Shape):
    """How the calls of one method went."""

    method = serializers.CharField()
    calls = serializers.IntegerField()
    failed = serializers.IntegerField()
    retries = serializers.IntegerField(help_text="Calls that were not the first attempt.")
    bytes_sent = serializers.IntegerField()
    bytes_per_second = serializers.FloatField(allow_null=True)
    seconds = PhasePercentilesShape(help_text=PHASE_HELP)


class CodeShape(Shape):
    """How often calls failed with a code."""

    code = serializers.CharField()
    calls = serializers.IntegerField()
    last_at = serializers.DateTimeField()


class DiagnosticsShape(Shape):
    """What the knowledge store's calls cost in a window of time."""

    store = serializers.CharField(help_text="The kind that is configured: local makes no calls.")
    since = serializers.DateTimeField()
    hours = serializers.IntegerField()
    calls = serializers.IntegerField()
    complete = serializers.BooleanField(help_text="False: only the newest 20,000 calls of the window were looked at.")
    breaker = BreakerShape()
    methods = MethodShape(many=True)
    error_codes = CodeShape(many=True)
    slowest = CallShape(many=True)


class IntakeDiagnosticsShape(Shape):
    """The calls about the documents of one upload, the newest first."""

    intake_id = serializers.IntegerField()
    complete = serializers.BooleanField(
        help_text="False: there are more than 500 calls or 1,000 documents; the newest are looked at. What is older "
        "than some days is gone."
    )
    calls = CallShape(many=True)


class DiagnosticsView(APIView):
    """How the knowledge store does, for staff."""

    permission_classes = [IsAdminUser]

    @extend_schema(
        operation_id="km_diagnostics",
        summary="What calls to the knowledge store cost: percentiles, errors, the slowest",
        parameters=[
            OpenApiParameter("hours", int, description="How far to look back, 1 to 744; 24 by default."),
            OpenApiParameter("method", str, description="Only calls of this kind: put, exists …"),
        ],
        responses={200: OpenApiResponse(DiagnosticsShape, examples=[DIAGNOSTICS]), **refused(400, 401, 403)},
        tags=["knowledge store"],
    )
    def get(self, request: Request) -> Response:
        """The figures of the window."""
        given = request.query_params
        found = reading.diagnose(hours=given.get("hours", reading.HOURS), method=given.get("method", ""))
        return Response({"store": reading.store_name(), **reading.as_dict(found)})


class IntakeDiagnosticsView(OwnedView):
    """What handing one upload's documents over has cost."""

    @extend_schema(
        operation_id="intake_diagnostics",
        summary="The calls to the knowledge store about an upload's documents",
        responses={200: OpenApiResponse(IntakeDiagnosticsShape, examples=[OF_INTAKE]), **refused(401, 404)},
        tags=["intakes"],
    )
    def get(self, request: Request, pk: int) -> Response:
        """Calls with their timings; none where the store is this database."""
        intake = self.intake(request, pk)
        found = reading.of_intake(intake)
        calls = [reading.shown(call, found.documents) for call in found.calls]
        return Response({"intake_id": intake.pk, "complete": found.complete, "calls": calls})
