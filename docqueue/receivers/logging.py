"""Events as log records: message = event name, fields in `extra` under `docqueue`."""

from __future__ import annotations

import logging

from docqueue import events

logger = logging.getLogger("docqueue")


def hears(name: events.EventName, level: int) -> bool:
    """All that the logger's level lets through; of runs the single items, not their sums for the metrics."""
    return name != events.EventName.RUNS_ENDED and logger.isEnabledFor(level)


def log_event(event: events.Event) -> None:
    """Write one event as one record. Structured formatters find the fields in `record.docqueue`."""
    text = " ".join(f"{k}={v}" for k, v in event.fields.items() if v not in (None, ""))
    logger.log(event.level, "%s %s", event.name, text, extra={"docqueue": {"event": str(event.name), **event.fields}})


def install() -> None:
    """Subscribe to the events that this process's log shows."""
    events.subscribe(log_event, hears)
