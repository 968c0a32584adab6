"""What people may do about one item, over HTTP: each written down with who and why."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.api import paging, schema, serializers
from docqueue.api.fields import PriorityField
from docqueue.api.one_item import LOOKS, OneItemView
from docqueue.api.permissions import has_queue_permission
from docqueue.states import Status

DOES = ("malformed_json", "invalid_request", *LOOKS, "illegal_transition")


class PriorityRequest(serializers.ReasonRequest):
    """Another priority."""

    priority = PriorityField(help_text="Higher first.")


class CancelView(OneItemView):
    """Cancel."""

    permission_classes = (has_queue_permission("cancel_item"),)

    @extend_schema(
        operation_id="cancel_item",
        tags=[schema.TAG],
        request=serializers.ReasonRequest,
        responses=schema.answer(200, serializers.ItemAnswer, schema.CANCELLED, "Cancelled.")
        | schema.answer(202, serializers.ItemAnswer, schema.CANCELLING, "The handler was asked to stop.")
        | schema.refusals(*DOES),
        examples=[OpenApiExample("with a reason", value={"reason": "uploaded by mistake"}, request_only=True)],
    )
    def post(self, request: Request, item_id: int) -> Response:
        """Cancel an item in any live state; a running handler is asked to stop. Needs docqueue.cancel_item."""
        reason = self.checked(serializers.ReasonRequest).validated_data["reason"]
        status = self.acting.cancel(item_id, reason=reason)
        return Response(self.shown(item_id), status=200 if status == Status.CANCELLED else 202)


class RequeueView(OneItemView):
    """Requeue."""

    permission_classes = (has_queue_permission("requeue_item"),)

    @extend_schema(
        operation_id="requeue_item",
        tags=[schema.TAG],
        request=serializers.RequeueRequest,
        responses=schema.answer(200, serializers.ItemAnswer, schema.ITEM | {"status": "pending"})
        | schema.refusals(*DOES),
        examples=[OpenApiExample("in a minute", value={"delay_seconds": 60, "reason": "fixed"}, request_only=True)],
    )
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


class RunNowView(OneItemView):
    """Run now."""

    permission_classes = (has_queue_permission("requeue_item"),)

    @extend_schema(
        operation_id="run_item_now",
        tags=[schema.TAG],
        request=serializers.ReasonRequest,
        responses=schema.answer(200, serializers.ItemAnswer, schema.ITEM | {"status": "pending"})
        | schema.refusals(*DOES),
        examples=[OpenApiExample("with a reason", value={"reason": "the archive is back"}, request_only=True)],
    )
    def post(self, request: Request, item_id: int) -> Response:
        """Let an item go on at once that waits for its time, or for another item. Needs docqueue.requeue_item.

        It keeps its attempts, and still takes its turn, its slot and its rate limit.
        """
        reason = self.checked(serializers.ReasonRequest).validated_data["reason"]
        self.acting.run_now(item_id, reason=reason)
        return Response(self.shown(item_id))


class PriorityView(OneItemView):
    """Change the priority."""

    permission_classes = (has_queue_permission("change_queueitem"),)

    @extend_schema(
        operation_id="change_item_priority",
        tags=[schema.TAG],
        request=PriorityRequest,
        responses=schema.answer(200, serializers.ItemAnswer, schema.ITEM | {"priority": 20})
        | schema.refusals(*DOES, "invalid_priority"),
        examples=[OpenApiExample("high", value={"priority": "high", "reason": "asked for"}, request_only=True)],
    )
    def post(self, request: Request, item_id: int) -> Response:
        """Give a waiting or pending item another priority. Needs docqueue.change_queueitem.

        A pending one goes to the end of its new lane; the priority that it has changes nothing.
        """
        given = self.checked(PriorityRequest).validated_data
        if given.get("priority") is None:
            raise paging.invalid("priority", "Give a whole number from -100 to 100, or a word.")
        self.acting.change_priority(item_id, given["priority"], reason=given["reason"])
        return Response(self.shown(item_id))
