"""Fixtures of the queue's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from docqueue import handlers
from docqueue.handlers import Handler, HandlerFunction
from docqueue.retry import RetryPolicy
from docqueue.service import DocumentQueueService


@pytest.fixture
def service() -> DocumentQueueService:
    """The service on the default database."""
    return DocumentQueueService()


@pytest.fixture
def registry() -> Iterator[dict[str, Handler]]:
    """The registry of handlers, put back as it was at the end."""
    known, hooks, ruled = dict(handlers._registry), dict(handlers._dead_hooks), set(handlers.ruled)
    yield handlers._registry
    handlers.ruled.clear()
    handlers.ruled.update(ruled)
    for mapping, before in ((handlers._registry, known), (handlers._dead_hooks, hooks)):
        mapping.clear()
        mapping.update(before)


def noop(ctx: object) -> None:
    """A handler that does nothing."""


@pytest.fixture
def register(registry: dict[str, Handler]) -> Register:
    """Register a handler that does nothing, with options, until the test ends."""
    return Register()


class Register:
    """`register("name", retry=…)`."""

    def __call__(self, operation: str, *, retry: RetryPolicy | None = None, **options: object) -> HandlerFunction:
        return handlers.handler(operation, retry=retry, **options)(noop)  # type: ignore[arg-type]
