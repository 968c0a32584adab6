"""manage.py queue_selftest: does the queue work, and how fast."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from docqueue import selftest
from docqueue.conf import before_checks
from docqueue.exceptions import DocqueueError


class Command(BaseCommand):
    """Send a probe through the real path."""

    help = (
        "Send a probe through the queue: enqueue, claim, run, complete. Says how long each took; exit 1 if it is late."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--queue", default=None, help="into this queue; default: DEFAULT_QUEUE")
        parser.add_argument("--seconds", type=float, default=10.0, help="how long to wait for it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--database", default=before_checks().DATABASE, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            probe = selftest.run(options["database"], queue=options["queue"], seconds=options["seconds"])
        except DocqueueError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(probe.as_dict()))
        elif probe.ok:
            self.stdout.write(
                f"queue {probe.queue}: item {probe.item_id} came back after {probe.seconds * 1000:.1f} ms"
            )
            for step, milliseconds in probe.steps.items():
                self.stdout.write(f"  {step.ljust(9)}{milliseconds:9.3f} ms")
        if not probe.ok:
            raise CommandError(f"queue {probe.queue}: nothing after {probe.seconds:.1f} s. {probe.why}")
