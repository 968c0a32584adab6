"""The closed sets of words that intakes, files and documents are described with."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Stage(TextChoices):
    """How far a file (or a whole intake) is; the queue's status is another axis."""

    PENDING = "pending", _("pending")
    UNZIPPING = "unzipping", _("unzipping")
    UPLOADING = "uploading", _("uploading")
    INDEXING = "indexing", _("indexing")
    COMPLETED = "completed", _("completed")
    UNZIP_FAILED = "unzip_failed", _("unzipping failed")
    UPLOAD_FAILED = "upload_failed", _("uploading failed")
    INDEX_FAILED = "index_failed", _("indexing failed")
    CANCELLED = "cancelled", _("cancelled")


class Outcome(TextChoices):
    """How a file ended. Empty while it has not ended."""

    COMPLETED = "completed", _("completed")
    COMPLETED_NO_TEXT = "completed_no_text", _("completed, no text found")
    DUPLICATE = "duplicate", _("duplicate")
    UNPACKED = "unpacked", _("unpacked")
    FAILED = "failed", _("failed")
    SKIPPED = "skipped", _("skipped")
    CANCELLED = "cancelled", _("cancelled")


class IntakeKind(TextChoices):
    """What was uploaded."""

    ZIP = "zip", _("zip archive")
    FILES = "files", _("files")


class IntakeStatus(TextChoices):
    """Where an intake is as a whole."""

    PENDING = "pending", _("pending")
    IN_PROGRESS = "in_progress", _("in progress")
    COMPLETED = "completed", _("completed")
    COMPLETED_WITH_ERRORS = "completed_with_errors", _("completed with errors")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


class TextStatus(TextChoices):
    """Whether text was found in a document. Empty while nobody has looked."""

    OK = "ok", _("text found")
    NO_TEXT = "no_text", _("no text found")


class TextReason(TextChoices):
    """Why no text was found in a document, as far as it matters for what to do next. Empty where there is text."""

    EMPTY = "empty", _("nothing is written in it")
    NEEDS_OCR = "needs_ocr", _("its pages are pictures or drawings: text recognition (OCR) is needed")
    NOT_RECOGNISED = "not_recognised", _("text recognition (OCR) saw nothing on its pages")


FAILED_STAGE: dict[str, Stage] = {
    Stage.PENDING: Stage.UPLOAD_FAILED,
    Stage.UNZIPPING: Stage.UNZIP_FAILED,
    Stage.UPLOADING: Stage.UPLOAD_FAILED,
    Stage.INDEXING: Stage.INDEX_FAILED,
}
"""The stage that a file ends in when it fails in the stage of the key."""
