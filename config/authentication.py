"""How callers of the API say who they are."""

from __future__ import annotations

from typing import Any

from rest_framework import authentication
from rest_framework.request import Request

from docqueue import correlation


class TokenAuthentication(authentication.TokenAuthentication):
    """`Authorization: Token …`; from here on the user's id stands on log lines and on what is enqueued."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        found = super().authenticate(request)
        if found is not None:
            correlation.add(user=str(found[0].pk))
        return found
