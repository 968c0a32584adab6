"""docqueue_item: live items only, lean and hot."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from docqueue.exceptions import IllegalTransition
from docqueue.states import WAITING_FOR_TIME, Status, WaitReason

PENDING = Q(status=Status.PENDING)
WAITING = Q(status=Status.WAITING)


EDITABLE = frozenset({"queue", "priority", "payload", "metadata", "max_attempts", "timeout_seconds"})


class QueueItem(models.Model):
    """A live item: waiting, pending, in progress or dead. Finished items are in `HistoryItem`.

    Each index is partial and serves one statement (named in its comment); a claim changes the status, so it can
    not be HOT and a fillfactor below 100 would only make the table larger. A claim has each condition evaluated: those
    that begin with what is null or false of most items cost it next to nothing.
    """

    id = models.BigAutoField(primary_key=True)
    queue = models.CharField(_("queue"), max_length=64)
    priority = models.SmallIntegerField(_("priority"), db_default=0)
    position = models.BigIntegerField(_("position"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=16, choices=Status.choices)
    wait_reason = models.CharField(_("wait reason"), max_length=16, null=True, blank=True, choices=WaitReason.choices)
    operation = models.CharField(_("operation"), max_length=200)
    document_id = models.CharField(_("document"), max_length=255, null=True, blank=True)
    ordering_key = models.CharField(_("ordering key"), max_length=255, null=True, blank=True)
    holds_key = models.BooleanField(_("holds its ordering key"), db_default=False)
    returned = models.BooleanField(_("returned to the front"), db_default=False)
    suspect = models.BooleanField(_("suspect"), db_default=False)
    unique_key = models.CharField(_("unique key"), max_length=255, null=True, blank=True)
    payload = models.JSONField(_("payload"), default=dict)
    metadata = models.JSONField(_("metadata"), default=dict)
    attempt = models.IntegerField(_("attempt"), db_default=0)
    max_attempts = models.IntegerField(_("most attempts"))
    crashes = models.IntegerField(_("crashes"), db_default=0)
    timeout_seconds = models.FloatField(_("timeout (s)"))
    run_after = models.DateTimeField(_("run after"), null=True, blank=True)
    next_retry_at = models.DateTimeField(_("next try"), null=True, blank=True)
    enqueued_at = models.DateTimeField(_("enqueued"), db_default=Now())
    claimed_at = models.DateTimeField(_("claimed"), null=True, blank=True)
    worker_id = models.BigIntegerField(_("worker"), null=True, blank=True)
    claim_no = models.IntegerField(_("claim number"), db_default=0)
    claim_token = models.BigIntegerField(null=True, blank=True, editable=False)
    cancel_requested_at = models.DateTimeField(_("cancel requested"), null=True, blank=True)
    died_at = models.DateTimeField(_("died"), null=True, blank=True)
    error_code = models.CharField(_("error code"), max_length=100, null=True, blank=True)
    error_message = models.TextField(_("error message"), null=True, blank=True)
    fingerprint = models.CharField(_("fingerprint"), max_length=32, null=True, blank=True)
    batch_id = models.BigIntegerField(_("batch"), null=True, blank=True)
    tenant = models.CharField(_("tenant"), max_length=255, null=True, blank=True)
    slot_key = models.CharField(_("concurrency key"), max_length=255, null=True, blank=True)
    slot_limit = models.SmallIntegerField(_("most of its concurrency key at once"), null=True, blank=True)
    slot = models.SmallIntegerField(_("slot of its concurrency key"), null=True, blank=True)
    limit_key = models.CharField(_("limit"), max_length=255, null=True, blank=True)
    aged = models.SmallIntegerField(_("times that its priority was raised"), db_default=0)

    _status_in_database: str | None = None

    class Meta:
        db_table = "docqueue_item"
        verbose_name = _("queue item")
        verbose_name_plural = _("queue items")
        permissions = [
            ("requeue_item", "Can requeue items"),
            ("cancel_item", "Can cancel and discard items"),
            ("view_payload", "Can see payloads"),
            ("process_queue", "Can start a bounded run of the queue"),
        ]
        indexes = [
            # claim.sql: the lane
            models.Index(
                "queue",
                F("priority").desc(),
                "position",
                condition=PENDING & Q(returned=False),
                name="docqueue_item_lane",
            ),
            # claim.sql, claim_suspect.sql: what came back, before the lane
            models.Index(
                "queue",
                F("priority").desc(),
                "position",
                condition=Q(returned=True) & PENDING,
                name="docqueue_item_returned",
            ),
            # reap.sql, held.sql: what a worker has in its hands
            models.Index("worker_id", condition=Q(status=Status.IN_PROGRESS), name="docqueue_item_held"),
            # cancel_asked.sql: each worker asks every second, and almost always there is none
            models.Index(
                "worker_id",
                condition=Q(cancel_requested_at__isnull=False) & Q(status=Status.IN_PROGRESS),
                name="docqueue_item_cancelling",
            ),
            # promote_due.sql
            models.Index(
                "next_retry_at",
                "id",
                condition=Q(wait_reason__in=WAITING_FOR_TIME) & WAITING,
                name="docqueue_item_due",
            ),
            # promote_retries.sql, retry_queues.sql: where there is a budget for retries
            models.Index(
                "queue",
                "next_retry_at",
                "id",
                condition=Q(wait_reason=WaitReason.RETRY) & WAITING,
                name="docqueue_item_retries",
            ),
            # promote_keys.sql, waiting_keys.sql
            models.Index(
                "ordering_key",
                "id",
                condition=Q(wait_reason=WaitReason.ORDERING) & WAITING,
                name="docqueue_item_line",
            ),
            # promote_slots.sql, waiting_slots.sql
            models.Index(
                "slot_key",
                F("priority").desc(),
                "id",
                condition=Q(wait_reason=WaitReason.CONCURRENCY) & WAITING,
                name="docqueue_item_slot_line",
            ),
            # claim_limited.sql, limited_queues.sql, waiting_limits.sql
            models.Index(
                "queue",
                "limit_key",
                F("priority").desc(),
                "id",
                condition=Q(wait_reason=WaitReason.LIMITED) & WAITING,
                name="docqueue_item_limited",
            ),
            # promote_fair.sql: who waits, and how many each has in the lane
            models.Index(
                "queue",
                "priority",
                "tenant",
                "id",
                condition=Q(wait_reason=WaitReason.FAIR_SHARE) & WAITING,
                name="docqueue_item_tenant_line",
            ),
            models.Index(
                "queue",
                "priority",
                "tenant",
                condition=Q(tenant__isnull=False) & PENDING,
                name="docqueue_item_tenant_lane",
            ),
            # finish_batches.sql: what is left of a batch
            models.Index(
                "batch_id",
                condition=Q(batch_id__isnull=False) & ~Q(status=Status.DEAD),
                name="docqueue_item_batch",
            ),
            # batch_status.sql, find_items.sql
            models.Index(
                "batch_id",
                condition=Q(batch_id__isnull=False) & Q(status=Status.DEAD),
                name="docqueue_item_batch_dead",
            ),
            # find_items.sql: what no claim looks at, and so at no claim's cost
            models.Index(
                "document_id",
                condition=(Q(wait_reason__isnull=False) | Q(status=Status.DEAD)) & Q(document_id__isnull=False),
                name="docqueue_item_document",
            ),
            # the dead-letter queue, newest first
            models.Index("died_at", "id", condition=Q(status=Status.DEAD), name="docqueue_item_dead"),
            # count_failures.sql, and the dead letters of one cause, newest first
            models.Index(
                "fingerprint",
                "died_at",
                "id",
                condition=Q(status=Status.DEAD) & Q(id__gt=0),
                name="docqueue_item_failure",
            ),
            # stats_live.sql, count_depth.sql: depths of what no claim looks at, and so at no claim's cost. Only they
            # say "id > 0": with old statistics the planner would use it for the front of any line, and read it all.
            models.Index(
                "queue",
                "status",
                "wait_reason",
                condition=(Q(wait_reason__isnull=False) | Q(status=Status.DEAD)) & Q(id__gt=0),
                name="docqueue_item_aside",
            ),
        ]
        constraints = [
            # One holder of an ordering key at a time. An index over all live items of a key would deadlock callers.
            models.UniqueConstraint("ordering_key", condition=Q(holds_key=True), name="docqueue_item_holds_key"),
            # One item in each slot of a concurrency key.
            models.UniqueConstraint(
                "slot_key", "slot", condition=Q(slot__isnull=False), name="docqueue_item_holds_slot"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operation} #{self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the columns in `EDITABLE`; all others are the service's, and an old copy of them is never written.

        Raises `IllegalTransition` when the status was changed or another column is named in `update_fields`, and
        Django's `DatabaseError` when the item is not live any more.
        """
        asked = kwargs.get("update_fields")
        fields = EDITABLE if asked is None else frozenset(asked)
        if self._state.adding or self.__dict__.get("status") != self._status_in_database or not fields <= EDITABLE:
            raise IllegalTransition(
                "QueueItem.save() can neither make an item nor change its status or what belongs to it.",
                hint="Use DocumentQueueService: enqueue, requeue, cancel …",
            )
        super().save(*args, **kwargs | {"update_fields": fields})

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Self] | None = None,
    ) -> None:
        """As Django's; the status read is the one that `save` compares with."""
        names = None if fields is None else list(fields)
        super().refresh_from_db(using, names, from_queryset)
        if names is None or "status" in names:
            self._status_in_database = self.__dict__.get("status")

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **kwargs: Any) -> Self:
        item = super().from_db(db, field_names, values, **kwargs)  # fetch_mode comes with Django 6.1
        item._status_in_database = item.__dict__.get("status")  # noqa: SLF001 - it is one of us
        return item
