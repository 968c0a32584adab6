"""manage.py run_queue_worker: claim and run items until stopped."""

from __future__ import annotations

import logging
import os
import sys
from argparse import ArgumentParser
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


class Command(BaseCommand):
    """Run a worker: a supervisor and its executor processes."""

    # Those of the project's pages would load its views and forms, which a worker never needs.
    requires_system_checks = ("docqueue",)
    help = "Process queue items until stopped: TERM or Ctrl-C once finishes what runs, twice stops now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        settings = get_settings()
        parser.add_argument("--queue", action="append", default=[], help="serve only this queue (repeatable)")
        parser.add_argument("--exclude-queue", action="append", default=[], help="do not serve this queue (repeatable)")
        parser.add_argument("--processes", type=int, default=settings.PROCESSES, help="executor processes")
        parser.add_argument("--threads", type=int, default=settings.THREADS, help=conf.HELP["THREADS"])
        parser.add_argument("--prefetch", type=int, default=settings.PREFETCH, help=conf.HELP["PREFETCH"])
        parser.add_argument("--poll-seconds", type=float, default=settings.POLL_SECONDS, help=conf.HELP["POLL_SECONDS"])
        parser.add_argument(
            "--grace-seconds", type=float, default=settings.GRACE_SECONDS, help=conf.HELP["GRACE_SECONDS"]
        )
        parser.add_argument("--max-items", type=int, default=None, help="end after so many items")
        parser.add_argument("--drain", action="store_true", help="end when nothing is left to claim")
        parser.add_argument("--in-process", action="store_true", help="no executor processes (development only)")
        parser.add_argument("--reload", action="store_true", help="start anew when code changes (only with DEBUG)")
        parser.add_argument("--heartbeat-file", type=Path, help="touched whenever the lease was renewed, for probes")
        parser.add_argument("--name", default="", help="shown in the admin; default host:pid")
        parser.add_argument("--database", default=settings.DATABASE, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["processes"] < 1:
            raise CommandError("--processes must be at least 1.")
        if options["reload"] and not os.environ.get(reload.CHILD):
            if not django_settings.DEBUG:
                raise CommandError("--reload is for development: it needs DEBUG = True.")
            sys.exit(reload.run())
        show_events()
        told = {
            "PREFETCH": options["prefetch"],
            "POLL_SECONDS": options["poll_seconds"],
            "GRACE_SECONDS": options["grace_seconds"],
            "THREADS": options["threads"],
        }
        try:
            with conf.overridden(**told):
                self.work(options)
        except ConfigurationError as error:
            raise CommandError(str(error)) from error

    def work(self, options: dict[str, Any]) -> None:
        """Until it has been told to stop."""
        settings = get_settings()
        supervisor = Supervisor(
            options=Options(
                using=options["database"],
                queues=tuple(options["queue"]) or settings.QUEUES,
                exclude=tuple(options["exclude_queue"]) or settings.EXCLUDE_QUEUES,
                processes=options["processes"],
                threads=options["threads"],
                in_process=options["in_process"],
                grace_seconds=options["grace_seconds"],
                max_items=options["max_items"],
                drain=options["drain"],
                name=options["name"],
                heartbeat_file=options["heartbeat_file"],
            )
        )
        with terminal.live(supervisor):
            supervisor.run()


def show_events() -> None:
    """Without any logging configured (as after startproject) the worker's lines would go nowhere: show them."""
    logger = logging.getLogger("docqueue")
    if not logger.hasHandlers():
        lines = logging.StreamHandler()
        lines.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(lines)
        logger.setLevel(logging.INFO)
