"""manage.py run_queue_worker: claim and run items until stopped."""

from __future__ import annotations

import logging
import os
import sys
from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.core.management.base import BaseCommand, CommandError

from docqueue import conf
from docqueue.conf import get_settings
from docqueue.exceptions import ConfigurationError
from docqueue.management import terminal
from docqueue.worker import reload
from docqueue.worker.supervisor import Options, Supervisor

FLAGS = {
    "QUEUES": "--queue",
    "EXCLUDE_QUEUES": "--exclude-queue",
    "PROCESSES": "--processes",
    "THREADS": "--threads",
    "PREFETCH": "--prefetch",
    "POLL_SECONDS": "--poll-seconds",
    "GRACE_SECONDS": "--grace-seconds",
    "MAX_ITEMS": "--max-items",
    "DRAIN": "--drain",
    "IN_PROCESS": "--in-process",
    "RELOAD": "--reload",
    "HEARTBEAT_FILE": "--heartbeat-file",
    "WORKER_NAME": "--name",
}
"""The flags, each by the setting that it stands for."""


class Command(BaseCommand):
    """Run a worker: a supervisor and its executor processes."""

    # Those of the project's pages would load its views and forms, which a worker never needs.
    requires_system_checks = ("docqueue",)
    help = "Process queue items until stopped: TERM or Ctrl-C once finishes what runs, twice stops now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        settings = conf.before_checks()
        for field in (field for field in conf.FIELDS if field.name in FLAGS):
            kinds: dict[type, dict[str, Any]] = {bool: {"action": BooleanOptionalAction}, tuple: {"action": "append"}}
            kind = kinds.get(field.type, {"type": field.type})
            parser.add_argument(FLAGS[field.name], **kind, help=_help(field, getattr(settings, field.name)))
        parser.add_argument("--database", default=settings.DATABASE, help=conf.HELP["DATABASE"])

    def handle(self, *args: Any, **options: Any) -> None:
        given = {name: options[flag.removeprefix("--").replace("-", "_")] for name, flag in FLAGS.items()}
        told = {name: value for name, value in given.items() if value is not None}
        try:
            with conf.overridden(**told):
                if get_settings().RELOAD and not os.environ.get(reload.CHILD):
                    if not django_settings.DEBUG:
                        raise CommandError("--reload is for development: it needs DEBUG = True.")
                    sys.exit(reload.run())
                show_events()
                self.work(options["database"])
        except ConfigurationError as error:
            raise CommandError(_by_flag(str(error))) from error

    def work(self, using: str) -> None:
        """Until it has been told to stop."""
        settings = get_settings()
        supervisor = Supervisor(
            options=Options(
                using=using,
                queues=settings.QUEUES,
                exclude=settings.EXCLUDE_QUEUES,
                processes=settings.PROCESSES,
                threads=settings.THREADS,
                in_process=settings.IN_PROCESS,
                grace_seconds=settings.GRACE_SECONDS,
                max_items=settings.MAX_ITEMS or None,
                drain=settings.DRAIN,
                name=settings.WORKER_NAME,
                heartbeat_file=Path(settings.HEARTBEAT_FILE) if settings.HEARTBEAT_FILE else None,
            )
        )
        with terminal.live(supervisor):
            supervisor.run()


def _help(field: conf.SettingField, value: Any) -> str:
    """What a flag does, with the value in force where it is not given."""
    if field.type is tuple:
        return f"{field.help} Repeatable. Default: {','.join(value) or 'empty'}."
    return f"{field.help} Default: {('off', 'on')[value] if field.type is bool else value if value != '' else 'empty'}."


def _by_flag(problem: str) -> str:
    """The same sentence about a flag."""
    for name, flag in FLAGS.items():
        problem = problem.replace(f"DOCQUEUE[{name!r}]", flag)
    return problem


def show_events() -> None:
    """Without any logging configured (as after startproject) the worker's lines would go nowhere: show them."""
    logger = logging.getLogger("docqueue")
    if not logger.hasHandlers():
        lines = logging.StreamHandler()
        lines.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(lines)
        logger.setLevel(logging.INFO)
