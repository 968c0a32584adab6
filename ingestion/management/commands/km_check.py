"""manage.py km_check: does the knowledge store work, how fast, and what is wrong with it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from ingestion.diagnostics.checking import Step, check


class Command(BaseCommand):
    """Speak to the knowledge store as the workers do."""

    help = (
        "Send a small document to the knowledge store, ask for it and delete it again; each step says what it took and "
        "what is wrong. Exit 1 when something is. Leaves nothing behind."
    )
    requires_system_checks = ()  # it says itself what is wrong

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        checked = check(None if options["json"] else self.tell)
        if options["json"]:
            steps = [asdict(step) for step in checked.steps]
            self.stdout.write(json.dumps({"ok": checked.ok, "store": checked.store, "steps": steps}))
        if not checked.ok:
            raise SystemExit(1)

    def tell(self, step: Step) -> None:
        """One line for a step, one more for what to do."""
        styles = {True: self.style.SUCCESS("ok    "), False: self.style.ERROR("FAILED"), None: "–     "}
        took = "" if step.milliseconds is None else f"{step.milliseconds:.1f} ms"
        self.stdout.write(f"{styles[step.ok]}  {step.name.ljust(9)}{took.rjust(11)}  {step.said}{_phases(step)}")
        if step.hint:
            self.stdout.write(f"        → {step.hint}")


def _phases(step: Step) -> str:
    """What the last exchange of the step was made of."""
    if not step.ok or not step.calls:
        return ""
    names = {"queue_wait": "queue", "connect": "connect", "send": "send", "first_byte": "first byte"}
    took = step.calls[-1]["milliseconds"]
    parts = [f"{label} {took[name]:.1f}" for name, label in names.items() if took[name] is not None]
    return f" ({', '.join(parts)} ms)" if parts else ""
