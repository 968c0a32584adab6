"""Schedules: a process that dies at a tick leaves its row and its item, or neither."""

from __future__ import annotations

from docqueue import schedules, scheduling
from docqueue.maintenance import schedule
from docqueue.models import Schedule
from docqueue.schedules import Plan
from docqueue.service import DocumentQueueService
from tests.docqueue.crash_points.scenes import scene
from tests.docqueue.crash_points.stages import nothing
from tests.docqueue.helpers import OPERATION, T0, later

PLAN = Plan(name="c", operation=OPERATION, interval_seconds=60)


def scheduled(service: DocumentQueueService) -> None:
    """Two schedules that were made in the admin, one of them paused, and one that has left the code."""
    for name in ("a", "b"):
        service.add_schedule(name, OPERATION, seconds=60, now=T0)
    service.pause_schedule("b", now=T0)
    scheduling.put("default", PLAN, scheduling.CODE, T0)


def without_code() -> None:
    """The doomed process has loaded the handlers of the tests, and their schedules if there are any."""
    schedules._registry.clear()


@scene(nothing, "commit")
def add_schedule(service: DocumentQueueService, given: None) -> None:
    service.add_schedule("a", OPERATION, seconds=60, by="me", now=T0)


@scene(scheduled, "retire_schedules commit")
def fire_a_tick(service: DocumentQueueService, given: None) -> None:
    without_code()
    schedule.Rounds().run("default", later(60))


def refused(service: DocumentQueueService) -> None:
    """The same with one more, of which nothing can be enqueued."""
    scheduled(service)
    service.add_schedule("r", OPERATION, seconds=60, now=T0)
    Schedule.objects.filter(name="r").update(options={"priority": 1000})


@scene(refused, "retire_schedules commit note_schedule_error")
def fail_at_a_tick(service: DocumentQueueService, given: None) -> None:
    without_code()
    schedule.Rounds().run("default", later(60))


@scene(scheduled, "put_schedule commit commit")
def fire_ticks_of_the_code(service: DocumentQueueService, given: None) -> None:
    without_code()
    schedules.every("c", OPERATION, seconds=30)
    rounds = schedule.Rounds()
    rounds.run("default", later(60))
    rounds.run("default", later(90))


@scene(scheduled, "commit commit commit commit")
def what_people_do_to_schedules(service: DocumentQueueService, given: None) -> None:
    service.pause_schedule("a", by="me", reason="why", now=T0)
    service.resume_schedule("b", by="me", now=T0)
    service.run_now("a", by="me", now=T0)
    service.remove_schedule("a", by="me", now=T0)
