"""Fire the ticks of schedules that have come due. Whichever worker is first does; each tick is taken by its row."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from docqueue import events, schedules, scheduling, store

EVERY_SECONDS = 1.0
SLICE = 1000
MOST = 100
"""Ticks in one round, as other duties wait for it. Every schedule has its turn before one has its second."""


@dataclass
class Rounds:
    """The rounds of one worker: it compares the table with its code in the first, and reports each trouble once."""

    _known: dict[str, schedules.Plan] | None = None
    _told: dict[object, str] = field(default_factory=dict)

    def run(self, using: str, now: datetime | None = None) -> int:
        """Returns how many ticks were fired or passed over."""
        plans = schedules.registered()
        if plans != self._known:
            for name in scheduling.synchronise(using, now):
                self._report(name, f"{name}: the schedule in the code has the name of one that was made in the admin")
            self._known = plans
        total = 0
        while total < MOST:
            done = self._turn(using, now, MOST - total)
            total += done
            if not done:
                break
        return total

    def _turn(self, using: str, now: datetime | None, most: int) -> int:
        """One tick of each schedule that is due."""
        done, after, after_id = 0, None, 0
        while True:
            page = {"after": after, "after_id": after_id, "limit": SLICE, "now": now}
            due = store.run(using, "due_schedules", page)
            for schedule_id, name, next_at in due:
                done += self._fire(using, schedule_id, name, next_at, now)
                after, after_id = next_at, schedule_id
                if done >= most:
                    return done
            if len(due) < SLICE:
                return done

    def _fire(self, using: str, schedule_id: int, name: str, next_at: datetime, now: datetime | None) -> bool:
        try:
            fired = scheduling.fire(using, schedule_id, now)
        except Exception as error:
            if store.is_unwell(error):
                raise
            why = scheduling.note_failure(using, schedule_id, next_at, error, now)
            self._report(schedule_id, f"{name}: {why}"[:300])
            return False
        if fired:
            self._told.pop(schedule_id, None)
        return fired

    def _report(self, about: object, text: str) -> None:
        """Once: it would be said every second."""
        if self._told.get(about) != text:
            self._told[about] = text
            events.emit(events.EventName.DUTY_FAILED, logging.ERROR, duty="schedule", error=text)
