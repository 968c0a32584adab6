"""Small tables beside the items: keys, dependencies, batches, schedules, durable steps, progress.

No foreign key points at docqueue_item: ids are plain bigints, so finishing an item checks no other table.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Key(models.Model):
    """A unique or idempotency key that is taken: one row per keyed enqueue, freed when its lifetime ends."""

    class Lifetime(models.TextChoices):
        CLAIMED = "claimed", _("until claimed")
        FINISHED = "finished", _("until finished")
        PERIOD = "period", _("for a period")
        FOREVER = "forever", _("for ever")

    key = models.CharField(_("key"), max_length=255, primary_key=True)
    item_id = models.BigIntegerField(_("item"))
    lifetime = models.CharField(_("lifetime"), max_length=16, choices=Lifetime.choices)
    expires_at = models.DateTimeField(_("expires"), null=True)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        db_table = "docqueue_key"
        indexes = [
            # prune_keys.sql
            models.Index("expires_at", condition=models.Q(lifetime="period"), name="docqueue_key_expires"),
        ]

    def __str__(self) -> str:
        return self.key


class Dependency(models.Model):
    """A child that waits for a parent, with the parent's outcome and result once it has one.

    `if_failed`: what becomes of the child when the parent dies or is cancelled.
    """

    class IfFailed(models.TextChoices):
        HOLD = "hold", _("it waits until somebody requeues the parent, or lets it run")
        CANCEL = "cancel", _("it is cancelled, too")
        RUN = "run", _("it runs all the same")

    id = models.BigAutoField(primary_key=True)
    child_id = models.BigIntegerField(_("item"))
    parent_id = models.BigIntegerField(_("after"))
    if_failed = models.CharField(_("if that fails"), max_length=8, choices=IfFailed.choices, db_default="hold")
    outcome = models.CharField(_("outcome"), max_length=16, null=True)
    result = models.JSONField(_("result"), null=True)

    class Meta:
        db_table = "docqueue_dependency"
        indexes = [
            models.Index("parent_id", name="docqueue_dependency_parent"),
            # unresolved_parents.sql
            models.Index("parent_id", condition=models.Q(outcome=None), name="docqueue_dependency_open"),
        ]
        constraints = [models.UniqueConstraint("child_id", "parent_id", name="docqueue_dependency_once")]

    def __str__(self) -> str:
        return f"#{self.child_id} after #{self.parent_id}"


class Batch(models.Model):
    """A group of items in the queue, with what to enqueue when all have ended.

    `outcome` is set once: "completed" when every item was, else "failed".
    """

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=255, blank=True, default="")
    on_complete = models.JSONField(null=True)
    on_failure = models.JSONField(null=True)
    created_at = models.DateTimeField()
    sealed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, null=True)
    callback_id = models.BigIntegerField(null=True)

    class Meta:
        db_table = "docqueue_batch"
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        indexes = [
            # finish_batches.sql
            models.Index("id", condition=models.Q(finished_at=None), name="docqueue_batch_open"),
        ]

    def __str__(self) -> str:
        return self.name or f"batch #{self.pk}"


class Schedule(models.Model):
    """An operation enqueued again and again. It names a registered operation, never an import path.

    `missed`: what becomes of ticks that no worker was there for. `options` are arguments of `enqueue`. `last_error`:
    what kept its last tick from being enqueued, and `last_error_at` since when; none, when that tick worked.
    """

    class Missed(models.TextChoices):
        SKIP = "skip", _("none of them is made up for")
        LATEST = "latest", _("the latest is made up for")
        ALL = "all", _("each is made up for")

    class Source(models.TextChoices):
        CODE = "code", _("code")
        ADMIN = "admin", _("admin")

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(_("name"), max_length=255, unique=True)
    operation = models.CharField(_("operation"), max_length=200)
    cron = models.CharField(_("cron"), max_length=200, blank=True, default="")
    interval_seconds = models.FloatField(_("interval (s)"), null=True, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    options = models.JSONField(_("options"), default=dict, blank=True)
    missed = models.CharField(_("missed ticks"), max_length=8, choices=Missed.choices, default=Missed.LATEST)
    source = models.CharField(_("source"), max_length=8, choices=Source.choices, default=Source.ADMIN)
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    paused_reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    created_at = models.DateTimeField(_("created"), db_default=Now())
    next_at = models.DateTimeField(_("next tick"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=500, null=True, blank=True)
    last_error_at = models.DateTimeField(_("failing since"), null=True, blank=True)

    class Meta:
        db_table = "docqueue_schedule"
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        indexes = [
            # due_schedules.sql
            models.Index("next_at", condition=models.Q(paused_at=None), name="docqueue_schedule_due"),
        ]

    def __str__(self) -> str:
        return self.name


class ScheduleTick(models.Model):
    """One tick of a schedule: the row that makes it fire once with any number of workers."""

    id = models.BigAutoField(primary_key=True)
    schedule_id = models.BigIntegerField()
    tick_at = models.DateTimeField()
    item_id = models.BigIntegerField(null=True)

    class Meta:
        db_table = "docqueue_schedule_tick"
        constraints = [models.UniqueConstraint("schedule_id", "tick_at", name="docqueue_schedule_tick_once")]

    def __str__(self) -> str:
        return f"{self.schedule_id} at {self.tick_at:%Y-%m-%d %H:%M:%S}"


class Checkpoint(models.Model):
    """The stored result of one durable step of an item."""

    id = models.BigAutoField(primary_key=True)
    item_id = models.BigIntegerField()
    name = models.CharField(max_length=200)
    result = models.JSONField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "docqueue_checkpoint"
        constraints = [models.UniqueConstraint("item_id", "name", name="docqueue_checkpoint_once")]

    def __str__(self) -> str:
        return f"#{self.item_id}: {self.name}"


class Progress(models.Model):
    """How far the running handler of an item is, as it last said."""

    item_id = models.BigIntegerField(primary_key=True)
    percent = models.SmallIntegerField()
    stage = models.CharField(max_length=100, blank=True, default="")
    message = models.CharField(max_length=500, blank=True, default="")
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "docqueue_progress"

    def __str__(self) -> str:
        return f"#{self.item_id}: {self.percent} %"
