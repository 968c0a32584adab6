"""Settings that are tables: ROUTES, LIMITS and TEMPLATES, checked and looked up."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

TABLES: dict[str, dict[str, tuple[type, ...]]] = {
    "ROUTES": {"queue": (str,), "priority": (int,)},
    "LIMITS": {"rate": (int, float), "burst": (int, float), "failures": (int,), "open_seconds": (int, float)},
}
# The arguments of enqueue, but for the document and what belongs to one call. (`object`: what is right, enqueue knows.)
TEMPLATE: dict[str, tuple[type, ...]] = {
    "operation": (str,),
    "priority": (str, int),
    "payload": (dict,),
    "queue": (str,),
    "run_after": (object,),
    "delay_seconds": (int, float),
    "unique_key": (str,),
    "unique_for": (object,),
    "on_conflict": (str,),
    "idempotency_key": (str,),
    "ordering_key": (str,),
    "max_attempts": (int,),
    "timeout_seconds": (int, float),
    "metadata": (dict,),
    "after": (object,),
    "if_parent_fails": (str,),
    "tenant": (str,),
    "concurrency_key": (str,),
    "concurrency_limit": (int,),
    "limit_key": (str,),
}
OPEN_SECONDS = 30.0
QUEUE_MAX_LENGTH = 64


class LimitRule(NamedTuple):
    """What LIMITS says of a key: `rate` starts a second, `burst` at once; `failures` in a row open its breaker."""

    rate: float | None
    burst: float | None
    failures: int | None
    open_seconds: float


def problems(name: str, table: Mapping[Any, Any]) -> list[str]:
    """What is wrong with one of these settings, one sentence a problem."""
    found = []
    for key, said in table.items():
        where = f"DOCQUEUE[{name!r}][{key!r}]"
        if not isinstance(key, str) or not key or not isinstance(said, Mapping):
            found.append(f"{where} must be a dict, under a name.")
        elif name == "TEMPLATES":
            found += _misfits(where, said, TEMPLATE)
            found += [] if said.get("operation") else [f"{where} names no operation."]
        elif name in TABLES:
            wrong = _misfits(where, said, TABLES[name])
            found += wrong or (_useless(where, said) if name == "LIMITS" else _out_of_range(where, said))
    return found


def _misfits(where: str, said: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> list[str]:
    found = [f"{where} has no {key!r}: only {', '.join(kinds)}.{meant(key, kinds)}" for key in said if key not in kinds]
    for key, types in kinds.items():
        value = said.get(key)
        if value is not None and (not isinstance(value, types) or isinstance(value, bool)):
            found.append(f"{where}[{key!r}] must be {types[-1].__name__}, not {type(value).__name__}.")
    return found


def _out_of_range(where: str, said: Mapping[str, Any]) -> list[str]:
    found = []
    if said.get("queue") is not None and not 0 < len(said["queue"]) <= QUEUE_MAX_LENGTH:
        found.append(f"{where}['queue']: a queue's name is a string of 1 to {QUEUE_MAX_LENGTH} characters.")
    if said.get("priority") is not None and not -100 <= said["priority"] <= 100:
        found.append(f"{where}['priority'] must be a whole number from -100 to 100.")
    return found


def _useless(where: str, said: Mapping[str, Any]) -> list[str]:
    found = []
    if said.get("rate") is None and said.get("failures") is None:
        found.append(f"{where} limits nothing: give it a rate, failures, or both.")
    if said.get("burst") is not None and said["burst"] < 1:
        found.append(f"{where}['burst'] must be at least 1: nothing could ever start.")
    found += [
        f"{where}[{key!r}] must be greater than 0."
        for key, n in said.items()
        if n is not None and key != "burst" and n <= 0
    ]
    return found


def meant(name: object, known: Iterable[str]) -> str:
    """The one of the known names that comes nearest, as a question; empty when none comes near."""
    lowered = {one.lower(): one for one in known}
    close = difflib.get_close_matches(str(name).lower(), lowered, n=1)
    return f" Did you mean {lowered[close[0]]!r}?" if close else ""


def idle(table: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> list[str]:
    """The patterns of a table that fit none of these names."""
    known = list(names)
    return [pattern for pattern in table if not any(name == pattern or fnmatchcase(name, pattern) for name in known)]


def find(table: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """What the first pattern says that fits `name` (`*` stands for anything); nothing when none does."""
    if name in table:
        return table[name]
    return next((said for pattern, said in table.items() if fnmatchcase(name, pattern)), {})


def limit(table: Mapping[str, Mapping[str, Any]], key: str) -> LimitRule | None:
    """The limit under this key, with what LIMITS leaves out filled in; None when it says nothing of it."""
    said = find(table, key)
    if not said:
        return None
    rate = said.get("rate")
    burst = said.get("burst", None if rate is None else max(1.0, float(rate)))
    return LimitRule(
        rate=None if rate is None else float(rate),
        burst=None if burst is None else float(burst),
        failures=said.get("failures"),
        open_seconds=float(said.get("open_seconds") or OPEN_SECONDS),
    )
