"""What the API says of the queue's depths, and of an item's place in line beside the sentence about why it waits."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


@extend_schema_field(OpenApiTypes.OBJECT)
class AnyObject(serializers.DictField):
    """Nested plain JSON."""


class PausedAnswer(serializers.Serializer[Any]):
    """A queue of which nothing starts."""

    queue = serializers.CharField()
    since = serializers.DateTimeField()
    by = serializers.CharField(allow_blank=True, help_text="Who paused it; empty where nobody said so.")
    reason = serializers.CharField(allow_blank=True)


class BreakerAnswer(serializers.Serializer[Any]):
    """A circuit breaker that is open: nothing behind it starts."""

    limit = serializers.CharField(help_text="The limit_key of the items that wait behind it.")
    since = serializers.DateTimeField()
    failures = serializers.IntegerField(help_text="In a row.")
    tries_at = serializers.DateTimeField(help_text="When one item starts, to see whether it can be closed.")
    probe = serializers.IntegerField(allow_null=True, help_text="The item that is at it now.")


class StatsAnswer(serializers.Serializer[Any]):
    """The whole queue at one moment."""

    total = AnyObject(help_text="pending, in_progress, completed, failed (dead), waiting, retrying, cancelled.")
    queues = AnyObject(
        help_text="The same by queue, with oldest_due_seconds, workers, finished_per_minute and counted_seconds_ago: "
        "by the name of a number that was not counted now, the age of the count, or null: there are so many at least."
    )
    workers = serializers.IntegerField(help_text="Live workers.")
    unserved = serializers.ListField(child=serializers.CharField(), help_text="Queues that no live worker serves.")
    paused = PausedAnswer(many=True, help_text="Queues that somebody paused, by name.")
    breakers = BreakerAnswer(many=True, help_text="The open ones, by limit.")
    hints = serializers.ListField(child=serializers.CharField(), help_text="What to do about queues without a worker.")


class PlaceAnswer(serializers.Serializer[Any]):
    """The figures of `DocumentQueueService.explain_detail`."""

    position = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Place in its lane, or in the line of what it waits for, from 1."
    )
    estimate_seconds = serializers.FloatField(
        read_only=True, allow_null=True, help_text="How long it may take until it starts; null: nobody knows."
    )
    blocked_by = serializers.ListField(
        child=serializers.IntegerField(), read_only=True, help_text="Up to three items that come before it."
    )


PLACE = ("position", "estimate_seconds", "blocked_by")
EXAMPLE: dict[str, Any] = {"position": None, "estimate_seconds": 12.0, "blocked_by": []}
EXAMPLE_ENDED: dict[str, Any] = {"position": None, "estimate_seconds": None, "blocked_by": []}
EXAMPLE_STOPS = {
    "paused": [{"queue": "imports", "since": "2030-01-31T11:00:00Z", "by": "ann", "reason": "the archive moves"}],
    "breakers": [
        {
            "limit": "smtp",
            "since": "2030-01-31T11:59:00Z",
            "failures": 5,
            "tries_at": "2030-01-31T12:00:00Z",
            "probe": None,
        }
    ],
}
EXAMPLE_QUEUE = {"oldest_due_seconds": 0.8, "workers": 2, "finished_per_minute": 31.5, "counted_seconds_ago": {}}
