"""PUT …/tags: the tags of an upload, a file or a document, changed at any time."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.api.parsers import BoundedJSONParser
from ingestion.api import presenting
from ingestion.api.base import OwnedView, refused
from ingestion.api.serializers import DocumentShape, FileShape, IntakeShape, TagsForm
from ingestion.tags import InvalidTags, set_document_tags, set_file_tags, set_intake_tags

ANSWERS = refused(400, 401, 404, 422)


class TagsView(OwnedView):
    """A list of tags that is replaced as a whole."""

    parser_classes = [BoundedJSONParser]

    def tags(self, request: Request) -> list[str]:
        """The tags in the body, which holds nothing else. Raises InvalidTags."""
        body: Any = request.data
        tags = body.get("tags") if isinstance(body, dict) and set(body) == {"tags"} else None
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise InvalidTags('Send {"tags": ["…"]}, and nothing else.')
        return tags


class IntakeTagsView(TagsView):
    """The tags of an upload."""

    @extend_schema(
        operation_id="tag_intake",
        summary="Give an upload other tags",
        description="Its files get the tags that are new and lose those that are gone; tags of their own they keep.",
        request=TagsForm,
        responses={200: IntakeShape, **ANSWERS},
        tags=["intakes"],
    )
    def put(self, request: Request, pk: int) -> Response:
        """Replace them."""
        intake = self.intake(request, pk)
        set_intake_tags(intake, self.tags(request))
        intake.refresh_from_db()
        return Response(presenting.intake(request, intake))


class FileTagsView(TagsView):
    """The tags of a file of an upload."""

    @extend_schema(
        operation_id="tag_file",
        summary="Give a file other tags, also before it is a document",
        request=TagsForm,
        responses={200: FileShape, **ANSWERS},
        tags=["intakes"],
    )
    def put(self, request: Request, pk: int) -> Response:
        """Replace them."""
        set_file_tags(self.file(request, pk), self.tags(request))
        return Response(presenting.files_at(request, [self.file(request, pk)])(timezone.now())[0])


class DocumentTagsView(TagsView):
    """The tags of a document."""

    @extend_schema(
        operation_id="tag_document",
        summary="Give a document other tags",
        description="Search filters by them at once.",
        request=TagsForm,
        responses={200: DocumentShape, **ANSWERS},
        tags=["documents"],
    )
    def put(self, request: Request, pk: int) -> Response:
        """Replace them."""
        set_document_tags(self.document(request, pk), self.tags(request))
        return Response(presenting.document(request, self.document(request, pk)))
