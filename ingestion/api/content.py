"""The bytes of documents and files, for their owner: a download, whole or in part, in flat memory."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.http import HttpResponseBase
from django.utils.decorators import method_decorator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from ingestion import downloads, serving
from ingestion.api.base import OwnedView, refused
from ingestion.models import Blob

SUMMARY = "Always a download (`Content-Disposition: attachment`), of a type from a fixed table, never a page."
RANGE = OpenApiParameter(
    "Range", str, OpenApiParameter.HEADER, description="`bytes=0-99`: a part of it (206). Several ranges: the whole."
)
IF_RANGE = OpenApiParameter(
    "If-Range", str, OpenApiParameter.HEADER, description="An ETag: the part only of that content, else the whole."
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="An ETag, which is the SHA-256: 304 if it is the same."
)
BYTES = {
    (status, serving.UNKNOWN): OpenApiResponse(OpenApiTypes.BINARY, description=said)
    for status, said in ((200, "The bytes."), (206, "The part that was asked for."))
} | {
    304: OpenApiResponse(description="The asker has it."),
    307: OpenApiResponse(description="The bytes are at this address for a moment (the setting `downloads`)."),
    416: OpenApiResponse(description="The range lies behind the end; Content-Range says where that is."),
}
ASKED = [RANGE, IF_RANGE, IF_NONE_MATCH]


class Whatever(BaseContentNegotiation):
    """Bytes are sent whatever types the asker names; what is refused is told in JSON as everywhere."""

    def select_parser(self, request: Request, parsers: object) -> None:
        """Nothing is parsed."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The first there is."""
        first = next(iter(renderers))
        return first, first.media_type


@method_decorator(transaction.non_atomic_requests, name="dispatch")  # a long download must not hold one open
class ContentView(OwnedView):
    """Bytes of the caller's."""

    content_negotiation_class = Whatever

    def serve(self, request: Request, blob: Blob | None, name: str, detected: str) -> HttpResponseBase:
        """The answer to a request for stored bytes."""
        return downloads.serve(request._request, blob, name, detected)  # noqa: SLF001 - DRF has no other name for it


class DocumentContentView(ContentView):
    """A document's bytes."""

    @extend_schema(
        operation_id="get_document_content",
        summary="Download a document",
        description=SUMMARY,
        parameters=ASKED,
        responses={**BYTES, **refused(401, 404, 503)},
        tags=["documents"],
    )
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        """The bytes as they were uploaded."""
        document = self.document(request, pk)
        name = document.file.safe_name if hasattr(document, "file") else document.title
        return self.serve(request, document.blob, name, document.type)


class FileContentView(ContentView):
    """A file's bytes."""

    @extend_schema(
        operation_id="get_file_content",
        summary="Download a file of an upload, also one that failed",
        description=f"{SUMMARY} 410: its bytes are not kept.",
        parameters=ASKED,
        responses={**BYTES, **refused(401, 404, 410, 503)},
        tags=["intakes"],
    )
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        """The bytes as they were uploaded, or as they came out of the archive."""
        file = self.file(request, pk)
        return self.serve(request, file.blob, file.safe_name, file.document.type if file.document else "")
