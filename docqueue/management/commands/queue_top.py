"""manage.py queue_top: queues, workers and what they are at, live on a terminal."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from docqueue import stats
from docqueue.conf import before_checks
from docqueue.models import Worker
from docqueue.service import DocumentQueueService

QUEUE_COLUMNS = ("pending", "in_progress", "waiting", "retrying", "failed", "workers")
WORKERS_SHOWN = 20


class Command(BaseCommand):
    """The whole queue, again and again, until Ctrl-C."""

    help = "Show queues and workers live. Needs rich: pip install docqueue[cli]"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seconds", type=float, default=2.0, help="how often to look")
        parser.add_argument("--once", action="store_true", help="look once and end")
        parser.add_argument("--database", default=before_checks().DATABASE, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            from rich.console import Console
            from rich.live import Live
        except ImportError as error:
            raise CommandError("queue_top needs rich: pip install docqueue[cli]") from error
        using, console = options["database"], Console()
        if options["once"]:
            console.print(picture(using))
            return
        try:
            with Live(picture(using), console=console, auto_refresh=False, screen=True) as shown:
                while True:
                    time.sleep(max(0.2, options["seconds"]))
                    shown.update(picture(using), refresh=True)
        except KeyboardInterrupt:
            return


def picture(using: str) -> Any:
    """What there is to see now, for rich."""
    from rich.console import Group
    from rich.text import Text

    found = DocumentQueueService(using).get_queue_stats()
    hints = [*found.notes(), *found.stops(datetime.now(UTC)), *found.as_dict()["hints"]]
    return Group(_queues(found), _workers(using), *map(Text, hints))


def _queues(found: stats.QueueStats) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table("queue", title=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", title_justify="left")
    table.columns[0].min_width = 12
    for column in ("pending", "running", "waiting", "retry", "failed", "workers", "a minute", "oldest"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, counts in found.queues.items():
        oldest = "–" if counts.oldest_due_seconds is None else stats.in_words(counts.oldest_due_seconds)
        numbers = (f"{getattr(counts, column):,}" for column in QUEUE_COLUMNS)
        table.add_row(escape(name), *numbers, f"{counts.finished_per_minute:,.0f}", oldest)
    return table


def _workers(using: str) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table("worker", "process", "memory", "item", "operation", "for", "heartbeat")
    now = datetime.now(UTC)
    live = Worker.objects.using(using).filter(kind=Worker.Kind.WORKER, lost_at=None, stopped_at=None).order_by("id")
    for worker in live[:WORKERS_SHOWN]:
        heard = f"{stats.in_words((now - worker.heartbeat_at).total_seconds())} ago"
        slots = [slot for slot in worker.info.get("slots", ()) if isinstance(slot, dict)] or [{}]
        for slot in slots:
            since = slot.get("since")
            took = stats.in_words((now - datetime.fromisoformat(since)).total_seconds()) if since else ""
            item, operation = slot.get("item_id", "idle"), escape(str(slot.get("operation", "")))
            memory = f"{slot['rss_mb']} MiB" if "rss_mb" in slot else ""
            table.add_row(escape(worker.name), str(slot.get("pid", "")), memory, str(item), operation, took, heard)
    return table
