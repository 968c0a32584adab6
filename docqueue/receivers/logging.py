"""Events as log records: message = event name, fields in `extra` under `docqueue`."""

from __future__ import annotations

import logging

from docqueue import events

logger = logging.getLogger("docqueue")


def log_event(event: events.Event) -> None:
    """Write one event as one record. Structured formatters find the fields in `record.docqueue`."""
    if logger.isEnabledFor(event.level):
        text = " ".join(f"{k}={v}" for k, v in event.fields.items() if v not in (None, ""))
        logger.log(
            event.level, "%s %s", event.name, text, extra={"docqueue": {"event": str(event.name), **event.fields}}
        )


def install() -> None:
    """Subscribe to the events."""
    events.subscribe(log_event)
