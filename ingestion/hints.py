"""The next step for each error code: those of ingestion's own errors and those that the queue ends items with."""

from __future__ import annotations

from functools import cache

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from ingestion.errors import error_classes

QUEUE_HINTS = {
    "crashed": gettext_noop("Reading it ended the process each time. Save it anew in its own program and upload that."),
    "timed_out": gettext_noop("It takes too long to read. Split it into smaller parts and upload those."),
    "out_of_memory": gettext_noop("It takes too much memory to read. Split it into smaller parts and upload those."),
    "item_lost": gettext_noop("Reprocess it."),
    "exception": gettext_noop("Reprocess it; if it fails again, tell the operator its error message."),
}


@cache
def _known() -> dict[str, str]:
    known: dict[str, str] = {}
    for error in error_classes():
        known.setdefault(error.code, error.hint)
    return known


def hint_for(code: str) -> str:
    """What a person can do about `code`; empty where nobody knows."""
    text = QUEUE_HINTS.get(code)
    return _(text) if text else _known().get(code, "")
