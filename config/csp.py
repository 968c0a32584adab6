"""The Content-Security-Policy of every page: what a browser may load and run there. Nothing inline, nothing from afar.

Django has a middleware of its own from 6.0 on; this one is the same on every Django that is supported.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from config.middleware import View

HEADER = "Content-Security-Policy"
SITE = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
# The pages that show the API bring their styles along inline; Redoc also searches in a worker made of a blob.
SWAGGER = SITE | {"style-src": "'self' 'unsafe-inline'"}
REDOC = SWAGGER | {"worker-src": "blob:"}


def policy(rules: dict[str, str]) -> str:
    """The header's value for these rules."""
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


class ContentSecurityPolicyMiddleware:
    """Gives every answer that has no policy of its own the site's."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault(HEADER, policy(SITE))
        return response
