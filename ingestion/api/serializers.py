"""The shapes of requests and answers, as the OpenAPI schema shows them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from ingestion.codes import WaitingReason
from ingestion.models import IntakeKind, IntakeStatus, Outcome, Stage, TextReason, TextStatus

STATE_HELP = _("One plain line made of the stage and the queue's status.")
MESSAGE_HELP = _("A sentence for people, where there is more to say than in `state`; otherwise the same.")
CODE_HELP = _("What `state` says, as a stable code; of a failure with its error code: failed:password_required.")
WAITING_HELP = _("What it waits for by itself; null while it runs and when it has ended.")
MOVED_HELP = _("When it last moved: said something, or ended. Null before it was started.")
STALLED_HELP = _("Alive but not moving: it runs, and nothing new has been said for stalled_after_seconds (GET limits).")


class Shape(serializers.Serializer[dict[str, Any]]):
    """An answer: read only."""


class ProgressShape(Shape):
    """How the processing of a file goes."""

    state = serializers.CharField(help_text=STATE_HELP)
    stage = serializers.ChoiceField(choices=Stage.choices)
    outcome = serializers.ChoiceField(
        choices=Outcome.choices, allow_null=True, help_text=_("Null while it has not ended.")
    )
    percent = serializers.IntegerField(min_value=0, max_value=100)
    message = serializers.CharField(help_text=MESSAGE_HELP)
    message_code = serializers.CharField(help_text=CODE_HELP)
    waiting_reason = serializers.ChoiceField(choices=WaitingReason.choices, allow_null=True, help_text=WAITING_HELP)
    last_progress_at = serializers.DateTimeField(allow_null=True, help_text=MOVED_HELP)
    stalled = serializers.BooleanField(help_text=STALLED_HELP)
    finished = serializers.BooleanField(help_text=_("True when nothing is left to do."))
    error_code = serializers.CharField(allow_null=True, help_text=_("Stable code of what went wrong."))
    error_message = serializers.CharField(allow_null=True)
    hint = serializers.CharField(allow_null=True, help_text=_("The next step for a person."))
    item_id = serializers.IntegerField(allow_null=True, help_text=_("The queue item that answers for it."))
    duplicate_of = serializers.IntegerField(
        allow_null=True, help_text=_("The document that was completed with the same bytes.")
    )


class IntakeShape(Shape):
    """One upload and what has become of it."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=IntakeKind.choices)
    filename = serializers.CharField()
    size = serializers.IntegerField(help_text=_("Bytes uploaded."))
    tags = serializers.ListField(child=serializers.CharField())
    priority = serializers.IntegerField()
    state = serializers.CharField(help_text=STATE_HELP)
    stage = serializers.ChoiceField(choices=Stage.choices)
    status = serializers.ChoiceField(choices=IntakeStatus.choices)
    percent = serializers.IntegerField(help_text=_("Weighted by bytes; 100 only when finished."))
    message = serializers.CharField(help_text=MESSAGE_HELP)
    message_code = serializers.CharField(help_text=CODE_HELP)
    waiting_reason = serializers.ChoiceField(choices=WaitingReason.choices, allow_null=True, help_text=WAITING_HELP)
    current_file = serializers.CharField(allow_null=True, help_text=_("The name of a file that is worked on now."))
    eta_seconds = serializers.IntegerField(
        allow_null=True,
        min_value=0,
        help_text=_("Until it is finished, at its own speed so far, by bytes. Null: nobody knows, or it is finished."),
    )
    eta_at = serializers.DateTimeField(allow_null=True, help_text=_("The same as a moment."))
    last_progress_at = serializers.DateTimeField(allow_null=True, help_text=MOVED_HELP)
    stalled = serializers.BooleanField(help_text=STALLED_HELP)
    finished = serializers.BooleanField(help_text=_("True when nothing is left to do."))
    files_total = serializers.IntegerField()
    files_completed = serializers.IntegerField(help_text=_("Those without text included."))
    files_no_text = serializers.IntegerField()
    files_failed = serializers.IntegerField()
    files_duplicate = serializers.IntegerField()
    files_unpacked = serializers.IntegerField(
        help_text=_("Archives inside of the upload; their files are among the others.")
    )
    files_skipped = serializers.IntegerField(
        help_text=_("System files such as .DS_Store, and unsupported ones where these are to be skipped.")
    )
    files_cancelled = serializers.IntegerField()
    document_id = serializers.IntegerField(allow_null=True, help_text=_("Set when one plain file was uploaded."))
    status_url = serializers.URLField()
    files_url = serializers.URLField()
    error_code = serializers.CharField(allow_null=True)
    error_message = serializers.CharField(allow_null=True)
    correlation_id = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class FileShape(ProgressShape):
    """One file of an intake."""

    id = serializers.IntegerField()
    ordinal = serializers.IntegerField()
    parent_id = serializers.IntegerField(allow_null=True, help_text=_("The archive or e-mail that it was found in."))
    source_path = serializers.CharField(help_text=_("The name as it came, for display."))
    size = serializers.IntegerField()
    tags = serializers.ListField(child=serializers.CharField())
    document_id = serializers.IntegerField(allow_null=True)
    content_url = serializers.URLField(allow_null=True, help_text=_("Its bytes; null where they are not kept."))
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True)


class DocumentShape(ProgressShape):
    """A document: how its processing goes, and what search knows of it."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    filename = serializers.CharField()
    type = serializers.CharField(
        help_text=_("By content, not by name: pdf, docx, text … Empty before it was looked at.")
    )
    content_type = serializers.CharField(help_text=_("The media type of that."))
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    searchable = serializers.BooleanField(help_text=_("Whether search finds text of it now."))
    text_status = serializers.ChoiceField(choices=TextStatus.choices, allow_null=True)
    text_reason = serializers.ChoiceField(
        choices=TextReason.choices, allow_null=True, help_text=_("Why there is no text, as a code.")
    )
    text_note = serializers.CharField(allow_null=True, help_text=_("The same for a person."))
    text_length = serializers.IntegerField()
    page_count = serializers.IntegerField(allow_null=True)
    chunk_count = serializers.IntegerField()
    extractor = serializers.CharField(allow_null=True)
    extractor_version = serializers.IntegerField(allow_null=True)
    warnings = serializers.ListField(child=serializers.CharField())
    intake_id = serializers.IntegerField(allow_null=True)
    file_id = serializers.IntegerField(allow_null=True)
    status_url = serializers.URLField()
    content_url = serializers.URLField(help_text=_("Its bytes, as a download."))
    created_at = serializers.DateTimeField()
    indexed_at = serializers.DateTimeField(allow_null=True)


class PageShape(Shape):
    """One page of a list; the addresses of its neighbours."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class IntakePage(PageShape):
    """One page of uploads, the newest first."""

    results = IntakeShape(many=True)


class FilePage(PageShape):
    """One page of files, in the order of the upload."""

    results = FileShape(many=True)


class DocumentPage(PageShape):
    """One page of documents, the newest first."""

    results = DocumentShape(many=True)


class UploadForm(serializers.Serializer[dict[str, Any]]):
    """The multipart form of an upload."""

    file = serializers.ListField(
        child=serializers.FileField(), help_text=_("One zip, or one or many documents: repeat the field.")
    )
    path = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text=_("Names with folders (bills/2027/jan.pdf), one for each file and in their order; or none at all."),
    )
    tags = serializers.ListField(
        child=serializers.CharField(max_length=64), required=False, help_text=_("Labels; repeat or comma-separate.")
    )
    file_tags = serializers.JSONField(
        required=False,
        help_text=_('Labels of single files, by patterns of their paths: {"bills/*": ["bill"], "a.pdf": ["x"]}'),
    )
    priority = serializers.CharField(
        required=False, default="0", help_text=_("-100 … 100, or high, normal, low. Higher goes first.")
    )


class TagsForm(serializers.Serializer[dict[str, Any]]):
    """Tags that take the place of those there are."""

    tags = serializers.ListField(child=serializers.CharField(max_length=64))


class ReprocessingShape(Shape):
    """The item that processes a document anew, or reads its archive again."""

    document_id = serializers.IntegerField(
        allow_null=True, help_text=_("Null for a file whose archive is read again for it.")
    )
    item_id = serializers.IntegerField()
    created = serializers.BooleanField(help_text=_("False when processing was under way already."))
    status_url = serializers.URLField()


class HitShape(Shape):
    """One place where the words stand."""

    document_id = serializers.IntegerField()
    title = serializers.CharField()
    filename = serializers.CharField()
    page = serializers.IntegerField(allow_null=True)
    chunk = serializers.IntegerField(help_text=_("Which piece of the document's text, from 0."))
    rank = serializers.FloatField()
    snippet = serializers.CharField(help_text=_("HTML: escaped text, the words found in <mark>."))


class SearchShape(Shape):
    """One page of hits, best first."""

    results = HitShape(many=True)
    next_cursor = serializers.CharField(allow_null=True, help_text=_("Give it as `cursor` for the next page."))
    complete = serializers.BooleanField(
        help_text=_("False when more matched than is ranked (max_ranked_chunks): those of the newest documents were.")
    )


LIMITS_SCHEMA = {
    "type": "object",
    "description": "Every limit by its name.",
    "additionalProperties": {
        "type": "object",
        "properties": {
            "value": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
            "description": {"type": "string"},
        },
        "required": ["value", "description"],
    },
}
