"""What the API tells of the queue as a whole."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


@extend_schema_field(OpenApiTypes.OBJECT)
class AnyObject(serializers.DictField):
    """Nested plain JSON."""


class StatsAnswer(serializers.Serializer[Any]):
    """The whole queue at one moment."""

    total = AnyObject(help_text="pending, in_progress, completed, failed (dead), waiting, retrying, cancelled.")
    queues = AnyObject(help_text="The same by queue, with oldest_due_seconds and workers.")
    workers = serializers.IntegerField(help_text="Live workers.")
    unserved = serializers.ListField(child=serializers.CharField(), help_text="Queues that no live worker serves.")
    hints = serializers.ListField(child=serializers.CharField(), help_text="What to do about them.")


class HealthAnswer(serializers.Serializer[Any]):
    """Whether the queue works. The status code says the same: 200 or 503."""

    healthy = serializers.BooleanField()
    database = serializers.BooleanField(help_text="It answers, and every migration is applied.")
    queue = serializers.BooleanField(help_text="Every queue with items is served.")
    worker = serializers.BooleanField(help_text="Some worker is alive, or a cron run was seen lately.")
    details = AnyObject()
