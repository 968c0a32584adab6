"""Calls to a knowledge store: what each cost, kept for a while, and what was summed up of those that are gone."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _


class KmCall(models.Model):
    """One exchange with a knowledge store. Durations are seconds; null where it did not come so far.

    `document_ids` are those that it was about, without a foreign key: what is told of a call outlives its documents.
    """

    id = models.BigAutoField(primary_key=True)
    started_at = models.DateTimeField(_("started"))
    method = models.CharField(_("method"), max_length=32)
    attempt = models.SmallIntegerField(_("attempt"), default=1)
    status = models.SmallIntegerField(_("HTTP status"), null=True, blank=True)
    code = models.CharField(_("error code"), max_length=100, blank=True, default="")
    document_ids = ArrayField(models.BigIntegerField(), verbose_name=_("documents"), default=list, blank=True)
    bytes_sent = models.BigIntegerField(_("bytes sent"), default=0)
    queue_wait_seconds = models.FloatField(_("wait for a connection, s"), null=True, blank=True)
    connect_seconds = models.FloatField(_("connect, s"), null=True, blank=True)
    send_seconds = models.FloatField(_("send, s"), null=True, blank=True)
    first_byte_seconds = models.FloatField(_("first byte, s"), null=True, blank=True)
    total_seconds = models.FloatField(_("total, s"))

    class Meta:
        verbose_name = _("knowledge store call")
        verbose_name_plural = _("knowledge store calls")
        default_permissions = ("view",)
        indexes = [
            models.Index("started_at", name="ingestion_kmcall_started"),
            # The newest of a method that is called seldom: diagnostics/reading.py.
            models.Index("method", "started_at", name="ingestion_kmcall_method"),
            GinIndex("document_ids", name="ingestion_kmcall_documents"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.pk}"

    @property
    def bytes_per_second(self) -> float | None:
        """How fast the documents went out; None where nothing was sent."""
        return self.bytes_sent / self.send_seconds if self.bytes_sent and self.send_seconds else None


class KmTotal(models.Model):
    """Calls whose rows are gone, summed up by method, code, phase and bucket, so that counters only ever rise.

    A phase is a duration of `KmCall`; `bucket` counts the bounds of `diagnostics.keeping.BOUNDS` that it reached.
    """

    id = models.BigAutoField(primary_key=True)
    method = models.CharField(max_length=32)
    code = models.CharField(max_length=100)
    phase = models.CharField(max_length=32)
    bucket = models.SmallIntegerField()
    calls = models.BigIntegerField()
    seconds = models.FloatField()
    bytes_sent = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint("method", "code", "phase", "bucket", name="ingestion_kmtotal_once"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.code} {self.phase} {self.bucket}"
