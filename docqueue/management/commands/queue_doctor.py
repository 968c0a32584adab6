"""manage.py queue_doctor: what is wrong, and how to mend it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from docqueue import doctor


class Command(BaseCommand):
    """Examine the queue and what it depends on."""

    help = "Examine the queue and its database; each finding says how to mend it. Exit 1 on an error, 2 on a warning."
    requires_system_checks = ()  # it says itself what is wrong

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--database", default=None, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        found = doctor.examine(options["database"])
        worst = doctor.worst(found)
        if options["json"]:
            self.stdout.write(json.dumps({"level": worst, "findings": [asdict(finding) for finding in found]}))
        else:
            styles = {"ok": self.style.SUCCESS, "warning": self.style.WARNING, "error": self.style.ERROR}
            for finding in found:
                self.stdout.write(f"{styles[finding.level](finding.level.ljust(8))}{finding.about}: {finding.said}")
                if finding.hint:
                    self.stdout.write(f"        → {finding.hint}")
        if worst is not doctor.Level.OK:
            raise SystemExit(1 if worst is doctor.Level.ERROR else 2)
