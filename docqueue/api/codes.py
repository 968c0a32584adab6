"""The error codes over HTTP, for programs that show them to people or decide by them whether to try again."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue import codes
from docqueue.api import problems, schema
from docqueue.api.permissions import WrongToken
from docqueue.api.views import QueueView

HTTP = "http"
"""The source of codes that are about the request alone."""

LISTED = {
    "results": [
        {
            "code": "payload_too_large",
            "source": "docqueue",
            "status": 413,
            "retryable": False,
            "meaning": "The payload is larger than PAYLOAD_MAX_BYTES.",
            "hint": "Put the bytes into storage and enqueue their key.",
        }
    ]
}


class CodeAnswer(serializers.Serializer[Any]):
    """An error code. It never changes its meaning."""

    code = serializers.CharField()
    source = serializers.CharField(  # type: ignore[assignment]  # a field, not the property
        help_text="The app that it belongs to; http: it is about the request alone."
    )
    status = serializers.IntegerField(help_text="Of the HTTP answer, where it refuses a request.")
    retryable = serializers.BooleanField(help_text="Whether the same may succeed later.")
    meaning = serializers.CharField()
    hint = serializers.CharField(allow_blank=True, help_text="The next step.")


class CodesAnswer(serializers.Serializer[Any]):
    """All error codes."""

    results = CodeAnswer(many=True)


def known() -> list[dict[str, Any]]:
    """Every code, those about requests first."""
    own = {code: (status, meaning, problems.HINTS[code]) for code, (status, meaning) in problems.MEANINGS.items()}
    own[WrongToken.default_code] = (WrongToken.status_code, str(WrongToken.default_detail), WrongToken.hint)
    found = [
        {"code": code, "source": HTTP, "status": status, "retryable": code in problems.RETRYABLE}
        | {"meaning": meaning, "hint": hint}
        for code, (status, meaning, hint) in sorted(own.items())
    ]
    return found + [code._asdict() for code in codes.known()]


class ErrorsView(QueueView):
    """The error codes."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="list_error_codes",
        tags=[schema.TAG],
        responses=schema.answer(200, CodesAnswer, LISTED) | schema.refusals("not_authenticated"),
    )
    def get(self, request: Request) -> Response:
        """Every code that a refusal or a failed item may have, with its meaning and the next step."""
        return Response(CodesAnswer({"results": known()}).data)
