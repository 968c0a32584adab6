"""What the API tells of the queue as a whole."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from docqueue.api.waiting import AnyObject


class HealthAnswer(serializers.Serializer[Any]):
    """Whether the queue works. The status code says the same: 200 or 503."""

    healthy = serializers.BooleanField()
    database = serializers.BooleanField(help_text="It answers, and every migration is applied.")
    queue = serializers.BooleanField(help_text="Every queue with items is served.")
    worker = serializers.BooleanField(help_text="Some worker is alive, or a cron run was seen lately.")
    details = AnyObject()
