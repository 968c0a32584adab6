"""Logging: structlog and the standard library write the same lines, with who and what on each of them.

Code logs as it likes (`logging` with `extra`, or structlog); every line carries time, level, logger, event
and the values bound by `docqueue.correlation`: correlation_id, user, intake, item.
"""

from __future__ import annotations

import logging
import logging.config
import sys
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from structlog.typing import EventDict, Processor, WrappedLogger

from docqueue import correlation

STYLES = ("auto", "json", "console")


def add_correlation(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Add what is bound here and now; what the line itself says goes first."""
    for key, value in correlation.current().items():
        event.setdefault(key, value)
    return event


def lift_event(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """A line of docqueue's log receiver: its event's name and fields become the line's own."""
    fields = event.pop("docqueue", None)
    if isinstance(fields, dict):
        event.update(fields)
    return event


SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    add_correlation,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(*, level: str = "INFO", style: str = "auto") -> None:
    """Set up both. `style` auto: for people on a terminal, JSON lines elsewhere."""
    level = level.upper()
    if style not in STYLES or level not in logging.getLevelNamesMapping():
        known = ", ".join(STYLES)
        raise ImproperlyConfigured(f"LOG_FORMAT must be one of {known}; LOG_LEVEL a level such as INFO.")
    people = style == "console" or (style == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            *SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(_dict_config(level, people=people))


def _dict_config(level: str, *, people: bool) -> dict[str, Any]:
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if people:
        last.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    else:
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {
                "()": structlog.stdlib.ProcessorFormatter,
                # lines of the standard library: `extra` becomes fields
                "foreign_pre_chain": [*SHARED, structlog.stdlib.ExtraAdder(), lift_event],
                "processors": last,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # a 4xx is the caller's matter and stands in the request's own line
            "django.request": {"level": "ERROR"},
            "django.server": {"level": "WARNING"},
            "botocore.credentials": {"level": "WARNING"},  # each process finds them, and would say so
            # a line for each request to a knowledge store, with its address
            "httpx2": {"level": "WARNING"},
            "httpcore2": {"level": "WARNING"},
        },
    }
