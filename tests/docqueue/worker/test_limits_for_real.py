"""Rate limits, breakers and shares with real workers: what starts is what the handlers themselves write down."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from docqueue.conf import overridden
from docqueue.models import HistoryItem, Limit, QueueItem
from docqueue.rules import Rules
from docqueue.service import DocumentQueueService, NewItem
from tests.docqueue.helpers import until
from tests.docqueue.worker.processes import Manage, completed, marks

pytestmark = pytest.mark.django_db(transaction=True)

LIMITS = {"slow": {"rate": 20, "burst": 10}, "km": {"failures": 3, "open_seconds": 2}}
SETTINGS = {"DOCQUEUE_LIMITS": json.dumps(LIMITS)}


def fill(service: DocumentQueueService, count: int, file: Path) -> None:
    with overridden(LIMITS=LIMITS):
        rules = Rules(limit_key="slow")
        service.enqueue_many(
            [NewItem(operation="test.mark", payload={"file": str(file)}, rules=rules) for _ in range(count)]
        )


def starts(file: Path) -> list[float]:
    """When handlers began, as they wrote it down."""
    return sorted(float(line[3]) for line in marks(file) if line[1] != "end")


def fullest(times: list[float], rate: float, burst: float) -> float:
    """By how many starts the fullest window is over the bound."""
    worst, level = 0.0, 0.0
    for before, after in pairwise([times[0], *times]):
        level = max(0.0, level - rate * (after - before)) + 1
        worst = max(worst, level)
    return worst - burst


def test_a_limited_item_starts_as_soon_as_its_limit_allows_beside_others(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    """A worker that is busy with other items starts the limited ones all the same, at the rate that they may have."""
    file = tmp_path / "marks"
    fill(service, 40, file)
    service.enqueue_many([NewItem(operation="test.sleep", payload={"seconds": 0.01}) for _ in range(1500)])
    manage.worker("--processes", 2, **SETTINGS)
    until(lambda: len(starts(file)) == 40, 30)
    assert QueueItem.objects.filter(operation="test.sleep").exists(), "the others are still at it"
    times = starts(file)
    assert times[-1] - times[0] < 5, "30 beyond the burst, at 20 a second"
    assert fullest(times, 20, 10) <= 5


def test_an_open_breaker_stops_real_workers_and_its_probe_starts_them_again(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    file = tmp_path / "down"
    file.touch()
    with overridden(LIMITS=LIMITS):
        for _ in range(6):
            service.enqueue(None, "test.while_there", payload={"file": str(file)}, limit_key="km")
    manage.worker("--processes", 2, **SETTINGS)
    until(lambda: Limit.objects.filter(key="km", opened_at__isnull=False).exists())
    file.unlink()
    until(lambda: completed() == 6, 20)
    assert Limit.objects.get(key="km").opened_at is None
    assert max(HistoryItem.objects.values_list("attempt", flat=True)) <= 3, "what waited spent no attempts"


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_ten_real_workers_hold_the_bound_for_a_minute(
    manage: Manage, service: DocumentQueueService, tmp_path: Path
) -> None:
    """By their claims, exactly; by the handlers' own clocks within what lies between a claim and its start."""
    file = tmp_path / "marks"
    fill(service, 20 * 75, file)
    for _ in range(10):
        manage.worker("--processes", 1, **SETTINGS)
    until(lambda: len(starts(file)) > 0, 60)
    began = starts(file)[0]
    until(lambda: starts(file)[-1] - began > 62, 90)
    times = starts(file)
    claims = sorted(moment.timestamp() for moment in HistoryItem.objects.values_list("claimed_at", flat=True))
    assert fullest(claims, 20, 10) <= 0.01
    assert fullest(times, 20, 10) <= 10, "what was claimed and began late is half a second's worth at most"
    assert len(times) >= 0.9 * 20 * 62, "and the rate is made use of"
