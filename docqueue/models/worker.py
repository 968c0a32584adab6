"""docqueue_worker, which carries the lease, and docqueue_attempt, which tells what went wrong."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class Worker(models.Model):
    """One start of a worker, a cron run or a caller outside a worker, and its lease. Rows are never used again."""

    class Kind(models.TextChoices):
        WORKER = "worker", _("worker")
        CRON = "cron", _("cron run")
        CALLER = "caller", _("caller")

    class Asked(models.TextChoices):
        QUIET = "quiet", _("to claim nothing new")
        STOP = "stop", _("to finish what runs, and end")

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(_("name"), max_length=255)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    hostname = models.CharField(_("host"), max_length=255)
    pid = models.IntegerField(_("process id"))
    queues = ArrayField(models.CharField(max_length=64), verbose_name=_("queues (none: all)"), default=list)
    excluded = ArrayField(models.CharField(max_length=64), verbose_name=_("but not"), default=list, db_default=[])
    processes = models.IntegerField(_("processes"), default=0)
    started_at = models.DateTimeField(_("started"))
    heartbeat_at = models.DateTimeField(_("last heartbeat"))
    lease_expires_at = models.DateTimeField(_("lease expires"))
    lost_at = models.DateTimeField(_("lost"), null=True, blank=True)
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)
    swept_at = models.DateTimeField(_("found empty-handed"), null=True, blank=True, editable=False)
    info = models.JSONField(_("info"), default=dict)
    # what a person has asked of it: it looks within a second
    asked = models.CharField(_("asked"), max_length=8, null=True, blank=True, choices=Asked.choices)
    asked_at = models.DateTimeField(_("asked at"), null=True, blank=True)
    asked_by = models.CharField(_("asked by"), max_length=255, blank=True, default="", db_default="")

    class Meta:
        db_table = "docqueue_worker"
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        permissions = [("manage_workers", "Can quiet and stop workers")]
        indexes = [
            models.Index(
                "lease_expires_at",
                condition=models.Q(lost_at=None, stopped_at=None),
                name="docqueue_worker_lease",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} (#{self.pk})"


class Attempt(models.Model):
    """One attempt that did not end well. The happy path writes none."""

    class Outcome(models.TextChoices):
        FAILED = "failed", _("failed")
        TIMED_OUT = "timed_out", _("timed out")
        CRASHED = "crashed", _("crashed")
        LEASE_LOST = "lease_lost", _("lease lost")
        DEAD = "dead", _("set aside")
        INTERRUPTED = "interrupted", _("interrupted")

    id = models.BigAutoField(primary_key=True)
    item_id = models.BigIntegerField(_("item"))
    attempt = models.IntegerField(_("attempt"))
    claim_no = models.IntegerField(_("claim number"))
    worker_id = models.BigIntegerField(_("worker"), null=True)
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome.choices)
    started_at = models.DateTimeField(_("started"), null=True)
    ended_at = models.DateTimeField(_("ended"))
    code = models.CharField(_("code"), max_length=100)
    message = models.CharField(_("message"), max_length=1000)
    traceback = models.TextField(_("traceback"))
    fingerprint = models.CharField(_("fingerprint"), max_length=32)

    class Meta:
        db_table = "docqueue_attempt"
        verbose_name = _("failed attempt")
        verbose_name_plural = _("failed attempts")
        indexes = [models.Index("item_id", "id", name="docqueue_attempt_item")]

    def __str__(self) -> str:
        return f"#{self.item_id}, attempt {self.attempt}: {self.code}"
