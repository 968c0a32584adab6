"""manage.py queue_explain ID: where an item is, why, and what has happened to it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from docqueue.conf import before_checks
from docqueue.exceptions import DocqueueError
from docqueue.models import Attempt, AuditEntry, Checkpoint
from docqueue.service import DocumentQueueService
from docqueue.states import attempt

SHOWN = 20
FACTS = ("status", "wait_reason", "queue", "operation", "document_id", "ordering_key", "tenant", "limit_key",
         "concurrency_key", "concurrency_limit", "concurrency_slot", "batch_id", "attempt", "max_attempts", "crashes",
         "enqueued_at", "next_retry_at", "claimed_at", "finished_at", "died_at", "cancel_requested_at", "worker_id",
         "error_code", "error_message")  # fmt: skip
COLUMNS = {"concurrency_key": "slot_key", "concurrency_limit": "slot_limit", "concurrency_slot": "slot"}
"""Where the column has another name than the argument of `enqueue`."""


class Command(BaseCommand):
    """Explain one item."""

    help = "Say in one sentence where an item is and why, and list what has happened to it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("item_id", type=int)
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--database", default=before_checks().DATABASE, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        item_id, using = options["item_id"], options["database"]
        service = DocumentQueueService(using)
        try:
            item = service.get_item(item_id)
            said = service.explain(item_id)
        except DocqueueError as error:
            raise CommandError(f"{error} {error.hint}".strip()) from error
        told = {name: getattr(item, COLUMNS.get(name, name)) for name in FACTS}
        told["attempt"] = attempt(item.attempt, item.status)
        facts = {name: value for name, value in told.items() if value is not None}
        mine = {"item_id": item_id}
        attempts = Attempt.objects.using(using).filter(**mine).order_by("-id")[:SHOWN]
        happened = [(a.ended_at, f"attempt {a.attempt} {a.outcome}: {a.code}: {a.message}") for a in attempts]
        steps = Checkpoint.objects.using(using).filter(**mine).defer("result").order_by("-id")[:SHOWN]
        happened += [(s.created_at, f"step {s.name} done") for s in steps]
        audit = AuditEntry.objects.using(using).filter(**mine).order_by("-id")[:SHOWN]
        happened += [(e.at, f"{e.action} by {e.actor or '–'}: {e.reason or '–'}") for e in audit]
        happened.sort()
        if options["json"]:
            events = [{"at": at, "what": what} for at, what in happened]
            self.stdout.write(json.dumps({"id": item_id, "explain": said, **facts, "happened": events}, default=str))
            return
        self.stdout.write(f"Item {item_id}: {said}")
        for name, value in facts.items():
            shown = value.isoformat(" ", "seconds") if isinstance(value, datetime) else value
            self.stdout.write(f"  {name.ljust(20)}{shown}")
        for at, what in happened:
            self.stdout.write(f"  {at.isoformat(' ', 'seconds')}  {what}")
