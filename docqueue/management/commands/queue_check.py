"""manage.py queue_check: before a deploy, would the new code know what is in the queue and its schedules?"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from docqueue import handlers, schedules
from docqueue.conf import before_checks
from docqueue.models import QueueItem, Schedule
from docqueue.scheduling import ADMIN, plan_of
from docqueue.states import Status

SLICE = 1000
EXAMPLES = 3
PLANNED = ("name", "operation", "cron", "interval_seconds", "time_zone", "missed", "options")


class Command(BaseCommand):
    """Bind every live payload against the handlers of this code, and see what its schedules enqueue."""

    help = (
        "Compare all live items and schedules with the handlers of this code: unknown operations, payloads that do not "
        "fit, options that are refused. Exit 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--database", default=before_checks().DATABASE, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        looked, wrong = self.look(options["database"])
        total = sum(count for count, _ in wrong.values())
        broken = self.broken_schedules(options["database"])
        if options["json"]:
            found = [{"why": why, "count": count, "examples": ids} for why, (count, ids) in wrong.items()]
            plans = [{"name": name, "why": why} for name, why in broken.items()]
            said = {"items": looked.total(), "misfits": total, "found": found, "broken_schedules": plans}
            self.stdout.write(json.dumps(said))
        else:
            for operation, count in sorted(looked.items()):
                self.stdout.write(f"{operation}: {count:,} live")
            for why, (count, ids) in wrong.items():
                self.stdout.write(self.style.ERROR(f"{count:,} × {why} (items {', '.join(map(str, ids))} …)"))
            for name, why in broken.items():
                self.stdout.write(self.style.ERROR(f"schedule {name}: {why}"))
        failed = []
        if total:
            hint = "Deploy the handlers with them, or let the present workers finish these first."
            failed.append(f"{total:,} of {looked.total():,} live items do not fit this code. {hint}")
        if broken:
            hint = "Correct them, or register their handlers."
            failed.append(f"{len(broken):,} schedules can enqueue nothing with this code. {hint}")
        if failed:
            raise CommandError(" ".join(failed))

    @staticmethod
    def broken_schedules(using: str) -> dict[str, str]:
        """The schedules of this code, and those made in the admin that are not paused, which can enqueue nothing."""
        # No other columns: the database may not have been migrated to this code yet.
        made = Schedule.objects.using(using).filter(source=ADMIN, paused_at=None).only(*PLANNED)
        plans = schedules.registered() | {row.name: plan_of(row) for row in made}
        return {name: why for name, plan in sorted(plans.items()) if (why := schedules.problem(plan))}

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
