"""Rate limits and circuit breakers over HTTP: what each allows now."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue import stops, store
from docqueue.api import paging, schema
from docqueue.api.permissions import MaySeeQueue
from docqueue.api.views import QueueView
from docqueue.conf import get_settings
from docqueue.models import Limit

BREAKERS = ("closed", "open", "half_open")
LIMIT = {
    "key": "smtp",
    "rate": 5.0,
    "burst": 5.0,
    "may_start_now": 3.2,
    "breaker": "open",
    "failures": 5,
    "failures_to_open": 5,
    "open_seconds": 30.0,
    "opened_at": "2030-01-31T11:59:50Z",
    "tries_at": "2030-01-31T12:00:20Z",
    "probe": None,
}


class LimitAnswer(serializers.Serializer[Any]):
    """A rate limit, a circuit breaker, or both, under the key that items name."""

    key = serializers.CharField(help_text="The limit_key of items.")
    rate = serializers.FloatField(allow_null=True, help_text="Starts a second; null: no rate limit.")
    burst = serializers.FloatField(allow_null=True, help_text="Starts at once.")
    may_start_now = serializers.FloatField(allow_null=True, help_text="Starts that its rate allows now.")
    breaker = serializers.ChoiceField(choices=BREAKERS, allow_null=True, help_text="null: it has none.")
    failures = serializers.IntegerField(help_text="In a row.")
    failures_to_open = serializers.IntegerField(allow_null=True)
    open_seconds = serializers.FloatField(allow_null=True)
    opened_at = serializers.DateTimeField(allow_null=True)
    tries_at = serializers.DateTimeField(allow_null=True, help_text="When one item tries whether it can be closed.")
    probe = serializers.IntegerField(allow_null=True, help_text="The item that is at it now.")


class LimitsAnswer(serializers.Serializer[Any]):
    """One page of limits, by key."""

    results = LimitAnswer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Address of the next page; null on the last one.")


class QueueLimitsView(QueueView):
    """The limits."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="list_queue_limits",
        tags=[schema.TAG],
        parameters=[*schema.PAGE],
        responses=schema.answer(200, LimitsAnswer, {"results": [LIMIT], "next": None})
        | schema.refusals("invalid_request", "not_authenticated", "permission_denied"),
    )
    def get(self, request: Request) -> Response:
        """Rate limits and circuit breakers that items have named, by key, page by page.

        Staff or docqueue.view_queueitem. Their figures come from the setting LIMITS.
        """
        limit = paging.limit(request.query_params.get("limit"))
        cursor = paging.text("cursor", request.query_params.get("cursor") or "")
        using = get_settings().DATABASE
        rows = list(Limit.objects.using(using).filter(key__gt=cursor).order_by("key")[: limit + 1])
        now = store.clock(using)
        opened = {one.limit: one for one in stops.open_breakers(using, rows[:limit])}
        shown = []
        for row in rows[:limit]:
            found = opened.get(row.key)
            closed = None if row.failures_to_open is None else "closed"
            breaker = closed if found is None else "half_open" if found.half_open(now) else "open"
            values = {name: getattr(row, name, None) for name in LIMIT}
            values |= {"may_start_now": None if row.rate is None else round(row.tokens_at(now), 3), "breaker": breaker}
            shown.append(values | {"probe": found and found.probe})
        following = paging.link(request, rows[limit - 1].key if len(rows) > limit else None)
        return Response({"results": LimitAnswer(shown, many=True).data, "next": following})
