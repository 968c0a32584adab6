"""What people see of payloads, metadata and results: the function in the setting REDACT decides."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.utils.module_loading import import_string

from docqueue.conf import get_settings

HIDDEN = "•••"
FAILED = "hidden, as DOCQUEUE['REDACT'] failed: see the log"
DEEPEST = 50
_SECRET = re.compile(
    r"passw(or)?d|passphrase|passwd|\bpwd\b|secret|token|credential|authori[sz]ation|cookie|api.?key|access.?key"
    r"|private.?key|signature|\bauth\b|bearer|session.?id",
    re.IGNORECASE,
)
_log = logging.getLogger("docqueue")


def hide_secrets(operation: str, payload: Any) -> Any:  # noqa: ARG001 - other functions need it
    """A copy in which the values of keys that sound like secrets are hidden, however deep they are."""
    return _without_secrets(payload, 0)


def _without_secrets(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        return HIDDEN
    match value:
        case dict():
            return {
                key: HIDDEN
                if _SECRET.search(str(key)) and inner not in (None, "")
                else _without_secrets(inner, depth + 1)
                for key, inner in value.items()
            }
        case list():
            return [_without_secrets(inner, depth + 1) for inner in value]
    return value


def shown(operation: str, value: Any) -> Any:
    """What a person may see of a payload, metadata or result. When the function fails, nothing but that it did."""
    if value is None:
        return None
    try:
        return function(get_settings().REDACT)(operation, value)
    except Exception:  # noqa: BLE001 - whatever it is, what was to be hidden stays so
        _log.exception("DOCQUEUE['REDACT'] failed for a payload of %s", operation)
        return FAILED


@lru_cache(maxsize=4)
def function(path: str) -> Callable[[str, Any], Any]:
    """The function of that dotted path. Raises `ImportError`, or `TypeError` when it is none."""
    found = import_string(path)
    if not callable(found):
        raise TypeError(f"{path} is no function.")
    return found  # type: ignore[no-any-return]


def restored(edited: Any, seen: Any, original: Any) -> Any:
    """What a person made of what they saw, with what was hidden from them as it was, wherever they left it alone."""
    if edited == seen:
        return original
    if isinstance(edited, dict) and isinstance(seen, dict) and isinstance(original, dict):
        return {
            key: restored(inner, seen[key], original[key]) if key in seen and key in original else inner
            for key, inner in edited.items()
        }
    lists = isinstance(edited, list) and isinstance(seen, list) and isinstance(original, list)
    if lists and len(edited) == len(seen) == len(original):
        return [restored(*each) for each in zip(edited, seen, original, strict=True)]
    return edited
