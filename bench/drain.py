"""No-op items per second through one worker with executor processes, through the public API.

Clock: from the first claim to the last finish, as the database has them.
"""

from __future__ import annotations

import subprocess
import sys

from django.db import connection

from bench.machine import spread
from docqueue.service import DocumentQueueService, NewItem

ITEMS = 20_000
PAYLOAD = {"text": "x" * 180}


def once(processes: int, ordered: bool) -> float:
    """One run; items per second."""
    with connection.cursor() as cursor:
        cursor.execute("truncate docqueue_item, docqueue_history, docqueue_worker, docqueue_attempt")
    items = (NewItem(document_id=n if ordered else None, operation="bench.noop", payload=PAYLOAD) for n in range(ITEMS))
    DocumentQueueService().enqueue_many(items)
    with connection.cursor() as cursor:
        cursor.execute("analyze docqueue_item")
    command = [sys.executable, "manage.py", "run_queue_worker", "--drain", "--processes", str(processes)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*), extract(epoch from max(finished_at) - min(claimed_at)) from docqueue_history"
            " where status = 'completed'"
        )
        done, seconds = cursor.fetchone()
    if done != ITEMS:
        raise SystemExit(f"drain: {done} of {ITEMS} items completed")
    return done / float(seconds)


def main(runs: int = 3) -> None:
    """Print the figures."""
    for ordered in (False, True):
        rates = [once(2, ordered) for _ in range(runs)]
        kind = "with a document each (ordering key)" if ordered else "without a document"
        print(f"drain, one worker, --processes 2, {ITEMS:,} no-op items {kind}: {spread(rates)} items/s")
