"""manage.py queue_check: before a deploy, would the new code know what is in the queue?"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from docqueue import handlers
from docqueue.conf import before_checks
from docqueue.models import QueueItem
from docqueue.states import Status

SLICE = 1000
EXAMPLES = 3


class Command(BaseCommand):
    """Bind every live payload against the handlers of this code."""

    help = (
        "Compare all live items with the handlers of this code: unknown operations, payloads that do not fit. Exit 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--database", default=before_checks().DATABASE, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        looked, wrong = self.look(options["database"])
        total = sum(count for count, _ in wrong.values())
        if options["json"]:
            found = [{"why": why, "count": count, "examples": ids} for why, (count, ids) in wrong.items()]
            self.stdout.write(json.dumps({"items": looked.total(), "misfits": total, "found": found}))
        else:
            for operation, count in sorted(looked.items()):
                self.stdout.write(f"{operation}: {count:,} live")
            for why, (count, ids) in wrong.items():
                self.stdout.write(self.style.ERROR(f"{count:,} × {why} (items {', '.join(map(str, ids))} …)"))
        if total:
            hint = "Deploy the handlers with them, or let the present workers finish these first."
            raise CommandError(f"{total:,} of {looked.total():,} live items do not fit this code. {hint}")

    @staticmethod
    def look(using: str) -> tuple[Counter[str], dict[str, tuple[int, list[int]]]]:
        """Live items by operation; and by what is wrong, how many and the first ids."""
        looked: Counter[str] = Counter()
        wrong: dict[str, tuple[int, list[int]]] = {}
        after = 0
        while True:
            # Dead letters are left out: nobody runs them, unless somebody requeues them, which is then looked at.
            rows = QueueItem.objects.using(using).filter(pk__gt=after).exclude(status=Status.DEAD).order_by("pk")
            some = list(rows.values_list("pk", "operation", "payload")[:SLICE])
            for item_id, operation, payload in some:
                looked[operation] += 1
                if why := handlers.misfit(operation, payload):
                    said = why if operation in why else f"{operation}: {why}"
                    count, ids = wrong.get(said, (0, []))
                    wrong[said] = count + 1, [*ids, item_id][:EXAMPLES]
            if len(some) < SLICE:
                return looked, wrong
            after = some[-1][0]
