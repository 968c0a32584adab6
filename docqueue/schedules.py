"""Schedules in code: an operation that is enqueued again and again, said in a `queue_handlers.py`.

Workers bring the table of schedules into line with the code when they start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from docqueue import enqueuing, jsontext, ticks, validation
from docqueue.enqueuing import Enqueued
from docqueue.exceptions import ConfigurationError, DuplicateKey, InvalidSchedule, PayloadNotJson
from docqueue.models import Schedule
from docqueue.rules import NO_RULES, Rules
from docqueue.validation import NewItem

RULES = ("tenant", "concurrency_key", "concurrency_limit", "limit_key")
OPTIONS = (
    "document_id",
    "priority",
    "payload",
    "queue",
    "delay_seconds",
    "unique_key",
    "unique_for",
    "on_conflict",
    "ordering_key",
    "max_attempts",
    "timeout_seconds",
    "metadata",
    *RULES,
)
"""Arguments of `enqueue` that a schedule may give: all that mean the same at each tick."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be enqueued, and when: all of a schedule that a person or the code decides."""

    name: str
    operation: str
    cron: str = ""
    interval_seconds: float | None = None
    time_zone: str = "UTC"
    missed: str = Schedule.Missed.LATEST
    options: Mapping[str, Any] = field(default_factory=dict)

    def times(self, created_at: datetime) -> ticks.Times:
        """Its ticks, if it was made then."""
        return ticks.Times(
            cron=self.cron, interval_seconds=self.interval_seconds, time_zone=self.time_zone, created_at=created_at
        )


_registry: dict[str, Plan] = {}


def every(
    name: str,
    operation: str,
    *,
    cron: str = "",
    seconds: float | None = None,
    time_zone: str = "UTC",
    missed: str = "latest",
    **options: Any,
) -> None:
    """Have workers enqueue `operation` at each tick of `cron`, by the clocks of `time_zone`, or every `seconds`.

    The interval is counted from the moment when a worker first met the schedule. `missed` says what becomes of ticks
    that no worker was there for, for more than a minute: "skip" forgets them, "latest" makes up for the last of them,
    "all" for each. `options` are arguments of `enqueue`, such as `payload` or `queue`. Raises `InvalidSchedule`, and
    `ConfigurationError` for a name that has another schedule already, or a cron expression without the package cronsim.
    """
    if isinstance(unique_for := options.get("unique_for"), timedelta):
        options["unique_for"] = unique_for.total_seconds()
    new = checked(
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
    if _registry.setdefault(name, new) != new:
        raise ConfigurationError(
            f"There are two schedules of the name {name!r}.", hint="Give one of them another name."
        )


def registered() -> dict[str, Plan]:
    """All schedules in code, by name."""
    return dict(_registry)


def forget(name: str) -> None:
    """Take a schedule out of the registry again, for tests."""
    _registry.pop(name, None)


def checked(plan: Plan) -> Plan:
    """The same, if it can be a schedule. Raises `InvalidSchedule`; `ConfigurationError` for cron without the extra."""
    for name, value, longest in (("name", plan.name, 255), ("operation", plan.operation, 200)):
        if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
            raise InvalidSchedule(f"The {name} must be a string of 1 to {longest} printable characters.")
    if len(str(plan.cron)) > 200:
        raise InvalidSchedule("A cron expression has 200 characters at most.")
    ticks.check(plan.cron, plan.interval_seconds, plan.time_zone)
    if plan.missed not in Schedule.Missed.values:
        raise InvalidSchedule(f"missed must be one of {', '.join(Schedule.Missed.values)}.")
    if not isinstance(plan.options, Mapping):
        raise InvalidSchedule("The options must be a JSON object of arguments of enqueue.")
    if unknown := [name for name in plan.options if name not in OPTIONS]:
        raise InvalidSchedule(f"A schedule has no option {unknown[0]!r}.", hint=f"There are {', '.join(OPTIONS)}.")
    try:
        jsontext.json_text("options", dict(plan.options))
    except PayloadNotJson as error:
        raise InvalidSchedule(str(error)) from error
    return plan


def item(operation: str, options: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The row of an item that a tick enqueues. Raises the `InvalidItem` that says what is wrong with the options."""
    own = {name: value for name, value in options.items() if name not in RULES}
    if metadata is not None and isinstance(given := own.get("metadata") or {}, Mapping):
        own["metadata"] = {**metadata, **given}
    rules = Rules(**{name: options[name] for name in RULES if name in options})
    return validation.columns(NewItem(operation=operation, rules=None if rules == NO_RULES else rules, **own))


def enqueue(using: str, name: str, plan: Plan, tick_at: datetime, now: datetime | None) -> Enqueued:
    """Enqueue what this schedule enqueues; the item's metadata name the schedule and the tick. Raises as `item`."""
    told = {"schedule": name, "tick_at": tick_at.isoformat()}
    try:
        return enqueuing.enqueue(using, item(plan.operation, plan.options, told), now)
    except DuplicateKey as error:  # the schedule asked to be refused then: this tick has nothing to do
        return Enqueued(id=error.item_id, status=None, created=False)


def problem(plan: Plan) -> str:
    """Why this schedule can enqueue nothing as it is, in words; empty when it can."""
    try:
        checked(plan)
        item(plan.operation, plan.options)
    except Exception as error:  # noqa: BLE001 - whatever it is, a person has to know
        return str(error)
    return ""
