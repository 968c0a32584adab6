"""manage.py queue_stats: what is in the queue."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from docqueue.conf import get_settings
from docqueue.service import DocumentQueueService

COLUMNS = ("pending", "in_progress", "waiting", "retrying", "failed", "completed", "cancelled", "workers")


class Command(BaseCommand):
    """Depths per queue."""

    help = "Show the depth of each queue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--database", default=get_settings().DATABASE, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        stats = DocumentQueueService(options["database"]).get_queue_stats()
        said = stats.as_dict()
        if options["json"]:
            self.stdout.write(json.dumps(said))
            return
        width = max([5, *(len(name) for name in said["queues"])])
        self.stdout.write("queue".ljust(width) + "".join(c.rjust(13) for c in COLUMNS))
        rows = [*said["queues"].items(), ("total", said["total"] | {"workers": stats.workers})]
        for name, counts in rows:
            self.stdout.write(name.ljust(width) + "".join(str(counts[c]).rjust(13) for c in COLUMNS))
        for hint in said["hints"]:
            self.stdout.write(hint)
