"""How often a caller may ask: so many requests in a period, by user or, of strangers, by address, and by what is done.

For REST_FRAMEWORK["DEFAULT_THROTTLE_CLASSES"], with the rates of `SCOPES` in DEFAULT_THROTTLE_RATES; a scope without a
rate is not limited. Counted in Django's default cache: where that is in the process's memory, each process counts for
itself, and n of them let up to n times as much through.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which reads the settings that name this module

READ, WRITE, UPLOAD, BULK, ANONYMOUS = SCOPES = ("read", "write", "upload", "bulk", "anonymous")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class RequestThrottle(SimpleRateThrottle):
    """Counts a caller's requests in each stretch of time, one number each: asking costs the same at any rate."""

    def __init__(self) -> None:
        self._left_seconds = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the request. False: there were too many already in this stretch of time."""
        scope = scope_of(request, view)
        rate: Any = api_settings.DEFAULT_THROTTLE_RATES.get(scope)
        if not rate:
            return True
        most, seconds = self.parse_rate(rate)
        assert most is not None and seconds is not None  # noqa: PT018 - for a rate there are both
        now = time.time()
        stretch, self._left_seconds = int(now // seconds), seconds - now % seconds
        key = self.cache_format % {"scope": scope, "ident": f"{self._who(request)}_{stretch}"}
        cache.add(key, 0, timeout=seconds)
        try:
            number = cache.incr(key)
            cache.touch(key, seconds)  # some caches would keep it for as long as they keep anything
            return number <= most
        except ValueError:  # it has gone since: a full cache forgets
            return True

    def wait(self) -> float:
        """Seconds until the next stretch of time."""
        return max(1.0, self._left_seconds)

    def _who(self, request: Request) -> str:
        user = request.user
        return f"user:{user.pk}" if user and user.is_authenticated else f"from:{self.get_ident(request)}"


def scope_of(request: Request, view: APIView) -> str:
    """What the request counts as: what the view says of the method, else by whether it changes anything."""
    if not (request.user and request.user.is_authenticated):
        return ANONYMOUS
    said: Mapping[str, str] = getattr(view, "throttle_scopes", {})
    method = request.method or ""
    return said.get(method) or (READ if method in SAFE else WRITE)
