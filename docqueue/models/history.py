"""docqueue_history: finished items, partitioned by week of finish; and the one list over live and finished."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from docqueue.states import Status, WaitReason


class FinishedFields(models.Model):
    """The columns that an item keeps when it moves to the history."""

    id = models.BigIntegerField(primary_key=True)
    queue = models.CharField(_("queue"), max_length=64)
    priority = models.SmallIntegerField(_("priority"))
    status = models.CharField(_("status"), max_length=16, choices=Status.choices)
    operation = models.CharField(_("operation"), max_length=200)
    document_id = models.CharField(_("document"), max_length=255, null=True)
    ordering_key = models.CharField(_("ordering key"), max_length=255, null=True)
    unique_key = models.CharField(_("unique key"), max_length=255, null=True)
    payload = models.JSONField(_("payload"))
    metadata = models.JSONField(_("metadata"))
    result = models.JSONField(_("result"), null=True)
    attempt = models.IntegerField(_("attempt"))
    max_attempts = models.IntegerField(_("most attempts"))
    crashes = models.IntegerField(_("crashes"))
    run_after = models.DateTimeField(_("run after"), null=True)
    enqueued_at = models.DateTimeField(_("enqueued"))
    claimed_at = models.DateTimeField(_("claimed"), null=True)
    worker_id = models.BigIntegerField(_("worker"), null=True)
    claim_no = models.IntegerField(_("claim number"))
    error_code = models.CharField(_("error code"), max_length=100, null=True)
    error_message = models.TextField(_("error message"), null=True)
    batch_id = models.BigIntegerField(_("batch"), null=True)
    tenant = models.CharField(_("tenant"), max_length=255, null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.operation} #{self.pk}"


class HistoryItem(FinishedFields):
    """A finished item: completed or cancelled. Written by the statement that removes the live row.

    The table is range-partitioned by `finished_at`, so the database has no unique index on `id` alone; ids stay
    unique because a row is only ever written while its live row is deleted.
    """

    finished_at = models.DateTimeField(_("finished"))

    class Meta:
        db_table = "docqueue_history"
        verbose_name = _("finished item")
        verbose_name_plural = _("finished items")
        indexes = [
            models.Index("id", name="docqueue_history_id"),
            models.Index("finished_at", "id", name="docqueue_history_finished"),
            models.Index("document_id", condition=Q(document_id__isnull=False), name="docqueue_history_document"),
            models.Index("batch_id", condition=Q(batch_id__isnull=False), name="docqueue_history_batch"),
            # cached_answer.sql
            models.Index(
                "operation",
                "unique_key",
                "finished_at",
                condition=Q(unique_key__isnull=False) & Q(status=Status.COMPLETED),
                name="docqueue_history_answers",
            ),
        ]


class AnyItem(FinishedFields):
    """One read-only list over live and finished items (a view): page it by id, never by offset."""

    finished_at = models.DateTimeField(_("finished"), null=True)
    wait_reason = models.CharField(_("wait reason"), max_length=16, null=True, choices=WaitReason.choices)
    timeout_seconds = models.FloatField(_("timeout (s)"), null=True)
    next_retry_at = models.DateTimeField(_("next try"), null=True)
    cancel_requested_at = models.DateTimeField(_("cancel requested"), null=True)
    died_at = models.DateTimeField(_("died"), null=True)
    fingerprint = models.CharField(_("fingerprint"), max_length=32, null=True)
    slot_key = models.CharField(_("concurrency key"), max_length=255, null=True)
    limit_key = models.CharField(_("limit"), max_length=255, null=True)
    slot_limit = models.SmallIntegerField(_("most of its concurrency key at once"), null=True)
    slot = models.SmallIntegerField(_("slot of its concurrency key"), null=True)

    class Meta:
        managed = False
        db_table = "docqueue_any_item"
        verbose_name = _("item")
        verbose_name_plural = _("items")
