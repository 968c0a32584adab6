"""manage.py queue_pause: let nothing of a queue start any more."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from docqueue.conf import before_checks
from docqueue.exceptions import DocqueueError
from docqueue.service import DocumentQueueService


class Command(BaseCommand):
    """Pause a queue."""

    help = "Let nothing of a queue start any more, what is pending already included; what runs may finish."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queue")
        parser.add_argument("--reason", default="", help="shown to everybody who asks why an item waits")
        parser.add_argument("--by", default="", help="who asks, for the audit; default: the user of this shell")
        parser.add_argument("--database", default=before_checks().DATABASE, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        by = options["by"] or getpass.getuser()
        try:
            since = DocumentQueueService(options["database"]).pause_queue(options["queue"], options["reason"], by)
        except DocqueueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"queue {options['queue']} is paused since {since:%Y-%m-%d %H:%M:%S} UTC")
