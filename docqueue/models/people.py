"""docqueue_queue and docqueue_audit: what people decided and did."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Queue(models.Model):
    """A queue that somebody set something about. Queues without a row exist all the same."""

    name = models.CharField(_("name"), max_length=64, primary_key=True)
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    paused_reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    paused_by = models.CharField(_("paused by"), max_length=255, blank=True, default="", db_default="")
    options = models.JSONField(_("options"), default=dict, blank=True)

    class Meta:
        db_table = "docqueue_queue"
        verbose_name = _("queue")
        verbose_name_plural = _("queues")

    def __str__(self) -> str:
        return self.name


class Overview(Queue):
    """The page with everything at a glance, in the admin's list of pages. Who may see queue items may see it."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("overview")
        verbose_name_plural = _("overview")


class AuditEntry(models.Model):
    """What a person did to items: who, what, why, to how many."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(_("at"))
    actor = models.CharField(_("who"), max_length=255)
    action = models.CharField(_("action"), max_length=50)
    item_id = models.BigIntegerField(_("item"), null=True)
    filter = models.JSONField(_("filter"), default=dict)
    count = models.IntegerField(_("count"), default=1)
    reason = models.CharField(_("reason"), max_length=1000, blank=True, default="")

    class Meta:
        db_table = "docqueue_audit"
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        indexes = [
            models.Index("item_id", "id", name="docqueue_audit_item"),
            # what a person did, for the audit's search: people write here, no claim does
            models.Index("actor", "id", name="docqueue_audit_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor or '–'}"
