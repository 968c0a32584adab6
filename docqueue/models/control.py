"""Tables of control and account: limits, bulk operations, totals of what finished, last full counts."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Limit(models.Model):
    """A rate limit (a token bucket), a circuit breaker, or both, under the key that items name.

    The figures come from the setting LIMITS; tokens and the breaker's state change in the transactions that claim.
    """

    key = models.CharField(_("key"), max_length=255, primary_key=True)
    rate = models.FloatField(_("starts a second"), null=True)
    burst = models.FloatField(_("burst"), null=True)
    tokens = models.FloatField(_("tokens"), db_default=0)
    refilled_at = models.DateTimeField(_("refilled"), db_default=Now())
    failures_to_open = models.IntegerField(_("failures in a row that open it"), null=True)
    open_seconds = models.FloatField(_("open for (s)"), null=True)
    failures = models.IntegerField(_("failures in a row"), db_default=0)
    opened_at = models.DateTimeField(_("open since"), null=True)
    probe_at = models.DateTimeField(_("probe started"), null=True)

    class Meta:
        db_table = "docqueue_limit"
        verbose_name = _("limit")
        verbose_name_plural = _("limits")
        indexes = [
            # the open breakers, of keys that may be many
            models.Index("key", condition=models.Q(opened_at__isnull=False), name="docqueue_limit_open"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def tries_at(self) -> datetime | None:
        """When an open breaker lets the next item try whether it can be closed; None: it is not open."""
        if self.opened_at is None:
            return None
        # of a probe that failed, or of which nothing is heard: the next waits from then on
        return max(self.opened_at, self.probe_at or self.opened_at) + timedelta(seconds=self.open_seconds or 0)

    def tokens_at(self, now: datetime) -> float:
        """How many items its rate lets start at that moment."""
        gained = max(0.0, (now - self.refilled_at).total_seconds()) * (self.rate or 0.0)
        return min(max(1.0, self.burst or 1.0), self.tokens + gained)


class BulkOperation(models.Model):
    """One operation on all items that a filter matched when it was asked for, done in slices by a duty."""

    class Action(models.TextChoices):
        REQUEUE = "requeue", _("requeue")
        CANCEL = "cancel", _("cancel")
        DISCARD = "discard", _("discard")
        PURGE = "purge", _("purge")
        PRIORITY = "priority", _("change priority")

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        ABORTED = "aborted", _("aborted")

    id = models.BigAutoField(primary_key=True)
    action = models.CharField(_("action"), max_length=16, choices=Action.choices)
    filter = models.JSONField(_("filter"), default=dict)
    options = models.JSONField(_("options"), default=dict)
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.RUNNING)
    actor = models.CharField(_("who"), max_length=255)
    reason = models.CharField(_("reason"), max_length=1000, blank=True, default="")
    created_at = models.DateTimeField(_("created"))
    last_id = models.BigIntegerField(_("up to item"))
    reached_id = models.BigIntegerField(_("reached item"), db_default=0)
    total = models.BigIntegerField(_("items matched"))
    done = models.BigIntegerField(_("items changed"), db_default=0)
    skipped = models.BigIntegerField(_("items that had moved on"), db_default=0)
    abort_requested_at = models.DateTimeField(_("abort requested"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        db_table = "docqueue_bulk"
        verbose_name = _("bulk operation")
        verbose_name_plural = _("bulk operations")
        indexes = [models.Index("id", condition=models.Q(state="running"), name="docqueue_bulk_running")]

    def __str__(self) -> str:
        return f"{self.action} #{self.pk}"

    @property
    def at_least(self) -> bool:
        """Whether it matched more items than were counted at the start: then `total` says how many at least."""
        return bool(self.options.get("at_least"))

    @property
    def percent(self) -> int:
        """How far it is, 0 to 100; 100 only when it is done, and 0 until then where nobody has counted all."""
        if self.state == self.State.DONE:
            return 100
        if self.at_least:
            return 0
        return min(99, 100 * (self.done + self.skipped) // max(1, self.total))


class FinishedTotal(models.Model):
    """How many items of a queue one worker has seen end within ten seconds.

    `worker_id` is 0 for what was added later, and below 0 (its id, negative) for what a bulk operation has ended.
    """

    id = models.BigAutoField(primary_key=True)
    queue = models.CharField(max_length=64)
    at = models.DateTimeField()
    worker_id = models.BigIntegerField()
    completed = models.BigIntegerField(db_default=0)
    cancelled = models.BigIntegerField(db_default=0)
    dead = models.BigIntegerField(db_default=0)

    class Meta:
        db_table = "docqueue_finished_total"
        constraints = [
            models.UniqueConstraint("queue", "at", "worker_id", name="docqueue_finished_total_once"),
        ]

    def __str__(self) -> str:
        return f"{self.queue} at {self.at:%Y-%m-%d %H:%M:%S}"


class Depth(models.Model):
    """The last full count of a queue's items in one status, for queues too deep to be counted each time."""

    id = models.BigAutoField(primary_key=True)
    queue = models.CharField(max_length=64)
    status = models.CharField(max_length=16)
    number = models.BigIntegerField()
    counted_at = models.DateTimeField()

    class Meta:
        db_table = "docqueue_depth"
        constraints = [models.UniqueConstraint("queue", "status", name="docqueue_depth_once")]

    def __str__(self) -> str:
        return f"{self.queue}: {self.number} {self.status}"
