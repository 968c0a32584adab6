"""manage.py queue_bulk: one verb on all items that a filter matches, done by the workers in slices."""

from __future__ import annotations

import getpass
import time
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from docqueue.bulk import KINDS
from docqueue.conf import before_checks
from docqueue.exceptions import DocqueueError
from docqueue.maintenance import bulk
from docqueue.models import BulkOperation
from docqueue.service import DocumentQueueService

FILTER = ("queue", "operation", "document_id", "error_code", "fingerprint", "enqueued_before", "ended_before")
LOOK_SECONDS = 0.2


class Command(BaseCommand):
    """Start a bulk operation, look at one, or abort one."""

    help = (
        "Requeue, cancel, discard, purge or change the priority of all items that match now. The workers do it in "
        "slices; with --wait this command helps them and tells how far it is. `show ID` and `abort ID` are about one "
        "that was started."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=[*KINDS, "show", "abort"])
        parser.add_argument("id", nargs="?", type=int, help="of a bulk operation, for show and abort")
        parser.add_argument("--status", action="append", help="only items in this state; repeatable")
        parser.add_argument("--queue", help="only items of this queue")
        parser.add_argument("--operation", help="only items of this operation")
        parser.add_argument("--document-id", help="only items of this document")
        parser.add_argument("--error-code", help="only items that failed with this code")
        parser.add_argument("--fingerprint", help="only items that failed in this way")
        parser.add_argument("--enqueued-before", type=datetime.fromisoformat, help="ISO 8601, with a time zone")
        parser.add_argument("--ended-before", type=datetime.fromisoformat, help="the same: when it finished, or died")
        parser.add_argument("--everything", action="store_true", help="needed where there is no filter")
        parser.add_argument("--priority", type=int, help="the new one, for the action priority")
        parser.add_argument("--canary", type=int, help="requeue so many first, and the rest once these are completed")
        parser.add_argument("--reason", default="", help="kept in the audit")
        parser.add_argument("--by", default="", help="who asks, for the audit; default: the user of this shell")
        parser.add_argument("--wait", action="store_true", help="help the workers, and end when it is done")
        parser.add_argument("--database", default=before_checks().DATABASE, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        service = DocumentQueueService(options["database"])
        try:
            found = self._act(service, options)
        except DocqueueError as error:
            raise CommandError(f"{error} {error.hint}".strip()) from error
        text = said(found)
        self.stdout.write(text)
        while options["wait"] and found.state == BulkOperation.State.RUNNING:
            if not bulk.run(service.using):
                time.sleep(LOOK_SECONDS)
            found = service.bulk_status(found.pk)
            if (now := said(found)) != text:
                text = now
                self.stdout.write(text)

    def _act(self, service: DocumentQueueService, options: dict[str, Any]) -> BulkOperation:
        by = options["by"] or getpass.getuser()
        action = options["action"]
        if action not in KINDS:
            if options["id"] is None:
                raise CommandError(f"{action} needs the id of a bulk operation.")
            if action == "show":
                return service.bulk_status(options["id"])
            return service.bulk_abort(options["id"], by=by, reason=options["reason"])
        if options["id"] is not None:
            raise CommandError(f"{action} takes a filter, no id.")
        asked = {key: options[key] for key in ("status", *FILTER) if options[key] is not None}
        more = {key: options[key] for key in ("everything", "priority", "canary", "reason")}
        return service.bulk(action, by=by, **more, **asked)


def said(found: BulkOperation) -> str:
    """How far it is, in one line."""
    least = "at least " if found.at_least else ""
    skipped = f", {found.skipped:,} skipped" if found.skipped else ""
    stopped = f"; stopped by its {why}" if (why := found.options.get("stopped")) else ""
    share = "" if found.at_least else f" ({found.percent} %)"
    return (
        f"bulk operation {found.pk} ({found.action}) is {found.state}: "
        f"{found.done:,} of {least}{found.total:,} done{skipped}{share}{stopped}"
    )
