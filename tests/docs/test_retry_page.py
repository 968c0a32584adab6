"""The policies of docs/how-to/retry.md, run as they stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from docqueue import handlers, testing
from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService


@pytest.fixture
def page(root: Path) -> Iterator[dict[str, Any]]:
    """What the page's blocks define; its handlers are registered."""
    known = dict(handlers._registry)
    names: dict[str, Any] = {}
    for block in re.findall(
        r"^```python\n(.*?)^```", (root / "docs/how-to/retry.md").read_text(), re.MULTILINE | re.DOTALL
    ):
        exec(block, names)
    yield names
    handlers._registry.clear()
    handlers._registry.update(known)


def waits(item_id: int) -> float:
    """Run the item; for how long it waits then."""
    item = QueueItem.objects.get(id=item_id)
    testing.run_one(item)
    after = QueueItem.objects.get(id=item_id)
    assert (after.status, after.wait_reason) == ("waiting", "retry")
    assert after.next_retry_at is not None
    return (after.next_retry_at - after.claimed_at).total_seconds()


@pytest.mark.django_db
def test_the_pages_own_policy_decides(page: dict[str, Any]) -> None:
    service = DocumentQueueService()
    item = service.enqueue(None, "cache.fill").id
    found = []
    for _ in range(4):
        found.append(waits(item))
        service.requeue(item)
    assert max(found[:2]) < 5, "at once"
    assert max(found[2:]) > 5, "within an hour"
    assert max(found) <= 3600 + 5


@pytest.mark.django_db
def test_what_the_server_says_comes_first(page: dict[str, Any]) -> None:
    page["ask"] = lambda: SimpleNamespace(status=429, headers={"Retry-After": "120"})
    assert waits(DocumentQueueService().enqueue(None, "km.put").id) == pytest.approx(120, abs=5)


@pytest.mark.parametrize(("operation", "attempt", "most"), [("letter.send", 1, 60), ("letter.send", 20, 6 * 3600)])
def test_the_pages_exponential_policy_is_bounded(
    page: dict[str, Any], operation: str, attempt: int, most: float
) -> None:
    delays = [handlers.get(operation).policy.delay_seconds(attempt) for _ in range(200)]
    assert most / 2 < max(delays) <= most


def test_the_pages_fixed_policy(page: dict[str, Any]) -> None:
    assert {handlers.get("feed.read").policy.delay_seconds(n) for n in (1, 99)} == {30}
