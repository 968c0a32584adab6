"""Reprocess and retry: one document or file at once; an upload or a selection by an item of its own.

Every selection is among the caller's own files: ids of other users' select nothing.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.api.fields import StrictSerializer
from docqueue.api.parsers import BoundedJSONParser
from docqueue.api.throttles import BULK
from ingestion.api import presenting
from ingestion.api.base import BIGGEST_ID, OwnedView, not_found, refused, who
from ingestion.api.examples import ORDER, ORDER_STARTED, PREVIEW, REPROCESSING
from ingestion.api.reprocess_shapes import (
    OrderBody,
    OrderShape,
    OrderStartedShape,
    PreviewShape,
    SelectionBody,
    StageBody,
)
from ingestion.api.serializers import ReprocessingShape
from ingestion.models import Outcome, Stage
from ingestion.reprocess_file import reprocess_file
from ingestion.reprocess_many import Order, order_progress, start_order
from ingestion.selecting import Selection
from ingestion.services import reprocess_document

SAME = ("error_code", "outcome", "type", "extractor", "extractor_version_below", "outdated")
"""What a request's body calls as a `Selection` does."""
EMPTY = ("from_stage", "error_code", "error_message")
"""What is null in an answer where there is none."""
STARTED = {
    202: OpenApiResponse(OrderStartedShape, description="The workers do it.", examples=[ORDER_STARTED]),
    200: OpenApiResponse(PreviewShape, description="The preview that was asked for.", examples=[PREVIEW]),
}
DESCRIPTION = "Search answers from the old text until the new one is there. What is under way is left alone."


class ReprocessingView(OwnedView):
    """What the views share."""

    parser_classes = [BoundedJSONParser]

    def checked(self, body: type[StrictSerializer]) -> dict[str, Any]:
        """The request's body, checked; an empty one asks for nothing in particular."""
        given = body(data=self.request.data or {})
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)

    def answer(self, request: Request, given: dict[str, Any], selection: Selection, priority: int | str) -> Response:
        """Count, or start."""
        asked = given.get("priority")
        order = Order.of(
            selection,
            from_stage=given["from_stage"],
            priority=priority if asked is None else asked,
            by=who(request),
        )
        if given["preview"]:
            return Response(asdict(order.counted()))
        started = start_order(order)
        counts = asdict(started.counts)
        if started.item_id is None:
            nothing = dict.fromkeys(OrderShape().fields) | {"finished": True, "percent": 100, "at_least": False}
            sums = dict.fromkeys(("total", "documents", "skipped", "archives"), 0)
            said = {key: value for key, value in selection.as_dict().items() if key != "owner"}
            return Response({**nothing, **sums, "selection": said, "counts": counts}, status=202)
        body = self.progress(request, started.item_id)
        return Response({**body, "counts": counts}, status=202, headers={"Location": body["status_url"]})

    def progress(self, request: Request, item_id: int) -> dict[str, Any]:
        """How far the caller's order is."""
        known = order_progress(item_id, self.owner_id(request)) if item_id <= BIGGEST_ID else None
        if known is None:
            not_found()
        url = request.build_absolute_uri(reverse("ingestion:reprocessing", args=[item_id]))
        return {**asdict(known), **{key: getattr(known, key) or None for key in EMPTY}, "status_url": url}


class ReprocessView(ReprocessingView):
    """Processing a selection anew."""

    throttle_scopes: ClassVar = {"POST": BULK}

    @extend_schema(
        operation_id="reprocess",
        summary="Process files anew: those that failed with a code, or were read by an older extractor …",
        description=DESCRIPTION,
        request=SelectionBody,
        responses={**STARTED, **refused(400, 401)},
        examples=[
            OpenApiExample("Count what failed with a code", value={"error_code": "timed_out", "preview": True}),
            OpenApiExample("What an older extractor read", value={"outdated": True, "from_stage": "indexing"}),
            OpenApiExample("Some documents, now", value={"document_ids": [55, 56], "priority": "high"}),
        ],
        tags=["reprocessing"],
    )
    def post(self, request: Request) -> Response:
        """With `preview`, counts; else an item that puts everything into the queue, and where to see how far it is."""
        given = self.checked(SelectionBody)
        asked = {key: given[key] for key in SAME if key in given}
        selection = Selection(
            owner=self.owner_id(request),
            documents=tuple(given.get("document_ids", ())),
            files=tuple(given.get("file_ids", ())),
            intakes=(given["intake"],) if "intake" in given else (),
            **asked,
        )
        return self.answer(request, given, selection, "low")


class ReprocessProgressView(ReprocessingView):
    """How far it is."""

    @extend_schema(
        operation_id="get_reprocessing",
        summary="How far a reprocessing is",
        responses={200: OpenApiResponse(OrderShape, examples=[ORDER]), **refused(401, 404)},
        tags=["reprocessing"],
    )
    def get(self, request: Request, pk: int) -> Response:
        """Poll it until `finished` is true: then all of its files are in the queue."""
        return Response(self.progress(request, pk))


class IntakeOrderView(ReprocessingView):
    """Processing the files of an upload anew."""

    only = ""

    def order(self, request: Request, pk: int) -> Response:
        """Those that ended as `only` says."""
        given, intake = self.checked(OrderBody), self.intake(request, pk)
        selection = Selection(owner=intake.owner_id, intakes=(intake.pk,), outcome=self.only)
        return self.answer(request, given, selection, intake.priority)


class ReprocessIntakeView(IntakeOrderView):
    """All files."""

    @extend_schema(
        operation_id="reprocess_intake",
        summary="Process all files of an upload anew",
        description=DESCRIPTION,
        request=OrderBody,
        responses={**STARTED, **refused(400, 401, 404)},
        tags=["reprocessing"],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Whatever they ended as."""
        return self.order(request, pk)


class RetryIntakeView(IntakeOrderView):
    """The failed files."""

    only = Outcome.FAILED.value

    @extend_schema(
        operation_id="retry_intake",
        summary="Process the failed files of an upload anew",
        description=DESCRIPTION,
        request=OrderBody,
        responses={**STARTED, **refused(400, 401, 404)},
        tags=["reprocessing"],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Those that failed, while they were unzipped as well."""
        return self.order(request, pk)


class ReprocessFileView(ReprocessingView):
    """Processing one file anew."""

    only_failed = False

    @extend_schema(
        operation_id="reprocess_file",
        summary="Process one file of an upload anew",
        description=DESCRIPTION,
        request=StageBody,
        responses={
            202: OpenApiResponse(ReprocessingShape, examples=[REPROCESSING]),
            **refused(400, 401, 404, 409),
        },
        tags=["reprocessing"],
    )
    def post(self, request: Request, pk: int) -> Response:
        """By a new item; one that failed while it was unzipped is read from its archive again."""
        stage, file = self.checked(StageBody)["from_stage"], self.file(request, pk)
        work = reprocess_file(file, by=who(request), from_stage=stage, only_failed=self.only_failed)
        if work.document_id is not None:
            url = presenting.document_url(request, work.document_id)
        else:
            url = request.build_absolute_uri(reverse("ingestion:intake", args=[file.intake_id]))
        return Response({**asdict(work), "status_url": url}, status=202, headers={"Location": url})


class RetryFileView(ReprocessFileView):
    """Processing one failed file anew."""

    only_failed = True

    @extend_schema(
        operation_id="retry_file",
        summary="Process one failed file of an upload anew",
        description=DESCRIPTION,
        request=StageBody,
        responses={
            202: OpenApiResponse(ReprocessingShape, examples=[REPROCESSING]),
            **refused(400, 401, 404, 409),
        },
        tags=["reprocessing"],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Refused where it has not failed."""
        return super().post(request, pk)


class ReprocessDocumentView(ReprocessingView):
    """Processing a document anew."""

    @extend_schema(
        operation_id="reprocess_document",
        summary="Process a document anew, from its stored bytes",
        description="Search answers from the old text until the new one is there. A retry that waits runs now.",
        request=StageBody,
        responses={
            202: OpenApiResponse(ReprocessingShape, examples=[REPROCESSING]),
            **refused(400, 401, 404, 409),
        },
        tags=["documents"],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Enqueue a new item for the document."""
        stage = self.checked(StageBody)["from_stage"]
        document = self.document(request, pk)
        work = reprocess_document(document, by=who(request), from_stage=stage or Stage.UPLOADING.value)
        url = presenting.document_url(request, document.pk)
        body = {"document_id": document.pk, "item_id": work.item_id, "created": work.created, "status_url": url}
        return Response(body, status=202, headers={"Location": url})
