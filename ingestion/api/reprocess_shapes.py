"""The shapes of requests and answers about processing anew, as the OpenAPI schema shows them."""

from __future__ import annotations

from rest_framework import serializers

from docqueue.api.fields import PriorityField, StrictSerializer
from docqueue.states import Status
from ingestion.api.serializers import Shape
from ingestion.models import Outcome
from ingestion.selecting import MOST_IDS

STAGE_HELP = (
    "`uploading`: all of it, from the stored bytes on; `indexing`: read and index the text anew, without handing the "
    "bytes to the knowledge store again; `unzipping`: read the archive again for entries that failed so. Left out: "
    "documents from `uploading` on, and such entries from `unzipping` on."
)


class StageBody(StrictSerializer):
    """From which stage on."""

    from_stage = serializers.CharField(required=False, allow_blank=True, default="", help_text=STAGE_HELP)


class OrderBody(StageBody):
    """From which stage on, and how urgent it is."""

    priority = PriorityField(help_text="Of the new items. Left out: the upload's own; `low` for a selection.")
    preview = serializers.BooleanField(required=False, default=False, help_text="Only count; change nothing.")


def _ids(what: str) -> serializers.ListField:
    one = serializers.IntegerField(min_value=1)
    return serializers.ListField(
        child=one, required=False, allow_empty=False, max_length=MOST_IDS, help_text=f"{what}, {MOST_IDS:,} at most."
    )


class SelectionBody(OrderBody):
    """Which files: those that fit all that is given."""

    document_ids = _ids("Documents")
    file_ids = _ids("Files of uploads")
    intake = serializers.IntegerField(required=False, min_value=1, help_text="The files of one upload.")
    error_code = serializers.CharField(required=False, help_text="Files that failed with this code.")
    outcome = serializers.ChoiceField(choices=Outcome.choices, required=False, help_text="How they ended.")
    type = serializers.CharField(required=False, help_text="Documents of this type: pdf, docx …")
    extractor = serializers.CharField(required=False, help_text="Documents whose text this extractor took.")
    extractor_version_below = serializers.IntegerField(
        required=False, min_value=1, help_text="An older version of `extractor` than this."
    )
    outdated = serializers.BooleanField(
        required=False, default=False, help_text="An older version of their extractor than the one in force."
    )


class PreviewShape(Shape):
    """What it is about. Counted among 100,000 files; with `at_least` there are more."""

    total = serializers.IntegerField(help_text="Files that are selected.")
    at_least = serializers.BooleanField()
    reprocessable = serializers.IntegerField(help_text="Files that go into the queue.")
    under_way = serializers.IntegerField(help_text="Files that have not ended: they are left alone.")
    not_reprocessable = serializers.IntegerField(help_text="Files without a document with stored bytes.")
    archives = serializers.IntegerField(help_text="Archives that are unzipped again, for what failed so.")
    bytes = serializers.IntegerField(help_text="Size of the reprocessable files.")
    by_outcome = serializers.DictField(child=serializers.IntegerField())
    by_error_code = serializers.DictField(child=serializers.IntegerField())
    by_extractor = serializers.ListField(
        child=serializers.DictField(), help_text="Documents with text: type, extractor, version, files."
    )


class OrderShape(Shape):
    """How far it is to put everything into the queue. How the files go from there stands on themselves."""

    item_id = serializers.IntegerField(allow_null=True, help_text="Null: there is nothing to do.")
    status = serializers.ChoiceField(choices=Status.choices, allow_null=True)
    finished = serializers.BooleanField(help_text="Everything is in the queue, or it was given up.")
    percent = serializers.IntegerField()
    total = serializers.IntegerField(help_text="Documents, counted when it was asked for.")
    at_least = serializers.BooleanField()
    documents = serializers.IntegerField(help_text="Put into the queue so far.")
    skipped = serializers.IntegerField(help_text="Found to be under way.")
    archives = serializers.IntegerField(help_text="Being unzipped again.")
    from_stage = serializers.CharField(allow_null=True)
    selection = serializers.DictField()
    error_code = serializers.CharField(allow_null=True)
    error_message = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    status_url = serializers.URLField(allow_null=True)


class OrderStartedShape(OrderShape):
    """The same, with what it is about."""

    counts = PreviewShape()
