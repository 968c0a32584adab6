"""Every request gets an id and a line in the log; both follow it into the queue."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from docqueue import correlation

log = logging.getLogger("config.request")
HEADER = "X-Request-ID"
SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+=-]{0,127}")
QUIET = ("/livez", "/readyz", "/static/")

View = Callable[[HttpRequest], HttpResponse]


class RequestIdMiddleware:
    """Takes the caller's X-Request-ID if sane, else makes one; binds it and returns it on every answer."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        request_id = given if SANE.fullmatch(given) else uuid.uuid4().hex
        began = time.perf_counter()
        with correlation.bind(correlation_id=request_id):
            response = self.get_response(request)
            response[HEADER] = request_id
            if not request.path.startswith(QUIET):
                seconds = time.perf_counter() - began
                line = {"method": request.method, "path": request.path, "status": response.status_code}
                log.info("request", extra=line | {"seconds": round(seconds, 4), "user": user_of(request)})
        return response


class UserMiddleware:
    """Binds the id of the user who is logged in; callers with a token are bound by their authentication."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with correlation.bind(user=user_of(request)):
            return self.get_response(request)


def user_of(request: HttpRequest) -> str | None:
    """The id of the request's user as text; None for a stranger."""
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else None
