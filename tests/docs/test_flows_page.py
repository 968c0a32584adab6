"""The flows of docs/how-to/flows.md, run as they stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docqueue import handlers, testing
from docqueue.models import AnyItem, QueueItem
from docqueue.service import DocumentQueueService

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(root: Path) -> Iterator[dict[str, Any]]:
    """What the page's blocks define; its handlers are registered."""
    known = dict(handlers._registry)
    names: dict[str, Any] = {}
    for block in re.findall(
        r"^```python\n(.*?)^```", (root / "docs/how-to/flows.md").read_text(), re.MULTILINE | re.DOTALL
    ):
        exec(block, names)
    yield names
    handlers._registry.clear()
    handlers._registry.update(known)


def results(ids: list[int]) -> list[Any]:
    found = {item.id: item.result for item in AnyItem.objects.filter(id__in=ids, status="completed")}
    return [found[item_id] for item_id in ids]


def test_the_pages_chain(page: dict[str, Any]) -> None:
    ids = page["one_after_the_other"]()
    testing.drain()
    assert results(ids) == [{"pages": 1}, "page 0", "page 0"]


def test_the_pages_graph(page: dict[str, Any]) -> None:
    ids = page["a_book"](3)
    testing.drain()
    assert results(ids) == [{"pages": 3}, "page 0", "page 1", "page 2", "page 0 + page 1 + page 2"]


def test_a_chain_of_the_page_ends_with_the_one_that_fails(page: dict[str, Any]) -> None:
    service = DocumentQueueService()
    ids = page["one_after_the_other"]()
    service.cancel(ids[0])
    testing.drain()
    found = AnyItem.objects.filter(id__in=ids).order_by("id")
    assert [(item.status, item.error_code) for item in found] == [
        ("cancelled", None),
        ("cancelled", "parent_failed"),
        ("cancelled", "parent_failed"),
    ]


@pytest.mark.parametrize(("lost", "operation", "result"), [(0, "shelf.done", 2), (1, "shelf.look", 1)])
def test_the_pages_batch(page: dict[str, Any], lost: int, operation: str, result: int) -> None:
    service = DocumentQueueService()
    batch = page["a_shelf"]([1, 2])
    for item in QueueItem.objects.filter(batch_id=batch)[:lost]:
        service.cancel(item)
    testing.drain()
    (last,) = AnyItem.objects.filter(id=service.batch_status(batch).callback_id or 0)
    assert (last.operation, last.result) == (operation, result)
