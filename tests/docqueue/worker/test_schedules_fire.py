"""Five real workers, two of them killed, at schedules that tick every second: each tick once, none left out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from docqueue.models import AnyItem, Schedule, ScheduleTick
from docqueue.service import DocumentQueueService
from tests.docqueue.helpers import until
from tests.docqueue.worker.processes import Manage

NAMES = ("a", "b", "c")
LIVING = 10  # ticks that are waited for, of each schedule


def ticks() -> int:
    """Of the schedule that has the fewest."""
    ids = Schedule.objects.filter(name__in=NAMES).values_list("id", flat=True)
    return min(ScheduleTick.objects.filter(schedule_id=one).count() for one in ids)


@pytest.mark.slow
def test_five_workers_two_of_them_killed_fire_each_tick_once(manage: Manage, service: DocumentQueueService) -> None:
    for name in NAMES:
        service.add_schedule(name, "test.noop", seconds=1, missed="all")
    workers = [manage.worker("--processes", 1) for _ in range(5)]
    until(lambda: ticks() >= LIVING // 2, 60)
    for worker in workers[:2]:
        worker.kill()
    before = ticks()
    until(lambda: ticks() >= before + LIVING, 60)
    for worker in workers[2:]:
        worker.signal(15)
    for worker in workers[2:]:
        assert worker.wait() == 0
    for schedule in Schedule.objects.filter(name__in=NAMES):
        fired = list(ScheduleTick.objects.filter(schedule_id=schedule.id).order_by("tick_at"))
        wanted = [schedule.created_at + timedelta(seconds=n) for n in range(1, len(fired) + 1)]
        assert [one.tick_at for one in fired] == wanted, "none twice, none left out"
        made = AnyItem.objects.filter(metadata__schedule=schedule.name)
        assert sorted(one.item_id or 0 for one in fired) == sorted(made.values_list("id", flat=True))
        assert {item.metadata["tick_at"] for item in made} == {one.isoformat() for one in wanted}
