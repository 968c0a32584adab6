"""What enqueue accepts: arguments checked and turned into the columns of a row, before the database sees anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from django.utils import timezone

from docqueue import correlation, handlers, routing
from docqueue.conf import get_settings
from docqueue.exceptions import (
    CENTURY_SECONDS,
    InvalidItem,
    InvalidKey,
    InvalidOption,
    InvalidPriority,
    PayloadMisfit,
)
from docqueue.jsontext import json_object
from docqueue.rules import Gates, Rules, if_parent_fails, parents, slots

T = TypeVar("T")
PRIORITIES: Final = {"high": 50, "normal": 0, "medium": 0, "low": -50}
KEY_MAX_LENGTH: Final = 255
IDEMPOTENCY_MAX_LENGTH: Final = 200
IDEMPOTENT: Final = "\x1f"
"""Stands before an idempotency key where it is stored, so that it is nobody's unique key."""
QUEUE_MAX_LENGTH: Final = 64
METADATA_MAX_BYTES: Final = 65_536
DOCUMENT: Final = "\0document"
"""Default of `ordering_key`: the item's document_id. (None means: no ordering.)"""

FINISHED: Final = "finished"
LIFETIMES: Final = ("claimed", FINISHED, "forever")
"""How long an item has its unique key: until it is claimed, until it is finished, for ever. Or so many seconds."""

RETURN, REPLACE, REFUSE = "return", "replace", "refuse"
CONFLICTS: Final = (RETURN, REPLACE, REFUSE)

KINDS_REMEMBERED: Final = 1000
"""Per call: what a caller makes up anew for each item is not worth remembering."""

DocumentId = int | str | UUID


@dataclass(kw_only=True, slots=True, eq=False)
class NewItem:
    """An item to enqueue. None means: what the handler says, else what the settings say.

    Not frozen, as that would make it four times as slow to make, and callers make hundreds of thousands.
    """

    document_id: DocumentId | None = None
    operation: str | None = None
    priority: int | str | None = None
    payload: Mapping[str, Any] | None = None
    queue: str | None = None
    run_after: datetime | None = None
    delay_seconds: float | None = None
    unique_key: str | None = None
    unique_for: str | float | timedelta = FINISHED
    on_conflict: str = RETURN
    idempotency_key: str | None = None
    ordering_key: str | None = DOCUMENT
    max_attempts: int | None = None
    timeout_seconds: float | None = None
    metadata: Mapping[str, Any] | None = None
    rules: Rules | None = None


class Kind(NamedTuple):
    """What an item shares with others: for each, the caller's choice, else the handler's, else the settings'.

    `gates`: the rules that the handler names for every item, if it does.
    """

    operation: str
    queue: str
    priority: int
    max_attempts: int
    timeout_seconds: float
    gates: Gates | None = None


class Keys(NamedTuple):
    """What is to be known of an item's unique key, its idempotency key, or both."""

    lifetime: str
    seconds: float | None
    on_conflict: str
    idempotency_key: str | None


class Checked(NamedTuple):
    """An item in the form it is stored in: payload and metadata are JSON text."""

    kind: Kind
    document_id: str | None
    ordering_key: str | None
    unique_key: str | None
    keys: Keys | None
    gates: Gates | None
    payload: str
    metadata: str
    run_after: datetime | None
    delay_seconds: float | None


def columns(item: NewItem) -> dict[str, Any]:
    """The row's columns. Raises an `InvalidItem` that names an argument that is wrong."""
    own = Checker().check(item)._asdict()
    kind: Kind = own.pop("kind")
    return kind._asdict() | own  # `gates` are the item's own, which the kind's have gone into


class Checker:
    """Checks the items of one call. What repeats from item to item is worked out once."""

    def __init__(self) -> None:
        self._payload_max_bytes = get_settings().PAYLOAD_MAX_BYTES
        self._fair = get_settings().FAIR_SHARE > 0
        self._kinds: dict[tuple[int, ...], tuple[tuple[object, ...], Kind]] = {}
        self._bound: dict[str, Any] | None = None
        self._bound_text = ""

    def check(self, item: NewItem) -> Checked:
        """The item as it is stored. Raises an `InvalidItem` that names an argument that is wrong."""
        kind = self._kind(item)
        document_id = None if item.document_id is None else key("document_id", str(item.document_id))
        ordering_key = document_id if item.ordering_key == DOCUMENT else item.ordering_key
        if kind.operation in handlers.typed and (wrong := handlers.misfit(kind.operation, item.payload or {})):
            raise PayloadMisfit(f"The payload does not fit {kind.operation}: {wrong}.")
        run_after, delay_seconds = item.run_after, item.delay_seconds
        if run_after is not None or delay_seconds is not None:
            delay_seconds = _check_time(run_after, delay_seconds)
        gates = kind.gates
        if item.rules is not None or self._fair:
            gates = _gates(item, gates or Gates(), bound=self._fair)
        return Checked(
            kind,
            document_id,
            None if ordering_key is None else key("ordering_key", ordering_key),
            None if item.unique_key is None else key("unique_key", item.unique_key),
            _keys(item),
            gates,
            json_object("payload", item.payload, self._payload_max_bytes),
            self._metadata(item.metadata),
            run_after,
            delay_seconds,
        )

    def _kind(self, item: NewItem) -> Kind:
        asked = (item.operation, item.queue, item.priority, item.max_attempts, item.timeout_seconds)
        # By identity, not equality: True and 1.0 equal 1 but are refused. The arguments are kept with what was made
        # of them, so that no other object gets the id of one of them.
        same = tuple(map(id, asked))
        known = self._kinds.get(same)
        if known is not None:
            return known[1]
        kind = _kind(*asked)
        if len(self._kinds) < KINDS_REMEMBERED:
            self._kinds[same] = (asked, kind)
        return kind

    def _metadata(self, given: Mapping[str, Any] | None) -> str:
        """What is bound here and now, under what the caller gave; anything but a mapping is left to be refused."""
        bound = correlation.current()
        if given is None:
            if bound != self._bound:
                self._bound, self._bound_text = bound, json_object("metadata", bound, METADATA_MAX_BYTES)
            return self._bound_text
        merged = bound | dict(given) if isinstance(given, Mapping) else given
        return json_object("metadata", merged, METADATA_MAX_BYTES)


def _kind(
    operation: str | None,
    queue: str | None,
    given_priority: int | str | None,
    max_attempts: int | None,
    timeout_seconds: float | None,
) -> Kind:
    settings = get_settings()
    operation = operation or settings.DEFAULT_OPERATION
    if not isinstance(operation, str):
        raise InvalidItem(f"operation must be a string, not {type(operation).__name__}.")
    if not operation:
        raise InvalidItem("operation is required.", hint="Name one, or set DOCQUEUE['DEFAULT_OPERATION'].")
    handler = handlers.get(operation)
    route = routing.find(settings.ROUTES, operation)
    most = _first(max_attempts, handler.max_attempts, settings.MAX_ATTEMPTS)
    timeout = _first(timeout_seconds, handler.timeout_seconds, settings.TIMEOUT_SECONDS)
    return Kind(
        operation=operation,
        queue=key("queue", _first(queue, route.get("queue"), handler.queue, settings.DEFAULT_QUEUE), QUEUE_MAX_LENGTH),
        priority=priority(_first(given_priority, route.get("priority"), 0)),
        max_attempts=whole("max_attempts", most),
        timeout_seconds=seconds("timeout_seconds", timeout, above=0.0),
        gates=_handlers_gates(handler),
    )


def _handlers_gates(handler: handlers.Handler) -> Gates | None:
    if handler.concurrency_limit is None and handler.limit_key is None:
        return None
    most = handler.concurrency_limit
    return Gates(
        slot_key=None if most is None else handler.operation,
        slot_limit=None if most is None else slots(most),
        limit_key=None if handler.limit_key is None else key("limit_key", handler.limit_key),
    )


def _gates(item: NewItem, known: Gates, *, bound: bool) -> Gates | None:
    """The item's rules over its handler's. `bound`: its tenant may also stand in its metadata, or in what is bound."""
    asked = item.rules or Rules()
    tenant = asked.tenant
    if tenant is None and bound:
        given = item.metadata if isinstance(item.metadata, Mapping) else {}
        tenant = {**correlation.current(), **given}.get("tenant")
    if asked.concurrency_key is None and asked.concurrency_limit is not None:
        raise InvalidOption("concurrency_limit says something of a concurrency_key, and there is none.")
    gates = known._replace(
        after=parents(asked.after),
        if_parent_fails=if_parent_fails(asked.if_parent_fails),
        tenant=None if tenant is None else key("tenant", str(tenant)),
        batch_id=asked.batch_id,
    )
    if asked.concurrency_key is not None:
        gates = gates._replace(
            slot_key=key("concurrency_key", asked.concurrency_key), slot_limit=slots(asked.concurrency_limit)
        )
    if asked.limit_key is not None:
        gates = gates._replace(limit_key=key("limit_key", asked.limit_key))
    if gates.limit_key is not None and routing.limit(get_settings().LIMITS, gates.limit_key) is None:
        raise InvalidOption(f"The setting LIMITS has nothing under {gates.limit_key!r}.", hint="Name its limit there.")
    return None if gates == Gates() else gates


def _keys(item: NewItem) -> Keys | None:
    unique = item.unique_key
    if unique is None and item.idempotency_key is None and item.unique_for == FINISHED and item.on_conflict == RETURN:
        return None
    if unique is None and (item.unique_for != FINISHED or item.on_conflict != RETURN):
        raise InvalidOption("unique_for and on_conflict say something of a unique_key, and there is none.")
    if unique is not None and unique.startswith(IDEMPOTENT):
        raise InvalidKey("unique_key must not begin with the control character U+001F.")
    if item.on_conflict not in CONFLICTS:
        raise InvalidOption(f"on_conflict must be one of {', '.join(CONFLICTS)}.")
    own = None if item.idempotency_key is None else key("idempotency_key", item.idempotency_key, IDEMPOTENCY_MAX_LENGTH)
    lasts = item.unique_for
    if isinstance(lasts, str):
        if lasts not in LIFETIMES:
            raise InvalidOption(f"unique_for must be one of {', '.join(LIFETIMES)}, or a number of seconds.")
        return Keys(lasts, None, item.on_conflict, own)
    lasts = lasts.total_seconds() if isinstance(lasts, timedelta) else lasts
    return Keys("period", seconds("unique_for", lasts, above=0.0), item.on_conflict, own)


def _check_time(run_after: datetime | None, delay_seconds: float | None) -> float | None:
    if run_after is not None and delay_seconds is not None:
        raise InvalidOption("Give either run_after or delay_seconds, not both.")
    if run_after is not None and not isinstance(run_after, datetime):
        raise InvalidOption(f"run_after must be a datetime, not {type(run_after).__name__}.")
    if run_after is not None and timezone.is_naive(run_after):
        raise InvalidOption("run_after must have a time zone.")
    return None if delay_seconds is None else seconds("delay_seconds", delay_seconds)


def _first(*choices: T | None) -> T:
    """The caller's choice, else the handler's, else the settings'."""
    return next(choice for choice in choices if choice is not None)


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
