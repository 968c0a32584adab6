"""Intake and IngestFile: one upload, and each file in it."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ingestion.models.choices import IntakeKind, IntakeStatus, Outcome, Stage
from ingestion.models.documents import Blob, Document

UNFINISHED = Q(outcome="")


class Intake(models.Model):
    """One upload. Its counts are computed from its files; `counts` keeps the last answer once it has finished.

    `reopened_at`: when something of it that had ended was to be done again. `items_lost`: how often the queue knew
    nothing of the item that was to unpack it; a file has the same of its own.
    """

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="intakes",
        db_index=False,
        verbose_name=_("owner"),
    )
    kind = models.CharField(_("kind"), max_length=8, choices=IntakeKind.choices)
    status = models.CharField(_("status"), max_length=24, choices=IntakeStatus.choices, default=IntakeStatus.PENDING)
    stage = models.CharField(_("stage"), max_length=16, choices=Stage.choices, default=Stage.PENDING)
    percent = models.SmallIntegerField(_("percent"), default=0)
    message = models.CharField(_("message"), max_length=500, blank=True, default="")
    waiting_reason = models.CharField(_("waits for"), max_length=32, blank=True, default="")
    filename = models.CharField(_("file name"), max_length=255, blank=True, default="")
    size = models.BigIntegerField(_("size"), default=0)
    blob = models.ForeignKey(
        Blob, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("archive")
    )
    planned_files = models.IntegerField(_("planned files"), default=0)
    tags = ArrayField(models.CharField(max_length=64), verbose_name=_("tags"), default=list, blank=True)
    priority = models.SmallIntegerField(_("priority"), default=0)
    options = models.JSONField(_("options"), default=dict, blank=True)
    counts = models.JSONField(_("counts"), default=dict, blank=True, editable=False)
    client_key = models.CharField(_("idempotency key"), max_length=255, null=True, blank=True, editable=False)
    client_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    item_id = models.BigIntegerField(_("queue item"), null=True, blank=True)
    items_lost = models.SmallIntegerField(_("queue items lost"), default=0, db_default=0, editable=False)
    correlation_id = models.CharField(_("correlation id"), max_length=200, blank=True, default="")
    error_code = models.CharField(_("error code"), max_length=100, blank=True, default="")
    error_message = models.CharField(_("error message"), max_length=1000, blank=True, default="")
    created_at = models.DateTimeField(_("created"), db_default=Now())
    unpacked_at = models.DateTimeField(_("unpacked"), null=True, blank=True)
    cancel_requested_at = models.DateTimeField(_("cancel requested"), null=True, blank=True)
    reopened_at = models.DateTimeField(_("reopened"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    deleted_at = models.DateTimeField(_("deletion began"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("intake")
        verbose_name_plural = _("intakes")
        indexes = [
            models.Index("owner", "id", name="ingestion_intake_owner"),
            models.Index("id", condition=Q(finished_at=None), name="ingestion_intake_open"),
            models.Index("id", condition=Q(deleted_at__isnull=False), name="ingestion_intake_deleted"),
            # Whose archive is kept though all has ended: retention.py.
            models.Index(
                "finished_at",
                "id",
                condition=Q(blob__isnull=False, finished_at__isnull=False),
                name="ingestion_intake_archive",
            ),
        ]
        constraints = [
            models.UniqueConstraint("owner", "client_key", name="ingestion_intake_client_key"),
        ]

    def __str__(self) -> str:
        return self.filename or f"intake {self.pk}"

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do for this intake."""
        return self.finished_at is not None


class IngestFile(models.Model):
    """One file of an intake: a planned entry of an archive or an uploaded file, and how its processing goes.

    `source_path` is the name as it came, for display only; that of a file found in another one (`parent`, an archive or
    an e-mail) begins with the other's, and `depth` counts those around it. An outcome says that the file has ended;
    `item_id` names the queue item that answers for it, and only that item's handler changes it.
    """

    id = models.BigAutoField(primary_key=True)
    intake = models.ForeignKey(
        Intake, on_delete=models.CASCADE, related_name="files", db_index=False, verbose_name=_("intake")
    )
    ordinal = models.IntegerField(_("number"))
    parent = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="children",
        db_index=False,
        verbose_name=_("found in"),
    )
    depth = models.SmallIntegerField(_("archives around it"), default=0)
    source_path = models.CharField(_("path"), max_length=1024)
    safe_name = models.CharField(_("name"), max_length=255)
    tags = ArrayField(models.CharField(max_length=64), verbose_name=_("tags"), default=list, blank=True)
    size = models.BigIntegerField(_("size"), default=0)
    blob = models.ForeignKey(
        Blob, on_delete=models.PROTECT, null=True, blank=True, related_name="files", verbose_name=_("stored file")
    )
    document = models.OneToOneField(
        Document,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="file",
        verbose_name=_("document"),
    )
    duplicate_of = models.ForeignKey(
        Document,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="duplicates",
        verbose_name=_("duplicate of"),
    )
    stage = models.CharField(_("stage"), max_length=16, choices=Stage.choices, default=Stage.PENDING)
    outcome = models.CharField(_("outcome"), max_length=24, choices=Outcome.choices, blank=True, default="")
    percent = models.SmallIntegerField(_("percent"), default=0)
    message = models.CharField(_("message"), max_length=500, blank=True, default="")
    waiting_reason = models.CharField(_("waits for"), max_length=32, blank=True, default="")
    error_code = models.CharField(_("error code"), max_length=100, blank=True, default="")
    error_message = models.CharField(_("error message"), max_length=1000, blank=True, default="")
    hint = models.CharField(_("next step"), max_length=500, blank=True, default="")
    item_id = models.BigIntegerField(_("queue item"), null=True, blank=True)
    items_lost = models.SmallIntegerField(_("queue items lost"), default=0, db_default=0, editable=False)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        indexes = [
            # Is anything of this intake unfinished? Asked from the highest number down: the last to be worked on.
            models.Index("intake", "ordinal", condition=UNFINISHED, name="ingestion_file_unfinished"),
            models.Index("item_id", condition=UNFINISHED, name="ingestion_file_item"),
            # All that failed with a code, slice by slice: selecting.py.
            models.Index("error_code", "id", condition=Q(outcome=Outcome.FAILED), name="ingestion_file_failed"),
            models.Index("parent", condition=Q(parent__isnull=False), name="ingestion_file_parent"),
        ]
        constraints = [models.UniqueConstraint("intake", "ordinal", name="ingestion_file_once")]

    def __str__(self) -> str:
        return self.source_path

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do for this file."""
        return self.outcome != ""
