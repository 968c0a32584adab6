"""UploadSession: what is known of an upload before its last byte is there. How far it is, only its file says."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class UploadSession(models.Model):
    """One upload that comes in pieces. `intake_id` is set when all of it was taken in; the bytes are elsewhere then.

    There is no constraint towards other tables: users and intakes can go though this app was taken out and its table
    was left.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        verbose_name=_("owner"),
    )
    length = models.BigIntegerField(_("size"))
    name = models.CharField(_("file name"), max_length=4096)
    metadata = models.TextField(_("metadata"), blank=True, default="")
    tags = ArrayField(models.CharField(max_length=64), verbose_name=_("tags"), default=list, blank=True)
    file_tags = models.JSONField(_("tags of files"), default=dict, blank=True)
    priority = models.SmallIntegerField(_("priority"), default=0)
    client_key = models.CharField(_("idempotency key"), max_length=255, null=True, blank=True, editable=False)
    intake_id = models.BigIntegerField(_("intake"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name = _("resumable upload")
        verbose_name_plural = _("resumable uploads")
        constraints = [
            models.UniqueConstraint(
                "owner", "client_key", condition=Q(client_key__isnull=False), name="ingestion_resumable_key"
            ),
            models.CheckConstraint(condition=Q(length__gt=0), name="ingestion_resumable_length"),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="ingestion_resumable_expiry"),
            models.Index(fields=["owner"], condition=Q(intake_id=None), name="ingestion_resumable_open"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.length:,} bytes)"

    @property
    def intake_key(self) -> str:
        """The idempotency key under which this upload is taken in, so that it is once, whoever crashes when."""
        return self.client_key if self.client_key is not None else f"resumable:{self.pk}"
