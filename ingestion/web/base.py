"""What the page's views share: who looks, what is theirs, and how a refusal is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import TooManyFilesSent
from django.http import HttpRequest
from django.utils.translation import gettext as _

from docqueue.exceptions import DocqueueError
from ingestion.errors import IngestionError, TooManyFiles
from ingestion.hints import hint_for

REFUSALS = (IngestionError, DocqueueError, TooManyFilesSent)
"""What a view shows to the person as a refusal; anything else is a fault of ours."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why something was not done: a sentence, its stable code, the next step, the HTTP status."""

    message: str
    code: str
    hint: str
    status: int


def refusal(error: Exception) -> Refusal:
    """The refusal that one of `REFUSALS` stands for."""
    if isinstance(error, TooManyFilesSent):
        error = TooManyFiles(_("The form holds more files than are taken at once."))
    code = str(getattr(error, "code", "refused"))
    hint = str(getattr(error, "hint", "") or hint_for(code))
    return Refusal(message=str(error), code=code, hint=hint, status=int(getattr(error, "status", 422)))


def owner_id(request: HttpRequest) -> int:
    """The id of the person who looks; the views let nobody else in."""
    pk: Any = request.user.pk
    return int(pk)
