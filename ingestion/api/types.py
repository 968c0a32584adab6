"""Which files can be read, to be asked before anything is sent."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.api.base import OwnedView, refused
from ingestion.api.serializers import Shape
from ingestion.extract import supported_types
from ingestion.limits import get_limits
from ingestion.sniffing.kinds import kind_of

EXAMPLE = OpenApiExample(
    "One of the types",
    value={
        "types": [{"type": "html", "content_type": "text/html", "suffixes": [".html", ".htm", ".xhtml"]}],
        "text_recognition": False,
    },
    response_only=True,
    status_codes=["200"],
)


class TypeShape(Shape):
    """One type of file that text can be taken from."""

    type = serializers.CharField()
    content_type = serializers.CharField()
    suffixes = serializers.ListField(child=serializers.CharField(), help_text="Endings of names that say so truly.")


class TypesShape(Shape):
    """All of them."""

    types = TypeShape(many=True)
    text_recognition = serializers.BooleanField(
        help_text="Whether scanned PDFs are read by text recognition (OCR). Without it they end as `completed_no_text`."
    )


class TypesView(OwnedView):
    """The types of files that text is taken from, those that the project adds included."""

    @extend_schema(
        operation_id="get_types",
        summary="Which files can be read",
        description="Files are known by their content, never by their name. A zip is unpacked first.",
        responses={200: OpenApiResponse(TypesShape, examples=[EXAMPLE]), **refused(401)},
        tags=["documents"],
    )
    def get(self, request: Request) -> Response:
        """Every type with its media type and the endings of its names."""
        types = [
            {
                "type": each,
                "content_type": kind_of(each).mime,
                "suffixes": [f".{suffix}" for suffix in kind_of(each).extensions],
            }
            for each in supported_types()
        ]
        return Response({"types": types, "text_recognition": bool(get_limits().ocr)})
