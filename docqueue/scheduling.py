"""The part of the service that has items enqueued again and again: schedules, and their ticks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from docqueue import outcomes, schedules, store
from docqueue.enqueuing import Enqueued
from docqueue.exceptions import InvalidSchedule, ScheduleNotFound
from docqueue.models import Schedule
from docqueue.schedules import Plan

GRACE = timedelta(seconds=60)
"""A tick that is late by less was not missed."""
LEFT_CODE = "It is not in the code any more."
ERROR_MAX = 500
ADMIN, CODE = Schedule.Source.ADMIN, Schedule.Source.CODE


class Scheduling:
    """Verbs on schedules. A schedule is named by its name, or given as it was read."""

    using: str

    def add_schedule(
        self,
        name: str,
        operation: str,
        *,
        cron: str = "",
        seconds: float | None = None,
        time_zone: str = "UTC",
        missed: str = "latest",
        by: str = "",
        reason: str = "",
        now: datetime | None = None,
        **options: Any,
    ) -> Schedule:
        """Add a schedule, or change the one of this name; see `docqueue.schedules.every`.

        Its first tick is the first after now. Raises `InvalidSchedule`, also for the name of one that is in the code,
        and the `InvalidItem` of options that an enqueue would refuse.
        """
        plan = schedules.checked(
            Plan(
                name=name,
                operation=operation,
                cron=cron,
                interval_seconds=seconds,
                time_zone=time_zone,
                missed=missed,
                options=options,
            )
        )
        schedules.item(operation, options)
        with store.atomic(self.using):
            put(self.using, plan, ADMIN, now)
            found = self.get_schedule(name)
            if found.source != ADMIN:
                raise InvalidSchedule(f"The schedule {name!r} is in the code.", hint="Change it there.")
            self._note("add_schedule", name, None, by, reason, now)
        return found

    def get_schedule(self, schedule: Schedule | str) -> Schedule:
        """The schedule as it is now. Raises `ScheduleNotFound`."""
        name = _name(schedule)
        found = Schedule.objects.using(self.using).filter(name=name).first()
        if found is None:
            raise ScheduleNotFound(f"There is no schedule {name!r}.")
        return found

    def pause_schedule(
        self, schedule: Schedule | str, *, by: str = "", reason: str = "", now: datetime | None = None
    ) -> bool:
        """No ticks until it is resumed; nobody makes up for them. False: it was paused. Raises `ScheduleNotFound`."""
        name = self.get_schedule(schedule).name
        with store.atomic(self.using):
            why = outcomes.clean(reason)[:500]
            done = store.count(self.using, "pause_schedule", {"name": name, "reason": why, "now": now})
            if done:
                self._note("pause_schedule", name, None, by, reason, now)
        return bool(done)

    def resume_schedule(
        self, schedule: Schedule | str, *, by: str = "", reason: str = "", now: datetime | None = None
    ) -> bool:
        """Go on with the first tick after now. False: it was not paused. Raises `ScheduleNotFound`."""
        name = _name(schedule)
        with store.atomic(self.using):
            found = self.get_schedule(name)
            following = plan_of(found).times(found.created_at).after(now or store.clock(self.using))
            done = store.count(self.using, "resume_schedule", {"name": name, "next_at": following})
            if done:
                self._note("resume_schedule", name, None, by, reason, now)
        return bool(done)

    def run_now(
        self, schedule: Schedule | str, *, by: str = "", reason: str = "", now: datetime | None = None
    ) -> Enqueued:
        """Enqueue what it enqueues, beside its ticks, also while it is paused.

        Its `tick_at` is the moment of this call. Raises `ScheduleNotFound`, and the `InvalidItem` that says why it can
        not be enqueued.
        """
        found = self.get_schedule(schedule)
        with store.atomic(self.using):
            tick_at = (now or store.clock(self.using)).astimezone(UTC)  # as the ticks have it
            new = schedules.enqueue(self.using, found.name, plan_of(found), tick_at, now)
            self._note("run_now", found.name, new.id, by, reason, now)
        return new

    def remove_schedule(
        self, schedule: Schedule | str, *, by: str = "", reason: str = "", now: datetime | None = None
    ) -> None:
        """Remove it; the items that it has enqueued stay. One of the code must have left it and be paused for that.

        Raises `ScheduleNotFound`, and `InvalidSchedule` for one that is in the code.
        """
        name = self.get_schedule(schedule).name
        with store.atomic(self.using):
            left_code = None if name in schedules.registered() else LEFT_CODE
            if not store.run(self.using, "remove_schedule", {"name": name, "left_code": left_code}):
                raise InvalidSchedule(
                    f"The schedule {name!r} is in the code.",
                    hint="Remove it there; once a worker has started without it, it can be removed here. "
                    "Until then it can be paused.",
                )
            self._note("remove_schedule", name, None, by, reason, now)

    def next_ticks(self, schedule: Schedule | str, count: int = 5, *, now: datetime | None = None) -> list[datetime]:
        """Its next ticks after now, in UTC; as if it were not paused, if it is. Raises `ScheduleNotFound`."""
        found = schedule if isinstance(schedule, Schedule) else self.get_schedule(schedule)
        return plan_of(found).times(found.created_at).upcoming(now or store.clock(self.using), count)

    def _note(self, action: str, name: str, item_id: int | None, by: str, reason: str, now: datetime | None) -> None:
        said = {"actor": outcomes.clean(by)[:255], "reason": outcomes.clean(reason)[:1000], "action": action}
        about = json.dumps({"schedule": name})
        store.run(self.using, "audit", {**said, "item_id": item_id, "filter": about, "count": 1, "now": now})


def _name(schedule: Schedule | str) -> str:
    return schedule if isinstance(schedule, str) else schedule.name


def removable(one: Schedule) -> bool:
    """Whether `remove_schedule` would: it was made in the admin, or has left the code."""
    return one.source == ADMIN or (one.paused_reason == LEFT_CODE and one.name not in schedules.registered())


def plan_of(row: Schedule | Due) -> Plan:
    """What a row of the table says."""
    return Plan(
        name=row.name,
        operation=row.operation,
        cron=row.cron,
        interval_seconds=row.interval_seconds,
        time_zone=row.time_zone,
        missed=row.missed,
        options=row.options,
    )


def put(using: str, plan: Plan, source: str, now: datetime | None) -> None:
    """Add this schedule to the table, or change the one of its name and source."""
    clock = now or store.clock(using)
    known = Schedule.objects.using(using).filter(name=plan.name).first()
    params = {
        "name": plan.name, "operation": plan.operation, "cron": plan.cron, "time_zone": plan.time_zone,
        "interval_seconds": plan.interval_seconds, "options": json.dumps(dict(plan.options)), "missed": plan.missed,
        "source": source, "next_at": plan.times(known.created_at if known else clock).after(clock), "now": clock,
        "left_code": LEFT_CODE,
    }  # fmt: skip
    store.run(using, "put_schedule", params)


def synchronise(using: str, now: datetime | None = None) -> list[str]:
    """Bring the table into line with the code. Returns the names that are somebody else's already.

    A schedule that has left the code is paused, and goes on when it comes back.
    """
    plans = schedules.registered()
    for name in sorted(plans):  # in one order, as several workers may start at once
        put(using, plans[name], CODE, now)
    store.run(using, "retire_schedules", {"names": list(plans), "left_code": LEFT_CODE, "now": now})
    taken = Schedule.objects.using(using).filter(name__in=plans).exclude(source=CODE)
    return sorted(taken.values_list("name", flat=True))


class Due(NamedTuple):
    """A schedule that has come to a tick, locked, and the time."""

    name: str
    operation: str
    cron: str
    interval_seconds: float | None
    time_zone: str
    options: Any  # JSON, as text until it is read
    missed: str
    created_at: datetime
    next_at: datetime
    now: datetime

    def decide(self) -> tuple[datetime | None, datetime | None]:
        """The tick to fire now, if any, and the one to go on with."""
        times, before = plan_of(self).times(self.created_at), self.now - GRACE
        if self.next_at >= before or self.missed == Schedule.Missed.ALL:
            return self.next_at, times.after(self.next_at)
        made_up = times.latest(self.next_at, before) if self.missed == Schedule.Missed.LATEST else None
        return made_up, times.after(before)


def fire(using: str, schedule_id: int, now: datetime | None = None) -> bool:
    """Take one tick of a schedule that is due: its row, its item and the way to the next, or nothing of it.

    False: it is not due, or another worker is at it. Raises what kept it from being enqueued; it stays due then.
    """
    with store.atomic(using):
        rows = store.run(using, "lock_schedule", {"schedule_id": schedule_id, "now": now})
        if not rows:
            return False
        due = Due._make(rows[0])
        due = due._replace(options=json.loads(due.options))
        tick_at, following = due.decide()
        tick = {"schedule_id": schedule_id, "tick_at": tick_at}
        taken = store.run(using, "add_tick", tick) if tick_at else []
        new = schedules.enqueue(using, due.name, plan_of(due), tick_at, now) if tick_at and taken else None
        moved = {"tick_id": taken[0][0], "item_id": new.id} if new else {"tick_id": None, "item_id": None}
        params = {"schedule_id": schedule_id, "next_at": due.next_at, "following": following, **moved}
        store.count(using, "move_schedule", params)
    return True


def note_failure(using: str, schedule_id: int, next_at: datetime, error: Exception, now: datetime | None = None) -> str:
    """Note on the schedule why the tick it is at was not fired, as `fire` has taken back all it did. Returns the words.

    The next tick that works, or a change of the schedule, takes the note away.
    """
    why = outcomes.clean(str(error).strip() or type(error).__name__)[:ERROR_MAX]
    store.count(
        using, "note_schedule_error", {"schedule_id": schedule_id, "next_at": next_at, "error": why, "now": now}
    )
    return why
