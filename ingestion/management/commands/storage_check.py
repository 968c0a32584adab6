"""`manage.py storage_check`: every missing, orphaned or damaged blob; `--mend` does what can be done about them."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from ingestion.blobs import GRACE_SECONDS
from ingestion.errors import IngestionError
from ingestion.storage_check import Finding, Kind, Seen, check, is_empty
from ingestion.storage_mend import mend, origin_of

EVERY_PERCENT = 5


class Command(BaseCommand):
    """Exit code 0: all is well (or was mended). 1: something is wrong. 2: the storage could not be looked through."""

    told = 0
    help = "Compare the stored bytes with what the database knows of them; name what is missing, orphaned or damaged."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options."""
        parser.add_argument("--verify", action="store_true", help="read all bytes and compare their hashes")
        parser.add_argument(
            "--mend",
            action="store_true",
            help="bring back what an archive still has, remove orphans, give up unfinished uploads, mark what is lost",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a line; the last one sums up")
        parser.add_argument(
            "--grace-seconds",
            type=float,
            default=GRACE_SECONDS,
            help="leave orphans and unfinished uploads that are younger (default %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, and tell each finding as it comes."""
        seen, kinds, left = Seen(), Counter[str](), 0
        try:
            if options["mend"] and is_empty():
                self.stderr.write(
                    "There is not one stored document where the database knows of some: is the disk mounted, is "
                    "DOCUMENTS_URL right? Nothing was mended."
                )
                raise SystemExit(2)
            found = check(seen, verify=options["verify"], grace_seconds=options["grace_seconds"], report=self._progress)
            for finding in found:
                kinds[finding.kind] += 1
                done, said = mend(finding) if options["mend"] else (False, _remedy(finding))
                left += not done
                self._tell(finding, done, said, as_json=options["json"])
        except IngestionError as error:
            self.stderr.write(f"The storage could not be looked through: {error} {error.hint}")
            raise SystemExit(2) from error
        self._sum_up(seen, kinds, left, as_json=options["json"])
        if left:
            raise SystemExit(1)

    def _progress(self, seen: Seen) -> None:
        if seen.percent >= self.told + EVERY_PERCENT:
            self.told = seen.percent
            self.stderr.write(f"{seen.percent} %: {seen.stored:,} blobs, {seen.bytes:,} bytes")

    def _tell(self, finding: Finding, done: bool, said: str, *, as_json: bool) -> None:
        if as_json:
            line = {**asdict(finding), "mended": done, "said": said}
            self.stdout.write(json.dumps(line))
            return
        size = f"{finding.size:,} bytes"
        if finding.found is not None and finding.found != finding.size:
            size += f" ({finding.found:,} found)"
        words = [f"{finding.kind:<10} {finding.key}", size, _needed_by(finding), said]
        self.stdout.write("; ".join(word for word in words if word))

    def _sum_up(self, seen: Seen, kinds: Counter[str], left: int, *, as_json: bool) -> None:
        if as_json:
            every = {kind.value: kinds[kind] for kind in Kind}
            self.stdout.write(json.dumps({"summary": {**asdict(seen), **every, "left": left}}))
            return
        wrong = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items())) or "nothing is wrong"
        rest = f"; {left:,} left" if kinds else ""
        self.stdout.write(f"{seen.rows:,} rows, {seen.stored:,} blobs, {seen.bytes:,} bytes: {wrong}{rest}")


def _needed_by(finding: Finding) -> str:
    needs = finding.needs
    said = []
    for word, count, ids in (
        ("document", needs.document_count, needs.documents),
        ("intake", needs.intake_count, needs.intakes),
    ):
        if count:
            more = f" and {count - len(ids):,} more" if count > len(ids) else ""
            said.append(f"{word}{'s' if count > 1 else ''} {', '.join(map(str, ids))}{more}")
    return f"needed by {' of '.join(said)}" if said else ""


def _remedy(finding: Finding) -> str:
    match finding.kind:
        case Kind.ORPHAN:
            return "no row knows it; --mend removes it"
        case Kind.UNFINISHED:
            return "an upload in parts that never ended; --mend gives it up"
    if not finding.needs.documents and not finding.needs.intakes:
        return "nothing needs it; --mend removes its row"
    origin = origin_of(finding.blob_id)
    return f"--mend brings it back from {origin.said}" if origin else "no archive has it: upload the file again"
