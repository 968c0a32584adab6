"""manage.py process_document_queue: one bounded run, for cron."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from docqueue.conf import before_checks
from docqueue.exceptions import DocqueueError
from docqueue.worker.once import process_document_queue


class Command(BaseCommand):
    """Claim what is due, run it, say what became of it, end."""

    help = "Process up to --limit due items and end. Safe to run from several crontabs at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=before_checks().PROCESS_LIMIT, help="most items to claim")
        parser.add_argument("--json", action="store_true", help="print the counts as one JSON line")
        parser.add_argument("--database", default=before_checks().DATABASE, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = process_document_queue(options["limit"], using=options["database"])
        except DocqueueError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(result.as_dict()))
            return
        counts = result.as_dict()
        self.stdout.write(", ".join(f"{name} {counts[name]}" for name in counts))
