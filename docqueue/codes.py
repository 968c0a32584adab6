"""Every error code that a caller may meet, with what it means and what to do next: the queue's, and those of apps.

An app adds its own in its AppConfig's `ready`: `codes.register("my app", my_error_classes)`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import NamedTuple

from docqueue import exceptions

QUEUE = "docqueue"


class Code(NamedTuple):
    """An error: `source` is its app; `status` that of the HTTP answer, where it refuses a request."""

    code: str
    source: str
    name: str
    status: int
    retryable: bool
    meaning: str
    hint: str


Classes = Callable[[], Iterable[type[Exception]]]
_registry: dict[str, Classes] = {}


def register(source: str, classes: Classes) -> None:
    """Have the errors that `classes()` gives known, under the name of an app. They have `code`, `status` and `hint`."""
    _registry[source] = classes


def known() -> list[Code]:
    """Every code once, by app and code; the queue's first."""
    return [code for source, classes in _registry.items() for code in of(source, classes())]


def of(source: str, classes: Iterable[type[Exception]]) -> list[Code]:
    """The codes of these classes, each once: where several share one, that of the class that comes first."""
    found: dict[str, Code] = {}
    for kind in classes:
        code = str(getattr(kind, "code", ""))
        meaning = (kind.__doc__ or code).strip().splitlines()[0]
        about = (int(getattr(kind, "status", 500)), bool(getattr(kind, "retryable", False)), meaning)
        found.setdefault(code, Code(code, source, kind.__name__, *about, str(getattr(kind, "hint", ""))))
    return [found[code] for code in sorted(found)]


def own() -> list[type[Exception]]:
    """The queue's own error classes, by name."""
    members = [kind for _, kind in inspect.getmembers(exceptions, inspect.isclass)]
    return [kind for kind in members if issubclass(kind, exceptions.DocqueueError)]


register(QUEUE, own)
