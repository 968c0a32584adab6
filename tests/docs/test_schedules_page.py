"""The schedules of docs/how-to/schedules.md, run as they stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from docqueue import handlers, schedules, testing
from docqueue.maintenance import schedule
from docqueue.models import AuditEntry, HistoryItem, Schedule, ScheduleTick
from docqueue.service import DocumentQueueService

FRIDAY = datetime(2026, 3, 6, 12, 0, tzinfo=UTC)


@pytest.fixture
def blocks(root: Path) -> Iterator[list[str]]:
    """The page's blocks; the registries are put back as they were."""
    registries = [(one, dict(one)) for one in (handlers._registry, schedules._registry)]
    schedules._registry.clear()
    text = (root / "docs/how-to/schedules.md").read_text()
    yield re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for registry, before in registries:
        registry.clear()
        registry.update(before)


@pytest.mark.django_db
def test_the_pages_schedules_tick_and_their_handlers_find_their_tick(blocks: list[str]) -> None:
    exec(blocks[0], {})
    rounds = schedule.Rounds()
    rounds.run("default", FRIDAY)
    saturday = datetime(2026, 3, 7, 1, 30, tzinfo=UTC)
    assert Schedule.objects.get(name="daily report").next_at == saturday
    rounds.run("default", saturday)
    assert [one.tick_at for one in ScheduleTick.objects.all()] == [saturday] * 2
    testing.drain(now=saturday)
    found = HistoryItem.objects.get(operation="report.daily")
    assert found.payload == {"kind": "daily"}
    assert found.result == {"for": saturday.isoformat()}


@pytest.mark.django_db
def test_the_pages_schedules_can_be_run_by_hand(blocks: list[str]) -> None:
    exec(blocks[0], {})
    schedule.Rounds().run("default", FRIDAY)
    DocumentQueueService().run_now("daily report", now=FRIDAY)
    testing.drain(now=FRIDAY)
    assert HistoryItem.objects.get(operation="report.daily").result == {"for": FRIDAY.isoformat()}


@pytest.mark.django_db
def test_the_pages_verbs_do_what_they_say(blocks: list[str]) -> None:
    exec(blocks[0], {})
    exec(blocks[1], {})
    done = AuditEntry.objects.order_by("id").values_list("action", flat=True)
    assert list(done) == ["add_schedule", "pause_schedule", "run_now", "resume_schedule", "remove_schedule"]
    assert DocumentQueueService().get_queue_stats().queues
