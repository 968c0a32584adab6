"""Intakes, documents and limits. Every answer is about the caller's own rows."""

from __future__ import annotations

from dataclasses import asdict

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.api import presenting
from ingestion.api.base import InOrder, NewestFirst, OwnedView, file_rows, intakes_of, page_of, refused, who
from ingestion.api.examples import DOCUMENT, FILE, INTAKE_DONE, LIMITS, REPROCESSING
from ingestion.api.serializers import (
    LIMITS_SCHEMA,
    DocumentShape,
    FilePage,
    IntakePage,
    IntakeShape,
    ReprocessingShape,
)
from ingestion.limits import get_limits
from ingestion.models import Outcome
from ingestion.services import (
    cancel_document,
    cancel_intake,
    delete_document,
    delete_intake,
    reconcile_intake,
    reprocess_document,
)


class IntakesView(OwnedView):
    """The caller's uploads."""

    @extend_schema(
        operation_id="list_intakes",
        summary="List my uploads, the newest first",
        responses={200: IntakePage, **refused(401)},
        tags=["intakes"],
    )
    def get(self, request: Request) -> Response:
        """The caller's intakes."""
        paginator = NewestFirst()
        page = page_of(self, intakes_of(self.owner_id(request)), paginator, request)
        return paginator.get_paginated_response(presenting.intakes(request, page))


class IntakeView(OwnedView):
    """One upload."""

    @extend_schema(
        operation_id="get_intake",
        summary="How far an upload is",
        responses={200: OpenApiResponse(IntakeShape, examples=[INTAKE_DONE]), **refused(401, 404)},
        tags=["intakes"],
    )
    def get(self, request: Request, pk: int) -> Response:
        """The intake; poll it until `finished` is true."""
        intake = self.intake(request, pk)
        if reconcile_intake(intake):
            intake.refresh_from_db()
        return Response(presenting.intake(request, intake))

    @extend_schema(
        operation_id="delete_intake",
        summary="Delete an upload with its documents, their text and their bytes",
        description=(
            "Everything of it is hidden at once, and gone when this answers or, of a large upload, soon after. What "
            "has not ended is cancelled. A duplicate in another upload becomes a document of its own."
        ),
        responses={204: None, **refused(401, 404, 503)},
        tags=["intakes"],
    )
    def delete(self, request: Request, pk: int) -> Response:
        """Delete the intake for good."""
        delete_intake(self.intake(request, pk), by=who(request))
        return Response(status=204)


class IntakeFilesView(OwnedView):
    """The files of one upload."""

    @extend_schema(
        operation_id="list_intake_files",
        summary="The files of an upload, each with its state and reason",
        parameters=[
            OpenApiParameter("outcome", str, enum=Outcome.values, description="Only files that ended so."),
            OpenApiParameter("error_code", str, description="Only files that failed with this code."),
        ],
        responses={200: OpenApiResponse(FilePage, examples=[FILE]), **refused(401, 404)},
        tags=["intakes"],
    )
    def get(self, request: Request, pk: int) -> Response:
        """The files in the order of the upload."""
        intake = self.intake(request, pk)
        reconcile_intake(intake)
        rows = file_rows(intake)
        for name in ("outcome", "error_code"):
            if wanted := request.query_params.get(name):
                rows = rows.filter(**{name: wanted.replace("\0", "")})
        paginator = InOrder()
        return paginator.get_paginated_response(presenting.files(page_of(self, rows, paginator, request)))


class CancelIntakeView(OwnedView):
    """The end of an upload before its time."""

    @extend_schema(
        operation_id="cancel_intake",
        summary="Cancel what has not ended of an upload",
        request=None,
        responses={202: IntakeShape, **refused(401, 404, 409)},
        tags=["intakes"],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Waiting files end at once, running ones as soon as they notice; completed ones stay."""
        intake = self.intake(request, pk)
        cancel_intake(intake, by=who(request))
        intake.refresh_from_db()
        return Response(presenting.intake(request, intake), status=202)


class DocumentView(OwnedView):
    """One document."""

    @extend_schema(
        operation_id="get_document",
        summary="How far a document is, and what is known of it",
        responses={200: OpenApiResponse(DocumentShape, examples=[DOCUMENT]), **refused(401, 404)},
        tags=["documents"],
    )
    def get(self, request: Request, pk: int) -> Response:
        """The document."""
        document = self.document(request, pk)
        if hasattr(document, "file") and reconcile_intake(document.file.intake):
            document = self.document(request, pk)
        return Response(presenting.document(request, document))

    @extend_schema(
        operation_id="delete_document",
        summary="Delete a document with its text and its bytes",
        description=(
            "Work on it is cancelled. Its file stays in the list of the upload's files. When another upload has the "
            "same bytes, that one is processed and becomes a document of its own."
        ),
        responses={204: None, **refused(401, 404, 503)},
        tags=["documents"],
    )
    def delete(self, request: Request, pk: int) -> Response:
        """Delete the document for good."""
        delete_document(self.document(request, pk), by=who(request))
        return Response(status=204)


class ReprocessDocumentView(OwnedView):
    """Processing a document anew."""

    @extend_schema(
        operation_id="reprocess_document",
        summary="Process a document anew, from its stored bytes",
        description="Search answers from the old text until the new one is there. A retry that waits runs now.",
        request=None,
        responses={202: OpenApiResponse(ReprocessingShape, examples=[REPROCESSING]), **refused(401, 404)},
        tags=["documents"],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Enqueue a new item for the document."""
        document = self.document(request, pk)
        work = reprocess_document(document, by=who(request))
        url = presenting.document_url(request, document.pk)
        body = {"document_id": document.pk, "item_id": work.item_id, "created": work.created, "status_url": url}
        return Response(body, status=202, headers={"Location": url})


class CancelDocumentView(OwnedView):
    """The end of the work on one document."""

    @extend_schema(
        operation_id="cancel_document",
        summary="Cancel the work on a document",
        request=None,
        responses={202: DocumentShape, **refused(401, 404, 409)},
        tags=["documents"],
    )
    def post(self, request: Request, pk: int) -> Response:
        """It ends at once when it waits, as soon as it notices when it runs."""
        cancel_document(self.document(request, pk), by=who(request))
        return Response(presenting.document(request, self.document(request, pk)), status=202)


class LimitsView(OwnedView):
    """What is accepted at most, to be asked before anything is sent."""

    @extend_schema(
        operation_id="get_limits",
        summary="What an upload may be at most",
        responses={200: OpenApiResponse(LIMITS_SCHEMA, examples=[LIMITS]), **refused(401)},
        tags=["documents"],
    )
    def get(self, request: Request) -> Response:
        """Every limit by name, with its value and what it means."""
        limits = get_limits()
        meaning = limits.documentation()
        values = asdict(limits)
        return Response({name: {"value": values[name], "description": text} for name, text in meaning.items()})
