"""The content security policy that the operator's pages have to be clean under, set on every answer."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """For MIDDLEWARE."""

    def answer(request: HttpRequest) -> HttpResponse:
        found = get_response(request)
        found["Content-Security-Policy"] = POLICY
        return found

    return answer
