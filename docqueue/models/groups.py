"""Small tables beside the items: keys, dependencies, batches, schedules, durable steps, progress.

No foreign key points at docqueue_item: ids are plain bigints, so finishing an item checks no other table.
"""

from __future__ import annotations

from django.db import models
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
    """A child that waits for a parent, with the parent's outcome and result once it has one."""

    id = models.BigAutoField(primary_key=True)
    child_id = models.BigIntegerField()
    parent_id = models.BigIntegerField()
    outcome = models.CharField(max_length=16, null=True)
    result = models.JSONField(null=True)

    class Meta:
        db_table = "docqueue_dependency"
        indexes = [models.Index("parent_id", name="docqueue_dependency_parent")]
        constraints = [models.UniqueConstraint("child_id", "parent_id", name="docqueue_dependency_once")]

    def __str__(self) -> str:
        return f"#{self.child_id} after #{self.parent_id}"


class Batch(models.Model):
    """A group of items in the queue, with what to enqueue when all have ended."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=255, blank=True, default="")
    on_complete = models.JSONField(null=True)
    on_failure = models.JSONField(null=True)
    created_at = models.DateTimeField()
    sealed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, null=True)

    class Meta:
        db_table = "docqueue_batch"

    def __str__(self) -> str:
        return self.name or f"batch #{self.pk}"


class Schedule(models.Model):
    """An operation enqueued again and again. It names a registered operation, never an import path."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=255, unique=True)
    operation = models.CharField(max_length=200)
    cron = models.CharField(max_length=200, blank=True, default="")
    interval_seconds = models.FloatField(null=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    options = models.JSONField(default=dict)
    paused_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "docqueue_schedule"

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
