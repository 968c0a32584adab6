"""A probe through the queue, for monitors."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue import selftest
from docqueue.api import schema
from docqueue.api.fields import QueueField, StrictSerializer
from docqueue.api.permissions import MayProcessQueue
from docqueue.api.views import ProcessTokenView


class SelftestRequest(StrictSerializer):
    """Where to send the probe, and how long to wait for it."""

    queue = QueueField()
    seconds = serializers.FloatField(
        required=False, allow_null=True, min_value=0.1, max_value=30,
        help_text="How long to wait; 10 when left out.",
    )  # fmt: skip


class SelftestAnswer(serializers.Serializer[Any]):
    """What became of a probe."""

    ok = serializers.BooleanField(help_text="It came back in time.")
    item_id = serializers.IntegerField()
    queue = serializers.CharField()
    seconds = serializers.FloatField(help_text="In all.")
    steps = serializers.DictField(
        child=serializers.FloatField(), help_text="Milliseconds: enqueue, claim, run, complete, read."
    )
    why = serializers.CharField(allow_blank=True, help_text="What held it, if it did not come back.")


class SelftestView(ProcessTokenView):
    """Send a probe through the real path."""

    permission_classes = (MayProcessQueue,)

    @extend_schema(
        operation_id="queue_selftest",
        tags=[schema.TAG],
        request=SelftestRequest,
        responses=schema.answer(200, SelftestAnswer, schema.PROBED, "It came back.")
        | schema.answer(503, SelftestAnswer, schema.NOT_PROBED, "It did not come back in time.")
        | schema.refusals("malformed_json", "invalid_request", "wrong_token", "not_authenticated", "permission_denied"),
        examples=[OpenApiExample("one queue", value={"queue": "documents", "seconds": 5}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Enqueue a probe, wait until a worker has run it, and say how long each step took.

        For the process token, staff, or docqueue.process_queue. A probe that is late is cancelled.
        """
        given = self.checked(SelftestRequest).validated_data
        probe = selftest.run(queue=given.get("queue"), seconds=given.get("seconds") or 10.0)
        return Response(probe.as_dict(), status=200 if probe.ok else 503)
