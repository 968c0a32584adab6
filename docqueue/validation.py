"""What enqueue accepts: arguments checked and turned into the columns of a row, before the database sees anything."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from django.utils import timezone

from docqueue import correlation, handlers
from docqueue.conf import get_settings
from docqueue.exceptions import (
    CENTURY_SECONDS,
    InvalidItem,
    InvalidKey,
    InvalidOption,
    InvalidPriority,
    PayloadNotJson,
    PayloadTooLarge,
)
from docqueue.states import Status, WaitReason

T = TypeVar("T")
PRIORITIES: Final = {"high": 50, "normal": 0, "medium": 0, "low": -50}
KEY_MAX_LENGTH: Final = 255
QUEUE_MAX_LENGTH: Final = 64
METADATA_MAX_BYTES: Final = 65_536
DEPTH_MAX: Final = 100
"""How deep JSON may be nested: what a caller can write, a worker with a deeper stack must be able to read."""
DOCUMENT: Final = "\0document"
"""Default of `ordering_key`: the item's document_id. (None means: no ordering.)"""

DocumentId = int | str | UUID


@dataclass(frozen=True, kw_only=True)
class NewItem:
    """An item to enqueue. None means: what the handler says, else what the settings say."""

    document_id: DocumentId | None = None
    operation: str | None = None
    priority: int | str = 0
    payload: Mapping[str, Any] | None = None
    queue: str | None = None
    run_after: datetime | None = None
    delay_seconds: float | None = None
    unique_key: str | None = None
    ordering_key: str | None = DOCUMENT
    max_attempts: int | None = None
    timeout_seconds: float | None = None
    metadata: Mapping[str, Any] | None = None


def columns(item: NewItem) -> dict[str, Any]:
    """The row's columns. Raises an `InvalidItem` that names the first argument that is wrong."""
    settings = get_settings()
    operation = item.operation or settings.DEFAULT_OPERATION
    if not isinstance(operation, str):
        raise InvalidItem(f"operation must be a string, not {type(operation).__name__}.")
    if not operation:
        raise InvalidItem("operation is required.", hint="Name one, or set DOCQUEUE['DEFAULT_OPERATION'].")
    handler = handlers.get(operation)
    document_id = None if item.document_id is None else key("document_id", str(item.document_id))
    ordering_key = document_id if item.ordering_key == DOCUMENT else item.ordering_key
    if item.run_after is not None and item.delay_seconds is not None:
        raise InvalidOption("Give either run_after or delay_seconds, not both.")
    if item.run_after is not None and not isinstance(item.run_after, datetime):
        raise InvalidOption(f"run_after must be a datetime, not {type(item.run_after).__name__}.")
    if item.run_after is not None and timezone.is_naive(item.run_after):
        raise InvalidOption("run_after must have a time zone.")
    return {
        "queue": key("queue", _first(item.queue, handler.queue, settings.DEFAULT_QUEUE), QUEUE_MAX_LENGTH),
        "priority": priority(item.priority),
        "operation": operation,
        "document_id": document_id,
        "ordering_key": None if ordering_key is None else key("ordering_key", ordering_key),
        "unique_key": None if item.unique_key is None else key("unique_key", item.unique_key),
        "payload": json_object("payload", item.payload, settings.PAYLOAD_MAX_BYTES),
        "metadata": json_object("metadata", _metadata(item.metadata), METADATA_MAX_BYTES),
        "max_attempts": whole(
            "max_attempts",
            _first(item.max_attempts, handler.max_attempts, settings.MAX_ATTEMPTS),
        ),
        "timeout_seconds": seconds(
            "timeout_seconds",
            _first(item.timeout_seconds, handler.timeout_seconds, settings.TIMEOUT_SECONDS),
            above=0.0,
        ),
        "run_after": item.run_after,
        "delay_seconds": None if item.delay_seconds is None else seconds("delay_seconds", item.delay_seconds),
    }


def _first(*choices: T | None) -> T:
    """The caller's choice, else the handler's, else the settings'."""
    return next(choice for choice in choices if choice is not None)


def _metadata(given: Any) -> Any:
    """What is bound here and now, under what the caller gave; anything but a mapping is left to be refused."""
    return correlation.current() | dict(given or {}) if given is None or isinstance(given, Mapping) else given


def priority(value: int | str) -> int:
    """-100 … 100, or the number behind 'high', 'normal', 'medium' or 'low'."""
    number = PRIORITIES.get(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int) or not -100 <= number <= 100:
        raise InvalidPriority(f"priority must be a whole number from -100 to 100 or one of {', '.join(PRIORITIES)}.")
    return number


def key(name: str, value: str, max_length: int = KEY_MAX_LENGTH) -> str:
    """A non-empty string without NUL and lone surrogates of at most `max_length` characters."""
    if not isinstance(value, str) or not value or len(value) > max_length or not storable(value):
        raise InvalidKey(f"{name} must be a string of 1 to {max_length} characters without NUL and lone surrogates.")
    return value


def storable(value: str) -> bool:
    """Whether PostgreSQL can store this text: no NUL, no lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def whole(name: str, value: int) -> int:
    """A whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000:
        raise InvalidOption(f"{name} must be a whole number from 1 to 1000000.")
    return value


def seconds(name: str, value: float, above: float | None = None) -> float:
    """A finite, non-negative number of seconds up to a century; greater than `above` where given."""
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not 0 <= number <= CENTURY_SECONDS or (above is not None and number <= above):
        raise InvalidOption(f"{name} must be a {'positive ' if above is not None else ''}number of seconds.")
    return float(number)


def json_object(name: str, value: Mapping[str, Any] | None, max_bytes: int) -> str:
    """A JSON object as text. PostgreSQL's jsonb takes neither NUL characters nor lone surrogates nor NaN."""
    if value is not None and not isinstance(value, Mapping):
        raise PayloadNotJson(f"{name} must be a dict, not {type(value).__name__}.")
    text = json_text(name, dict(value or {}))
    size = len(text)
    if size > max_bytes:
        raise PayloadTooLarge(f"{name} is {size} bytes of JSON; at most {max_bytes} are taken.")
    return text


def json_text(name: str, value: Any) -> str:
    """Any JSON value as ASCII text that jsonb takes. Raises `PayloadNotJson`."""
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadNotJson(f"{name} is not JSON: {error}.") from error
    if text.count("[") + text.count("{") > DEPTH_MAX and _too_deep(value):
        raise PayloadNotJson(f"{name} is nested more than {DEPTH_MAX} levels deep.")
    if "\\u0000" in text and _has_nul(value):
        raise PayloadNotJson(f"{name} holds a NUL character, which PostgreSQL can not store.")
    return text


def result_text(result: Any) -> str | None:
    """A handler's result as the JSON text that is stored; None for none. Raises `PayloadNotJson`, `PayloadTooLarge`."""
    if result is None:
        return None
    text = json_text("result", result)
    most = get_settings().PAYLOAD_MAX_BYTES
    if len(text) > most:
        raise PayloadTooLarge(f"result is {len(text)} bytes of JSON; at most {most} are stored.")
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


def copy_row(row: Mapping[str, Any], item_id: int, position: int, now: datetime) -> tuple[Any, ...]:
    """The row of `store.COPY_COLUMNS` for one bulk item, with the id, position and clock drawn for it."""
    run_after = row["run_after"]
    if row["delay_seconds"] is not None:
        run_after = now + timedelta(seconds=row["delay_seconds"])
    due = run_after is None or run_after <= now
    pending = due and row["ordering_key"] is None
    reason = None if pending else WaitReason.ORDERING.value if due else WaitReason.DELAYED.value
    return (
        item_id,
        row["queue"],
        row["priority"],
        position if pending else None,
        Status.PENDING.value if pending else Status.WAITING.value,
        reason,
        row["operation"],
        row["document_id"],
        row["ordering_key"],
        row["payload"],
        row["metadata"],
        row["max_attempts"],
        row["timeout_seconds"],
        run_after,
        None if due else run_after,
        now,
    )
