"""manage.py queue_stats: what is in the queue."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand

from docqueue.conf import before_checks
from docqueue.service import DocumentQueueService

COLUMNS = ("pending", "in_progress", "waiting", "retrying", "failed", "completed", "cancelled", "workers")


class Command(BaseCommand):
    """Depths per queue."""

    help = "Show the depth of each queue, which queues are paused, and which circuit breakers are open."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--watch", type=float, metavar="SECONDS", help="print it again every so many seconds")
        parser.add_argument("--database", default=before_checks().DATABASE, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        if (pause := options["watch"]) is None:
            return self.tell(options)
        try:
            while True:
                self.tell(options)
                self.stdout.flush()
                time.sleep(max(0.1, pause))
        except KeyboardInterrupt:
            return None

    def tell(self, options: dict[str, Any]) -> None:
        """Print it once."""
        stats = DocumentQueueService(options["database"]).get_queue_stats()
        said = stats.as_dict()
        if options["json"]:
            self.stdout.write(json.dumps(said))
            return
        rows = [*said["queues"].items(), ("total", said["total"] | {"workers": stats.workers})]
        cells = [(name, *(_cell(counts, column) for column in COLUMNS)) for name, counts in rows]
        if not (self.stdout.isatty() and draw(cells)):
            width = max(len(row[0]) for row in [("queue",), *cells])
            for name, *numbers in [("queue", *COLUMNS), *cells]:
                self.stdout.write(name.ljust(width) + "".join(n.rjust(13) for n in numbers))
        for line in [*stats.notes(), *stats.stops(datetime.now(UTC)), *said["hints"]]:
            self.stdout.write(line)


def _cell(counts: dict[str, Any], column: str) -> str:
    """A number; one that was not counted now is marked, and explained below the table."""
    marks = counts.get("counted_seconds_ago", {})
    sign = "" if column not in marks else "≥" if marks[column] is None else "~"
    return f"{sign}{counts[column]}"


def draw(rows: Sequence[Sequence[str]]) -> bool:
    """Print a table with rich (the extra `cli`). False: it is not installed."""
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table
    except ImportError:
        return False
    table = Table("queue")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
    return True
