"""A bulk operation in words: which items it is about, and how many they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext, ngettext

from docqueue.bulk import COUNTED
from docqueue.states import Status


def about(found: Mapping[str, Any]) -> str:
    """A filter as a sentence of its own. What people have written stands in it as they wrote it."""
    labels = [str(Status(name).label) for name in found.get("status", ())]
    *others, last = labels or [gettext("anywhere")]
    states = gettext("%(some)s or %(last)s") % {"some": ", ".join(others), "last": last} if others else last
    texts = {
        "queue": gettext("of queue %(value)s"),
        "operation": gettext("with operation %(value)s"),
        "document_id": gettext("of document %(value)s"),
        "error_code": gettext("that failed with %(value)s"),
        "fingerprint": gettext("whose failure is %(value)s"),
        "enqueued_before": gettext("enqueued before %(value)s"),
        "ended_before": gettext("that ended before %(value)s"),
    }
    parts = [gettext("items that are %(states)s") % {"states": states}]
    parts += [text % {"value": found[key]} for key, text in texts.items() if found.get(key) is not None]
    return ", ".join(parts)


def number(total: int, *, at_least: bool) -> str:
    """How many match, counted as far as it was."""
    if not at_least:
        return f"{total:,}"
    if total >= COUNTED:
        return gettext("more than %(total)s") % {"total": f"{total:,}"}
    return gettext("at least %(total)s, as not all were looked at") % {"total": f"{total:,}"}


def items(total: int, *, at_least: bool) -> str:
    """How many items, for a button."""
    if not at_least:
        return ngettext("%(n)s item", "%(n)s items", total) % {"n": f"{total:,}"}
    said = gettext("more than %(n)s items") if total >= COUNTED else gettext("%(n)s items or more")
    return said % {"n": f"{total:,}"}


def skipped(action: str, state: str) -> str:
    """Why an item was skipped: where it was when its turn came."""
    if action == "purge" and state in (Status.COMPLETED, Status.CANCELLED):
        return gettext("kept: an item still waits to hear of it, or its batch goes on")
    others = {
        "gone": gettext("not there any more"),
        "refused": gettext("refused by the database"),
        Status.DEAD.value: gettext("dead since the operation began"),
        Status.WAITING.value: gettext("waiting, for what this action does not end, or changed meanwhile"),
    }
    return others.get(state) or gettext("%(state)s by then") % {"state": Status(state).label}
