"""Intakes, documents and limits. Every answer is about the caller's own rows."""

from __future__ import annotations

from dataclasses import asdict

from django.db import transaction
from django.utils.decorators import method_decorator
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.api.schema import PAGE
from ingestion.api import presenting
from ingestion.api.base import InOrder, NewestFirst, OwnedView, file_rows, intakes_of, page_of, refused, who
from ingestion.api.examples import DOCUMENT, FILE, INTAKE_DONE, LIMITS
from ingestion.api.following import FollowedDocument, FollowedIntake
from ingestion.api.polling import IF_NONE_MATCH, NOT_MODIFIED, WAIT, Look, answer
from ingestion.api.serializers import (
    LIMITS_SCHEMA,
    DocumentShape,
    FilePage,
    IntakePage,
    IntakeShape,
)
from ingestion.limits import get_limits
from ingestion.models import Outcome
from ingestion.services import cancel_document, cancel_intake, delete_document, delete_intake, reconcile_intake


class IntakesView(OwnedView):
    """The caller's uploads."""

    @extend_schema(
        operation_id="list_intakes",
        summary="List my uploads, the newest first",
        parameters=[*PAGE],
        responses={200: IntakePage, **refused(400, 401)},
        tags=["intakes"],
    )
    def get(self, request: Request) -> Response:
        """The caller's intakes."""
        paginator = NewestFirst()
        page = page_of(self, intakes_of(self.owner_id(request)), paginator, request)
        return paginator.get_paginated_response(presenting.intakes(request, page))


@method_decorator(transaction.non_atomic_requests, name="dispatch")  # an answer that is held must not hold one open
class IntakeView(FollowedIntake):
    """One upload."""

    @extend_schema(
        operation_id="get_intake",
        summary="How far an upload is",
        parameters=[WAIT, IF_NONE_MATCH],
        responses={
            200: OpenApiResponse(IntakeShape, examples=[INTAKE_DONE]),
            304: NOT_MODIFIED,
            **refused(400, 401, 404),
        },
        tags=["intakes"],
    )
    def get(self, request: Request, pk: int) -> Response:
        """The intake; poll it until `finished` is true, with `wait` and the last answer's ETag."""
        self.begin(request, pk)
        return answer(request, lambda: self.look(request, pk))

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


@method_decorator(transaction.non_atomic_requests, name="dispatch")
class IntakeFilesView(OwnedView):
    """The files of one upload."""

    @extend_schema(
        operation_id="list_intake_files",
        summary="The files of an upload, each with its state and reason",
        parameters=[
            OpenApiParameter("outcome", str, enum=Outcome.values, description="Only files that ended so."),
            OpenApiParameter("error_code", str, description="Only files that failed with this code."),
            *PAGE,
            WAIT,
            IF_NONE_MATCH,
        ],
        responses={200: OpenApiResponse(FilePage, examples=[FILE]), 304: NOT_MODIFIED, **refused(400, 401, 404)},
        tags=["intakes"],
    )
    def get(self, request: Request, pk: int) -> Response:
        """The files in the order of the upload."""
        reconcile_intake(self.intake(request, pk))

        def look() -> Look:
            intake = self.intake(request, pk)
            rows = file_rows(intake)
            for name in ("outcome", "error_code"):
                if wanted := request.query_params.get(name):
                    rows = rows.filter(**{name: wanted.replace("\0", "")})
            paginator = InOrder()
            files_at = presenting.files_at(request, page_of(self, rows, paginator, request))
            return Look(at=lambda now: paginator.get_paginated_response(files_at(now)).data, finished=intake.finished)

        return answer(request, look)


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


@method_decorator(transaction.non_atomic_requests, name="dispatch")
class DocumentView(FollowedDocument):
    """One document."""

    @extend_schema(
        operation_id="get_document",
        summary="How far a document is, and what is known of it",
        parameters=[WAIT, IF_NONE_MATCH],
        responses={
            200: OpenApiResponse(DocumentShape, examples=[DOCUMENT]),
            304: NOT_MODIFIED,
            **refused(400, 401, 404),
        },
        tags=["documents"],
    )
    def get(self, request: Request, pk: int) -> Response:
        """The document; poll it until `finished` is true, with `wait` and the last answer's ETag."""
        self.begin(request, pk)
        return answer(request, lambda: self.look(request, pk))

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
