"""POST documents: refusals come before anything is kept, bytes stream to storage, the answer is 202 with an address."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.files.uploadhandler import FileUploadHandler
from django.db.models import Q
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.api.schema import PAGE
from docqueue.api.throttles import UPLOAD
from ingestion.api import presenting
from ingestion.api.base import LookedThrough, NewestFirst, OwnedView, documents_of, page_of, refused
from ingestion.api.examples import INTAKE_PENDING
from ingestion.api.serializers import DocumentPage, IntakeShape, UploadForm
from ingestion.errors import TooLarge
from ingestion.limits import get_limits
from ingestion.models import Document
from ingestion.naming import placed
from ingestion.services import accept_upload
from ingestion.storage import ensure_room

FORM_BYTES = 1024 * 1024
"""Room for the form around the files: boundaries, names, tags."""


class QuotaUploadHandler(FileUploadHandler):
    """Counts what arrives and breaks off beyond the limit, also where no length was announced or a false one."""

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self.left = get_limits().max_upload_bytes

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self.left -= len(raw_data)
        if self.left < 0:
            refuse_size(get_limits().max_upload_bytes)
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


def refuse_size(most: int) -> None:
    """Refuse an upload for its size."""
    raise TooLarge(f"The upload is larger than the {most:,} bytes that are accepted (MAX_UPLOAD_BYTES).")


class DocumentsView(OwnedView):
    """The caller's documents, and the door for new ones."""

    parser_classes = [MultiPartParser]
    throttle_scopes: ClassVar = {"POST": UPLOAD}

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        # Before anybody reads the body: authentication by session does, for its CSRF check.
        if request.method == "POST":
            request.upload_handlers.insert(0, QuotaUploadHandler(request))
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Look at the announced size before anything reads the body, as the CSRF check of a session does."""
        if request.method == "POST":
            announced = request.META.get("CONTENT_LENGTH") or "0"
            most = get_limits().max_upload_bytes
            if announced.isdigit() and int(announced) > most + FORM_BYTES:
                refuse_size(most)
            ensure_room(int(announced) if announced.isdigit() else 0)
        super().initial(request, *args, **kwargs)

    @extend_schema(
        operation_id="list_documents",
        summary="List my documents, the newest first",
        description=(
            "With a tag, a page looks at 20,000 documents at most, from where it starts: it may have few or none and "
            "still a `next`, which goes on from there."
        ),
        parameters=[OpenApiParameter("tag", str, description="Only documents with this tag."), *PAGE],
        responses={200: DocumentPage, **refused(400, 401)},
        tags=["documents"],
    )
    def get(self, request: Request) -> Response:
        """The caller's documents."""
        owner = self.owner_id(request)
        paginator = NewestFirst()
        if tag := request.query_params.get("tag"):
            tagged = Q(tags__contains=[tag.replace("\0", "")])
            paginator = LookedThrough(Document.objects.all(), owner, tagged)
        page = page_of(self, documents_of(owner), paginator, request)
        return paginator.get_paginated_response(presenting.documents(request, page))

    @extend_schema(
        operation_id="upload_document",
        summary="Upload one zip, or one or many documents",
        description=(
            "Answers as soon as the bytes are stored and the work is in the queue. A zip is checked as a whole "
            "first: an archive that is hostile, broken or too large is refused, and nothing of it is kept. "
            "Repeating a request with the same `Idempotency-Key` returns the first one's intake."
        ),
        parameters=[
            OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, description="Makes repeating safe.")
        ],
        request={"multipart/form-data": UploadForm},
        responses={
            202: OpenApiResponse(IntakeShape, description="Accepted; follow `status_url`.", examples=[INTAKE_PENDING]),
            **refused(400, 401, 409, 413, 415, 422, 503, 507),
        },
        tags=["documents"],
    )
    def post(self, request: Request) -> Response:
        """Take in one upload."""
        accepted = accept_upload(
            self.owner_id(request),
            placed(request.FILES.getlist("file"), request.POST.getlist("path")),
            tags=request.POST.getlist("tags"),
            file_tags=request.POST.get("file_tags", ""),
            priority=request.POST.get("priority") or 0,
            client_key=request.headers.get("Idempotency-Key"),
        )
        body = presenting.accepted(request, accepted)
        return Response(body, status=202, headers={"Location": body["status_url"], "Retry-After": "1"})
