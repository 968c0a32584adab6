"""manage.py queue_resume: let a paused queue go on."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from docqueue.conf import before_checks
from docqueue.exceptions import DocqueueError
from docqueue.service import DocumentQueueService


class Command(BaseCommand):
    """Resume a queue."""

    help = "Let a paused queue go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queue")
        parser.add_argument("--reason", default="", help="kept in the audit")
        parser.add_argument("--by", default="", help="who asks, for the audit; default: the user of this shell")
        parser.add_argument("--database", default=before_checks().DATABASE, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        service = DocumentQueueService(options["database"])
        try:
            was_paused = service.resume_queue(options["queue"], options["by"] or getpass.getuser(), options["reason"])
        except DocqueueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"queue {options['queue']} {'goes on' if was_paused else 'was not paused'}")
