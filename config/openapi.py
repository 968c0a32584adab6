"""What the OpenAPI document needs beyond what drf-spectacular finds by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Endpoint = tuple[str, str, str, Callable[..., Any]]


def with_heads(endpoints: list[Endpoint], **_options: Any) -> list[Endpoint]:
    """The endpoints, with HEAD where a view answers it with a method of its own and not with that of GET."""
    seen: set[str] = set()
    heads: list[Endpoint] = []
    for path, regex, _method, callback in endpoints:
        view = getattr(callback, "cls", None)
        if path not in seen and hasattr(view, "head") and not hasattr(view, "get"):
            seen.add(path)
            heads.append((path, regex, "HEAD", callback))
    return [*endpoints, *heads]
