"""Schedules: each tick fires once, whoever is at it; missed ticks, pauses, schedules in code, broken ones."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from docqueue import events, handlers, schedules, scheduling, store
from docqueue.chaos.proxy import Proxy
from docqueue.exceptions import (
    ConfigurationError,
    InvalidOption,
    InvalidSchedule,
    ScheduleNotFound,
    UnknownOperation,
)
from docqueue.maintenance import prune, schedule
from docqueue.models import AuditEntry, QueueItem, Schedule, ScheduleTick
from docqueue.schedules import every
from docqueue.service import DocumentQueueService
from docqueue.worker.once import process_document_queue
from tests.docqueue.helpers import OPERATION, T0, in_threads, later, rows, somebody_else, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def plans() -> Iterator[dict[str, schedules.Plan]]:
    """The registry of schedules in code, empty and put back as it was at the end."""
    known = dict(schedules._registry)
    schedules._registry.clear()
    yield schedules._registry
    schedules._registry.clear()
    schedules._registry.update(known)


@pytest.fixture
def troubles() -> Iterator[list[str]]:
    """What was reported as failed."""
    heard: list[str] = []

    def listen(event: events.Event) -> None:
        if event.name is events.EventName.DUTY_FAILED:
            heard.append(event.fields["error"])

    events.subscribe(listen)
    yield heard
    events.unsubscribe(listen)


def run(now: datetime) -> int:
    return schedule.Rounds().run("default", now)


def fired(name: str = "s") -> list[datetime]:
    """The ticks of which there is an item, in the order of the items."""
    found = QueueItem.objects.filter(metadata__schedule=name).order_by("id").values_list("metadata__tick_at", flat=True)
    return [datetime.fromisoformat(one) for one in found]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hours(first: str, count: int, step: int = 1) -> list[datetime]:
    return [at(first) + timedelta(hours=n * step) for n in range(count)]


# By zone: from when on for 48 hours; of each expression, the ticks that are expected, written down by hand in UTC.
CHANGES = {
    "Berlin, forward": (
        "Europe/Berlin",
        "2026-03-28 20:00",
        {
            "30 2 * * *": [at("2026-03-29 01:00"), at("2026-03-30 00:30")],
            "0 * * * *": hours("2026-03-28 21:00", 48),
            "*/30 2 * * *": [at("2026-03-30 00:00"), at("2026-03-30 00:30")],
        },
    ),
    "Berlin, back": (
        "Europe/Berlin",
        "2026-10-24 20:00",
        {
            "30 2 * * *": [at("2026-10-25 00:30"), at("2026-10-26 01:30")],
            "0 * * * *": hours("2026-10-24 21:00", 48),
            "*/30 2 * * *": [
                *(at(f"2026-10-25 {time}") for time in ("00:00", "00:30", "01:00", "01:30")),
                *(at(f"2026-10-26 {time}") for time in ("01:00", "01:30")),
            ],
        },
    ),
    "New York, forward": (
        "America/New_York",
        "2026-03-08 00:00",
        {
            "30 2 * * *": [at("2026-03-08 07:00"), at("2026-03-09 06:30")],
            "0 * * * *": hours("2026-03-08 01:00", 48),
            "*/30 2 * * *": [at("2026-03-09 06:00"), at("2026-03-09 06:30")],
        },
    ),
    "New York, back": (
        "America/New_York",
        "2026-11-01 00:00",
        {
            "30 1 * * *": [at("2026-11-01 05:30"), at("2026-11-02 06:30")],
            "0 * * * *": hours("2026-11-01 01:00", 48),
            "*/30 1 * * *": [
                *(at(f"2026-11-01 {time}") for time in ("05:00", "05:30", "06:00", "06:30")),
                *(at(f"2026-11-02 {time}") for time in ("06:00", "06:30")),
            ],
        },
    ),
    "Lord Howe, forward by half an hour": (
        "Australia/Lord_Howe",
        "2026-10-03 12:00",
        {
            "15 2 * * *": [at("2026-10-03 15:30"), at("2026-10-04 15:15")],
            "30 2 * * *": [at("2026-10-03 15:30"), at("2026-10-04 15:30")],
            # 2:00 is left out: midnight and 1:00 at half past thirteen and fourteen, then 3:00 at sixteen sharp
            "0 * * * *": [
                *(at(f"2026-10-03 {time}") for time in ("12:30", "13:30", "14:30")),
                *hours("2026-10-03 16:00", 45),
            ],
        },
    ),
    "Lord Howe, back by half an hour": (
        "Australia/Lord_Howe",
        "2026-04-04 12:00",
        {
            "45 1 * * *": [at("2026-04-04 14:45"), at("2026-04-05 15:15")],
            "0 * * * *": [*hours("2026-04-04 13:00", 2), *hours("2026-04-04 15:30", 45)],
            "45 * * * *": [
                *(at(f"2026-04-04 {time}") for time in ("12:45", "13:45", "14:45", "15:15")),
                *hours("2026-04-04 16:15", 44),
            ],
        },
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_five_schedulers_fire_each_tick_once_on_both_days_of_the_change(
    service: DocumentQueueService, change: str
) -> None:
    zone, start, expected = CHANGES[change]
    for cron in expected:
        service.add_schedule(cron, OPERATION, cron=cron, time_zone=zone, missed="all", now=at(start))

    def work(_: int) -> None:
        rounds = schedule.Rounds()
        for quarter in range(1, 48 * 4 + 1):  # five of them, each at its own pace through the two days
            rounds.run("default", at(start) + timedelta(minutes=15 * quarter))

    in_threads(5, work, seconds=110)
    for cron, ticks in expected.items():
        assert sorted(fired(cron)) == ticks, cron
        assert Counter(fired(cron)).most_common(1)[0][1] == 1
    taken = ScheduleTick.objects.values_list("schedule_id", "tick_at", "item_id")
    assert len(taken) == sum(map(len, expected.values())) == QueueItem.objects.count()
    assert {item for _, _, item in taken} == set(QueueItem.objects.values_list("id", flat=True))


def test_ten_at_one_tick_make_one_item(service: DocumentQueueService) -> None:
    service.add_schedule("s", OPERATION, seconds=60, payload={"n": 1}, now=T0)
    assert sum(in_threads(10, lambda n: run(later(60)))) == 1
    assert fired() == [later(60)]
    item = QueueItem.objects.get()
    assert (item.operation, item.payload, item.status) == (OPERATION, {"n": 1}, "pending")
    assert ScheduleTick.objects.get().item_id == item.id
    assert Schedule.objects.get().next_at == later(120)
    assert run(later(119)) == 0


def test_whoever_holds_a_schedule_keeps_nobody_from_the_others(service: DocumentQueueService) -> None:
    for name in ("held", "free"):
        service.add_schedule(name, OPERATION, seconds=60, now=T0)
    with somebody_else() as other:
        other.execute("select 1 from docqueue_schedule where name = 'held' for update")
        assert run(later(60)) == 1
    assert (fired("held"), fired("free")) == ([], [later(60)])
    assert run(later(61)) == 1


def test_a_tick_that_was_taken_before_is_passed_over(service: DocumentQueueService) -> None:
    made = service.add_schedule("s", OPERATION, seconds=60, now=T0)
    ScheduleTick.objects.create(schedule_id=made.id, tick_at=later(60))
    assert run(later(60)) == 1
    assert fired() == []
    assert Schedule.objects.get().next_at == later(120)


AWAY = {"skip": [], "latest": [later(3600)], "all": [later(600 * n) for n in range(1, 7)]}


@pytest.mark.parametrize("missed", AWAY)
def test_after_an_hour_without_a_worker(service: DocumentQueueService, missed: str) -> None:
    service.add_schedule("s", OPERATION, seconds=600, missed=missed, now=T0)
    run(later(3600 + 120))
    assert fired() == AWAY[missed]
    assert Schedule.objects.get().next_at == later(4200)
    run(later(4200))
    assert fired() == [*AWAY[missed], later(4200)]


@pytest.mark.parametrize("missed", AWAY)
def test_a_tick_that_is_late_by_less_than_a_minute_was_not_missed(service: DocumentQueueService, missed: str) -> None:
    service.add_schedule("s", OPERATION, seconds=600, missed=missed, now=T0)
    run(later(659))
    assert fired() == [later(600)]


def test_a_year_without_a_worker_is_made_up_for_by_one_tick_at_once(service: DocumentQueueService) -> None:
    service.add_schedule("s", OPERATION, cron="* * * * *", now=T0)
    run(T0 + timedelta(days=365, seconds=90))
    assert fired() == [T0 + timedelta(days=365), T0 + timedelta(days=365, seconds=60)]


def test_when_each_is_made_up_for_nobody_waits_for_it(service: DocumentQueueService) -> None:
    service.add_schedule("behind", OPERATION, seconds=1, missed="all", now=T0)
    service.add_schedule("z", OPERATION, seconds=3600, now=T0)
    rounds = schedule.Rounds()
    assert rounds.run("default", later(3600)) == schedule.MOST
    assert fired("z") == [later(3600)]
    assert fired("behind") == [later(n) for n in range(1, schedule.MOST)]
    assert rounds.run("default", later(3600)) == schedule.MOST, "the next round goes on with it"


def test_a_paused_schedule_ticks_never_and_goes_on_in_the_future(service: DocumentQueueService) -> None:
    service.add_schedule("s", OPERATION, seconds=60, missed="all", now=T0)
    assert service.pause_schedule("s", by="ann", reason="too much", now=later(30))
    assert not service.pause_schedule("s", by="bob", now=later(31))
    assert run(later(600)) == 0
    paused = service.get_schedule("s")
    assert (paused.paused_at, paused.paused_reason) == (later(30), "too much")
    assert service.resume_schedule("s", by="ann", now=later(630))
    assert not service.resume_schedule("s", now=later(631))
    assert run(later(630)) == 0
    assert run(later(660)) == 1
    assert fired() == [later(660)]
    assert [(one.action, one.actor, one.filter) for one in AuditEntry.objects.order_by("id")][1:] == [
        ("pause_schedule", "ann", {"schedule": "s"}),
        ("resume_schedule", "ann", {"schedule": "s"}),
    ]


def test_run_now_enqueues_at_once_beside_the_ticks(service: DocumentQueueService) -> None:
    service.add_schedule("s", OPERATION, seconds=60, priority=7, tenant="acme", now=T0)
    service.pause_schedule("s", now=T0)
    new = service.run_now("s", by="ann", reason="month's end", now=later(5))
    item = QueueItem.objects.get(id=new.id)
    assert (item.priority, item.tenant) == (7, "acme")
    assert item.metadata == {"schedule": "s", "tick_at": later(5).isoformat()}, "the moment of the call is its tick"
    assert Schedule.objects.get().next_at == later(60)
    said = AuditEntry.objects.get(action="run_now")
    assert (said.item_id, said.actor, said.reason) == (new.id, "ann", "month's end")


def test_under_a_unique_key_a_tick_waits_for_the_item_before(service: DocumentQueueService) -> None:
    service.add_schedule("s", OPERATION, seconds=60, unique_key="one at a time", now=T0)
    run(later(60))
    run(later(120))
    assert QueueItem.objects.count() == 1
    assert set(ScheduleTick.objects.values_list("item_id", flat=True)) == {QueueItem.objects.get().id}


def test_the_next_ticks_are_told(service: DocumentQueueService) -> None:
    made = service.add_schedule("s", OPERATION, cron="30 2 * * *", time_zone="Europe/Berlin", now=T0)
    wanted = [at(f"2026-03-{day} 01:30") for day in ("05", "06", "07", "08", "09")]
    assert service.next_ticks(made, 5, now=T0) == service.next_ticks("s", now=T0) == wanted
    with pytest.raises(ScheduleNotFound):
        service.next_ticks("other")


def test_a_broken_schedule_is_reported_once_and_stops_nobody(
    service: DocumentQueueService, register: Any, troubles: list[str]
) -> None:
    register("test.gone")
    for name, operation in (("a", "test.gone"), ("b", OPERATION), ("c", OPERATION), ("d", OPERATION)):
        service.add_schedule(name, operation, seconds=60, missed="skip", now=T0)
    handlers.forget("test.gone")
    Schedule.objects.filter(name="b").update(options={"priority": 1000})
    Schedule.objects.filter(name="c").update(time_zone="Moon/Sea", interval_seconds=None, cron="x")
    rounds = schedule.Rounds()
    assert rounds.run("default", later(60)) == 1
    assert rounds.run("default", later(61)) == 0
    assert fired("d") == [later(60)]
    assert [text[:2] for text in troubles] == ["a:", "b:", "c:"]
    assert ScheduleTick.objects.count() == 1, "nothing of the others is left"
    register("test.gone")
    assert rounds.run("default", later(90)) == 1, "it stays due until it can be enqueued"
    assert fired("a") == [later(60)]


def test_what_is_run_now_has_a_tick_in_the_form_that_ticks_have(service: DocumentQueueService) -> None:
    service.add_schedule("s", OPERATION, seconds=60, now=T0)
    service.run_now("s", now=later(5).astimezone(timezone(timedelta(hours=9))))
    service.run_now("s")
    run(later(60))
    by_hand, by_the_clock, by_tick = QueueItem.objects.order_by("id").values_list("metadata__tick_at", flat=True)
    assert (by_hand, by_tick) == ("2026-03-04T12:00:05+00:00", "2026-03-04T12:01:00+00:00")
    assert by_the_clock.endswith("+00:00")
    assert abs(datetime.fromisoformat(by_the_clock) - datetime.now(UTC)) < timedelta(minutes=1)


def failing(name: str = "s") -> tuple[str | None, datetime | None]:
    """What is noted on a schedule as its last error, and since when."""
    found = Schedule.objects.get(name=name)
    return found.last_error, found.last_error_at


def test_what_keeps_a_tick_from_being_enqueued_is_noted_until_one_works(service: DocumentQueueService) -> None:
    service.add_schedule("s", OPERATION, seconds=60, now=T0)
    assert failing() == (None, None)
    Schedule.objects.update(options={"priority": 1000})
    assert run(later(60)) == 0
    why, since = failing()
    assert (str(why)[:12], since) == ("priority mus", later(60))
    before = rows("select xmin from docqueue_schedule")
    assert run(later(61)) == 0
    assert rows("select xmin from docqueue_schedule") == before, "what is noted is not written again each second"
    Schedule.objects.update(options={"max_attempts": 0})
    assert run(later(62)) == 0
    assert (str(failing()[0])[:12], failing()[1]) == ("max_attempts", later(62))
    assert not ScheduleTick.objects.exists()
    Schedule.objects.update(options={})
    assert run(later(63)) == 1
    assert failing() == (None, None)


def test_a_tick_that_only_goes_wrong_at_its_time_is_noted_too(service: DocumentQueueService) -> None:
    """Alone its metadata would do; with the name and the tick they are too large."""
    service.add_schedule("s", OPERATION, seconds=60, metadata={"x": "y" * 65_500}, now=T0)
    assert schedules.problem(scheduling.plan_of(service.get_schedule("s"))) == ""
    assert run(later(60)) == 0
    assert "metadata" in str(failing()[0])


def test_an_error_without_words_or_with_what_can_not_be_stored_is_noted(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.add_schedule("s", OPERATION, seconds=60, now=T0)
    for error, noted in ((KeyError(), "KeyError"), (ValueError("a\0b\ud800" + "c" * 600), "a\ufffdb?" + "c" * 496)):

        def refuse(*args: Any, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(schedules, "enqueue", refuse)
        assert run(later(60)) == 0
        assert failing()[0] == noted


def test_ticks_that_are_passed_over_do_not_hide_that_the_last_one_failed(service: DocumentQueueService) -> None:
    service.add_schedule("s", OPERATION, seconds=600, missed="skip", now=T0)
    Schedule.objects.update(options={"priority": 1000})
    run(later(600))
    assert run(later(700)) == 1
    assert Schedule.objects.get().next_at == later(1200)
    assert (failing()[0] or "", failing()[1]) != ("", None)
    assert failing()[1] == later(600)


def test_a_change_of_the_schedule_forgets_what_was_wrong_before(service: DocumentQueueService) -> None:
    service.add_schedule("s", OPERATION, seconds=60, now=T0)
    Schedule.objects.update(options={"priority": 1000})
    run(later(60))
    service.add_schedule("s", OPERATION, seconds=60, priority=5, now=later(61))
    assert failing() == (None, None)


def test_who_failed_at_a_tick_that_another_has_fired_notes_nothing(service: DocumentQueueService) -> None:
    made = service.add_schedule("s", OPERATION, seconds=60, now=T0)
    assert made.next_at == later(60)
    run(later(60))
    before = rows("select * from docqueue_schedule")
    scheduling.note_failure("default", made.id, later(60), ValueError("no"), later(61))
    assert rows("select * from docqueue_schedule") == before
    with somebody_else() as other:
        other.execute("select 1 from docqueue_schedule for update")
        scheduling.note_failure("default", made.id, later(120), ValueError("no"), later(120))
    assert rows("select * from docqueue_schedule") == before, "nor does it wait for whoever is at it"


def test_what_is_no_schedule_is_refused(service: DocumentQueueService) -> None:
    for error, options in [
        (InvalidSchedule, {"cron": "x"}),
        (InvalidSchedule, {"cron": "* * * * *", "time_zone": "Moon/Sea"}),
        (InvalidSchedule, {"seconds": 60, "missed": "most"}),
        (InvalidSchedule, {"seconds": 60, "run_after": "2030-01-01"}),
        (InvalidSchedule, {"seconds": 60, "payload": {"at": T0}}),
        (InvalidSchedule, {"seconds": 60, "payload": {"x": "\0"}}),
        (InvalidOption, {"seconds": 60, "max_attempts": 0}),
    ]:
        with pytest.raises(error):
            service.add_schedule("s", OPERATION, **options)
    with pytest.raises(UnknownOperation):
        service.add_schedule("s", "test.none", seconds=60)
    with pytest.raises(InvalidSchedule, match="name"):
        service.add_schedule("", OPERATION, seconds=60)
    assert not Schedule.objects.exists()


def test_a_schedule_can_be_changed_and_removed(service: DocumentQueueService) -> None:
    service.add_schedule("s", OPERATION, seconds=60, now=T0)
    run(later(60))
    changed = service.add_schedule("s", OPERATION, seconds=60, priority=5, now=later(70))
    assert (changed.next_at, changed.options) == (later(120), {"priority": 5}), "its times are as they were"
    changed = service.add_schedule("s", OPERATION, seconds=600, now=later(80))
    assert (changed.next_at, changed.created_at) == (later(600), T0)
    service.remove_schedule("s", by="ann", now=later(90))
    assert not Schedule.objects.exists()
    assert not ScheduleTick.objects.exists()
    assert QueueItem.objects.count() == 1


def test_schedules_in_code_are_brought_into_the_table(service: DocumentQueueService) -> None:
    every("s", OPERATION, seconds=60, payload={"n": 1}, unique_key="u", unique_for=timedelta(minutes=5))
    rounds = schedule.Rounds()
    assert rounds.run("default", T0) == 0
    found = Schedule.objects.get()
    assert (found.source, found.next_at, found.options["unique_for"]) == ("code", later(60), 300)
    assert rounds.run("default", later(60)) == 1
    before = rows("select xmin from docqueue_schedule")
    schedule.Rounds().run("default", later(61))
    assert rows("select xmin from docqueue_schedule") == before, "what is as it should be is not written again"
    schedules.forget("s")
    every("s", OPERATION, seconds=600)
    assert rounds.run("default", later(120)) == 0, "also in a worker that has been there"
    assert Schedule.objects.get().next_at == later(600)


def test_five_workers_that_start_at_once_bring_in_each_schedule_once(service: DocumentQueueService) -> None:
    for n in range(10):
        every(f"s{n}", OPERATION, seconds=60)
    in_threads(5, lambda n: run(T0))
    assert Schedule.objects.count() == 10
    assert sum(in_threads(5, lambda n: run(later(60)))) == 10


def test_what_left_the_code_is_paused_and_goes_on_when_it_is_back(service: DocumentQueueService) -> None:
    every("s", OPERATION, seconds=60, missed="all")
    run(T0)
    schedules.forget("s")
    assert run(later(300)) == 0
    assert Schedule.objects.get().paused_reason == scheduling.LEFT_CODE
    every("s", OPERATION, seconds=60, missed="all")
    assert run(later(330)) == 0
    assert run(later(360)) == 1
    assert Schedule.objects.get().paused_at is None


def test_what_left_the_code_can_be_removed_and_comes_back_with_the_code(service: DocumentQueueService) -> None:
    every("s", OPERATION, seconds=60)
    run(T0)
    run(later(60))
    schedules.forget("s")
    with pytest.raises(InvalidSchedule, match="in the code"):
        service.remove_schedule("s")
    run(later(90))
    every("s", OPERATION, seconds=60)
    with pytest.raises(InvalidSchedule, match="in the code"):
        service.remove_schedule("s")  # no worker has started with it yet, but here it is back
    schedules.forget("s")
    service.remove_schedule("s", by="ann", reason="gone for good")
    assert not Schedule.objects.exists()
    assert not ScheduleTick.objects.exists()
    assert fired() == [later(60)], "its items stay"
    said = AuditEntry.objects.get(action="remove_schedule")
    assert (said.actor, said.reason) == ("ann", "gone for good")
    every("s", OPERATION, seconds=60)
    run(later(100))
    assert Schedule.objects.get().next_at == later(160)


def test_what_a_person_has_paused_of_the_code_can_not_be_removed(service: DocumentQueueService) -> None:
    every("s", OPERATION, seconds=60)
    run(T0)
    service.pause_schedule("s", reason="mine", now=later(10))
    schedules.forget("s")
    with pytest.raises(InvalidSchedule, match="in the code"):
        service.remove_schedule("s")


def test_what_a_person_has_paused_stays_paused(service: DocumentQueueService) -> None:
    every("s", OPERATION, seconds=60)
    run(T0)
    service.pause_schedule("s", by="ann", reason="mine", now=later(10))
    schedules.forget("s")
    run(later(20))
    every("s", OPERATION, seconds=90)
    run(later(900))
    found = Schedule.objects.get()
    assert (found.paused_reason, found.interval_seconds) == ("mine", 90)
    assert not QueueItem.objects.exists()


def test_a_name_is_the_codes_or_the_admins(service: DocumentQueueService, troubles: list[str]) -> None:
    service.add_schedule("a", OPERATION, seconds=60, now=T0)
    every("a", OPERATION, seconds=1)
    every("c", OPERATION, seconds=60)
    run(T0)
    assert [text[:2] for text in troubles] == ["a:"]
    assert Schedule.objects.get(name="a").interval_seconds == 60
    with pytest.raises(InvalidSchedule, match="code"):
        service.add_schedule("c", OPERATION, seconds=5)
    with pytest.raises(InvalidSchedule, match="code"):
        service.remove_schedule("c")
    assert Schedule.objects.get(name="c").interval_seconds == 60


def test_two_schedules_of_one_name_in_code_are_refused() -> None:
    every("s", OPERATION, seconds=60)
    every("s", OPERATION, seconds=60)
    with pytest.raises(ConfigurationError, match="'s'"):
        every("s", OPERATION, seconds=61)
    with pytest.raises(InvalidSchedule):
        every("t", OPERATION, cron="x")


def test_a_run_by_cron_fires_ticks_too(service: DocumentQueueService) -> None:
    service.add_schedule("s", "docqueue.selftest", seconds=1, missed="latest", now=T0)
    assert process_document_queue().completed >= 1


def test_old_ticks_are_removed_but_for_the_newest_of_each_schedule(service: DocumentQueueService) -> None:
    made = [service.add_schedule(name, OPERATION, seconds=60, now=T0).id for name in ("old", "new")]
    for schedule_id, days in ((made[0], (0, 1, 2)), (made[1], (0, 4000))):
        for day in days:
            ScheduleTick.objects.create(schedule_id=schedule_id, tick_at=later(days=day))
    prune.run("default", later(days=4000))
    left = set(ScheduleTick.objects.values_list("schedule_id", "tick_at"))
    assert left == {(made[0], later(days=2)), (made[1], later(days=4000))}


def test_what_is_due_is_found_by_the_index_of_what_is_due(service: DocumentQueueService) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into docqueue_schedule (name, operation, cron, time_zone, options, missed, source, paused_reason,"
            " interval_seconds, next_at, paused_at) select n::text, 'test.noop', '', 'UTC', '{}', 'all', 'admin', '',"
            " 60, %s::timestamptz + make_interval(secs => n), case when n %% 2 = 0 then now() end"
            " from generate_series(1, 20000) n",
            [T0],
        )
        cursor.execute("analyze docqueue_schedule")
        params = {"now": later(10), "after": None, "after_id": 0, "limit": 1000}
        cursor.execute("explain (analyze, buffers, format json) " + store.sql("due_schedules"), params)
        found = cursor.fetchone()[0]
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    assert "docqueue_schedule_due" in json.dumps(plan)
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 20
    assert plan["Actual Rows"] == 5


def test_one_page_of_schedules_comes_after_the_other(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "SLICE", 2)
    for n in range(7):
        service.add_schedule(f"s{n}", OPERATION, seconds=60, now=T0)
    Schedule.objects.filter(name__in=["s0", "s1", "s2"]).update(operation="test.none")
    assert run(later(60)) == 4


def test_no_session_state_is_left_for_the_next_client_of_a_pooler(service: DocumentQueueService) -> None:
    service.add_schedule("s", OPERATION, seconds=60, now=T0)
    connections["default"].ensure_connection()
    asked = """
        select (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory') as locks,
            (select count(*) from pg_prepared_statements) as prepared, current_setting('lock_timeout') as patience"""
    before = rows(asked)
    assert run(later(60)) == 1
    assert rows(asked) == before
    assert before[0]["locks"] == 0


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def pooled() -> Iterator[None]:
    """Connections lead through PgBouncer in transaction mode, with two server connections for all."""
    program, where = shutil.which("pgbouncer"), connection.get_connection_params()
    if program is None:
        pytest.skip("PgBouncer is not installed")
    proxy = Proxy(where)  # the account that PgBouncer runs as may not reach the server's socket
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        config = Path(folder, "pgbouncer.ini")
        who = {name: where[name] for name in ("dbname", "user", "password") if where.get(name)}
        to = " ".join(f"{k}={v}" for k, v in {"host": "127.0.0.1", "port": proxy.port, **who}.items())
        config.write_text(
            f"[databases]\n{where['dbname']} = {to}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
            "unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
            "ignore_startup_parameters = extra_float_digits,options\n"
        )
        config.chmod(0o644)
        Path(folder).chmod(0o755)
        command = [program, *(["-u", "nobody"] if os.getuid() == 0 else []), str(config)]
        bouncer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ours = connection.settings_dict
        before = {name: ours.get(name) for name in ("HOST", "PORT")}
        try:
            until(lambda: answers(port))
            connection.close()
            ours.update(HOST="127.0.0.1", PORT=port)
            yield
        finally:
            connection.close()
            ours.update(before)
            bouncer.terminate()
            bouncer.wait(10)
            proxy.cut()


def test_five_schedulers_behind_a_pooler_fire_each_tick_once(service: DocumentQueueService, pooled: None) -> None:
    for name in ("a", "b"):
        service.add_schedule(name, OPERATION, cron="*/5 * * * *", missed="all", now=T0)

    def work(_: int) -> bool:
        rounds = schedule.Rounds()
        for n in range(1, 13):
            rounds.run("default", later(minutes=5 * n))
        return store.direct("default")

    assert in_threads(5, work) == [False] * 5, "they did go through the pooler"
    for name in ("a", "b"):
        assert sorted(fired(name)) == [later(minutes=5 * n) for n in range(1, 13)]
