"""manage.py queue_chaos SCENARIO --seed S: a storm on real workers, judged by a ledger."""

from __future__ import annotations

import random
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from docqueue.chaos import checker, ledger
from docqueue.chaos.scenarios import SCENARIOS
from docqueue.conf import before_checks
from docqueue.exceptions import ConfigurationError
from docqueue.models import QueueItem
from docqueue.store import connection

MARKS = ("test", "chaos")
USUAL = {"items": 2_000, "strikes": 40, "workers": 4, "processes": 3}


class Command(BaseCommand):
    """Strike at workers, then judge what became of every item."""

    help = "Run a seeded storm on real workers and check the history. Exit 1 on any violation."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("scenario", nargs="?", choices=list(SCENARIOS))
        parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
        parser.add_argument("--items", type=int, default=None, help="default: 2,000 in most scenarios")
        parser.add_argument(
            "--strikes", type=int, default=None, help="how many kills, stops, crashes; default: mostly 40"
        )
        parser.add_argument("--workers", type=int, default=None, help="default: mostly 4")
        parser.add_argument("--processes", type=int, default=None, help="executors of each worker; default: mostly 3")
        parser.add_argument("--lease-seconds", type=float, default=3.0)
        parser.add_argument("--folder", type=Path, default=None, help="for ledger and logs; default: a new one in /tmp")
        parser.add_argument("--replay", type=Path, metavar="LEDGER", help="only check this ledger again")
        parser.add_argument("--database", default=before_checks().DATABASE, help="alias of the queue's database")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["replay"]:
            self.judge(options["replay"])
            return
        if options["scenario"] is None:
            about = "\n".join(f"  {name}: {scenario.about}" for name, scenario in SCENARIOS.items())
            raise CommandError(f"Choose a scenario:\n{about}")
        self.refuse_other_databases(options["database"])
        seed = random.SystemRandom().randrange(2**32) if options["seed"] is None else options["seed"]
        folder = options["folder"] or Path(tempfile.mkdtemp(prefix="docqueue-chaos-"))
        if (folder / "ledger.jsonl").exists():
            raise CommandError(f"{folder} has the ledger of another storm: name an empty folder, or none.")
        scenario = SCENARIOS[options["scenario"]]
        told = {name: options[name] for name in USUAL if options[name] is not None}
        storm = scenario(
            using=options["database"],
            folder=folder.resolve(),
            seed=seed,
            lease_seconds=options["lease_seconds"],
            say=self.stdout.write,
            **{**USUAL, **scenario.usual, **told},
        )
        self.stdout.write(f"{options['scenario']}: seed {seed}, ledger {storm.ledger.path}")
        began = time.monotonic()
        try:
            storm.run()
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"over after {time.monotonic() - began:.0f} s")
        self.judge(storm.ledger.path)

    @staticmethod
    def refuse_other_databases(using: str) -> None:
        """A storm fills its database and strikes at its workers: only one that is marked for tests, and is empty."""
        name = str(connection(using).settings_dict["NAME"])
        if not any(mark in name for mark in MARKS):
            raise CommandError(
                f"The database {name!r} is not marked for tests: its name has none of {', '.join(MARKS)} in it. "
                "Make one of its own, for example docqueue_chaos, and name it in DATABASE_URL."
            )
        if QueueItem.objects.using(using).exists():
            raise CommandError(f"The database {name!r} has live items: a storm needs an empty queue.")

    def judge(self, path: Path) -> None:
        """Check a ledger and print the verdict. Raises `CommandError` on any violation."""
        verdict = checker.check(ledger.read(path))
        for line in checker.report(verdict):
            self.stdout.write(line)
        if not verdict.passed:
            kinds = ", ".join(f"{len(found):,} × {kind}" for kind, found in sorted(verdict.violations.items()) if found)
            raise CommandError(f"violations: {kinds}")
        self.stdout.write(self.style.SUCCESS("no violation"))
