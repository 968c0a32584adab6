"""Dead letters by their cause, counted by a duty; and how long items were dead before somebody saw to them."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _


class FailureGroup(models.Model):
    """The dead items of one fingerprint, as counted at `counted_at`.

    `sample_id` is one of them, and `queue`, `operation`, `error_code` and `error_message` are that one's. `hours`: how
    many died in each of the last 24 hours, the earliest first. With no items left it stays for a while, with its note.
    """

    fingerprint = models.CharField(_("fingerprint"), max_length=32, primary_key=True)
    queue = models.CharField(_("queue"), max_length=64)
    operation = models.CharField(_("operation"), max_length=200)
    error_code = models.CharField(_("code"), max_length=100)
    error_message = models.TextField(_("message"))
    sample_id = models.BigIntegerField(_("sample"))
    number = models.BigIntegerField(_("dead items"))
    first_at = models.DateTimeField(_("first died"))
    last_at = models.DateTimeField(_("last died"))
    hours = models.JSONField(_("by hour"), default=list)
    counted_at = models.DateTimeField(_("counted"))
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=255, db_default="", default="")
    note = models.CharField(_("note"), max_length=1000, db_default="", default="")

    class Meta:
        db_table = "docqueue_failure"
        verbose_name = _("failure")
        verbose_name_plural = _("failures")
        default_permissions = ("view",)
        permissions = [("acknowledge_failure", "Can acknowledge failures")]
        indexes = [
            models.Index("last_at", "fingerprint", condition=models.Q(number__gt=0), name="docqueue_failure_latest")
        ]

    def __str__(self) -> str:
        return f"{self.error_code} {self.fingerprint}"

    @property
    def acknowledged(self) -> bool:
        """Whether somebody has said so, and nothing has died of it since."""
        return self.acknowledged_at is not None and self.acknowledged_at >= self.last_at


class Resolution(models.Model):
    """So many dead items that a person requeued or discarded, `seconds` after they had died (of several: at most)."""

    id = models.BigAutoField(primary_key=True)
    at: models.DateTimeField[datetime, datetime] = models.DateTimeField(_("at"))
    seconds = models.FloatField(_("seconds"))
    number = models.BigIntegerField(_("items"))

    class Meta:
        db_table = "docqueue_resolution"
        default_permissions = ()
        indexes = [models.Index("at", name="docqueue_resolution_at")]

    def __str__(self) -> str:
        return f"{self.number} after {self.seconds:.0f} s"
