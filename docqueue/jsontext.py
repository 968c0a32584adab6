"""JSON as PostgreSQL's jsonb takes it: objects, results, and what can not be stored of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii
from typing import Any, Final

from docqueue.conf import get_settings
from docqueue.exceptions import PayloadNotJson, PayloadTooLarge

DEPTH_MAX: Final = 100
"""How deep JSON may be nested: what a caller can write, a worker with a deeper stack must be able to read."""


def json_object(name: str, value: Mapping[str, Any] | None, max_bytes: int) -> str:
    """A JSON object as text. PostgreSQL's jsonb takes neither NUL characters nor lone surrogates nor NaN."""
    if value is not None and type(value) is not dict and not isinstance(value, Mapping):
        raise PayloadNotJson(f"{name} must be a dict, not {type(value).__name__}.")
    text = json_text(name, value if type(value) is dict else dict(value or {}))
    size = len(text)
    if size > max_bytes:
        raise PayloadTooLarge(f"{name} is {size} bytes of JSON; at most {max_bytes} are taken.")
    return text


_JSON: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_make: Any = json.encoder.c_make_encoder  # type: ignore[attr-defined]  # None where there is only the Python one
_chunks: Final = _make and _make(None, _JSON.default, encode_basestring_ascii, None, ":", ",", False, False, False)


def _encoded(value: Any) -> str:
    """`_JSON.encode` without making its C encoder anew for each value."""
    if _chunks is None:
        return _JSON.encode(value)
    try:
        return "".join(_chunks(value, 0))
    except RecursionError:
        return _JSON.encode(value)  # which keeps a look at what it is in, and says when a value contains itself


def json_text(name: str, value: Any) -> str:
    """Any JSON value as ASCII text that jsonb takes. Raises `PayloadNotJson`."""
    try:
        text = _encoded(value)
        escaped = "\\" in text
        if escaped and "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadNotJson(f"{name} is not JSON: {error}.") from error
    if text.count("[") + text.count("{") > DEPTH_MAX and _too_deep(value):
        raise PayloadNotJson(f"{name} is nested more than {DEPTH_MAX} levels deep.")
    if escaped and "\\u0000" in text and _has_nul(value):
        raise PayloadNotJson(f"{name} holds a NUL character, which PostgreSQL can not store.")
    return text


def result_text(result: Any, what: str = "result") -> str | None:
    """A handler's result as the JSON text that is stored; None for none. Raises `PayloadNotJson`, `PayloadTooLarge`."""
    if result is None:
        return None
    text = json_text(what, result)
    most = get_settings().PAYLOAD_MAX_BYTES
    if len(text) > most:
        raise PayloadTooLarge(f"{what} is {len(text)} bytes of JSON; at most {most} are stored.")
    return text


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH_MAX + 1):
        level = [
            child
            for container in level
            if isinstance(container, (Mapping, list, tuple))
            for child in (container.values() if isinstance(container, Mapping) else container)
        ]
    return bool(level)


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_has_nul(k) or _has_nul(v) for k, v in value.items())
    return isinstance(value, (list, tuple)) and any(_has_nul(v) for v in value)
