"""What the templates show: intakes as cards with their files, from as few statements as a page of the API needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ingestion.api import presenting
from ingestion.api.base import file_rows
from ingestion.extract import supported_types
from ingestion.hints import hint_for
from ingestion.limits import get_limits
from ingestion.models import IngestFile, Intake, IntakeStatus, Outcome
from ingestion.sniffing.kinds import kind_of

FILES_A_CARD = 50
BIGGEST_ORDINAL = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Card:
    """One intake as it is shown: what the API says of it, some of its files, and whether there are `more`.

    `first` is the name of its first file. `of_its_page`: it stands on its own page, with the files from `after` on,
    those only that ended as `outcome` says.
    """

    facts: dict[str, Any]
    files: list[dict[str, Any]] = field(default_factory=list)
    more: bool = False
    first: str = ""
    of_its_page: bool = False
    after: int | None = None
    outcome: str = ""

    @property
    def id(self) -> int:
        """The intake's id."""
        return int(self.facts["id"])

    @property
    def title(self) -> str:
        """What people call it."""
        more = self.facts["files_total"] - 1
        if self.facts["filename"] or not self.first:
            return str(self.facts["filename"] or _n_files(more + 1))
        text = ngettext("%(first)s and %(n)s more", "%(first)s and %(n)s more", more)
        return text % {"first": self.first, "n": f"{more:,}"}

    @property
    def single(self) -> dict[str, Any] | None:
        """Its only file, where it is one plain file: the card is about that file then."""
        only = self.facts["kind"] == "files" and self.facts["files_total"] == 1 and len(self.files) == 1
        return self.files[0] if only else None

    @property
    def hint(self) -> str:
        """The next step after what has failed."""
        return hint_for(self.facts["error_code"] or "")

    @property
    def tone(self) -> str:
        """Its colour, which never says more than the words do: busy, good, mixed or bad."""
        if not self.facts["finished"]:
            return "busy"
        match self.facts["status"]:
            case IntakeStatus.FAILED:
                return "bad"
            case IntakeStatus.COMPLETED:
                return "good"
        return "mixed"

    @property
    def counts(self) -> str:
        """How many files it has and how they ended, in words."""
        facts = self.facts
        counted = [
            (facts["files_completed"], _("completed")),
            (facts["files_no_text"], _("of them without text")),
            (facts["files_duplicate"], _("duplicate")),
            (facts["files_failed"], _("failed")),
            (facts["files_skipped"], _("skipped")),
            (facts["files_cancelled"], _("cancelled")),
        ]
        ended = ", ".join(f"{number:,} {word}" for number, word in counted if number)
        total = _n_files(facts["files_total"])
        return f"{total}: {ended}" if ended else total

    @property
    def can_retry(self) -> bool:
        """Whether anything of it failed."""
        return bool(self.facts["files_failed"]) and self.single is None

    @property
    def confirmation(self) -> str:
        """The question before it is deleted, with what goes."""
        files = self.facts["files_total"]
        text = ngettext(
            "Delete “%(name)s”: %(n)s file, its document, its text and its bytes? This can not be undone.",
            "Delete “%(name)s”: %(n)s files, their documents, their text and their bytes? This can not be undone.",
            files,
        )
        return text % {"name": self.title, "n": f"{files:,}"}


def _n_files(number: int) -> str:
    return ngettext("%(n)s file", "%(n)s files", number) % {"n": f"{number:,}"}


def cards(request: HttpRequest, intakes: Sequence[Intake]) -> list[Card]:
    """Cards for a list, each with its first files; the same few statements however many there are."""
    shown: dict[int, list[IngestFile]] = defaultdict(list)
    rows = IngestFile.objects.filter(intake__in=[row.pk for row in intakes], ordinal__lt=FILES_A_CARD)
    for row in rows.select_related("intake").order_by("intake", "ordinal"):
        shown[row.intake_id].append(row)
    told = presenting.files_at(request, [row for files in shown.values() for row in files])(timezone.now())
    files = {one["id"]: one for one in told}
    return [
        Card(
            facts=facts,
            files=[files[row.pk] for row in shown[facts["id"]]],
            more=facts["files_total"] + facts["files_unpacked"] > len(shown[facts["id"]]),
            first=shown[facts["id"]][0].source_path if shown[facts["id"]] else "",
        )
        for facts in presenting.intakes(request, intakes)
    ]


def whole_card(request: HttpRequest, intake: Intake, *, after: int | None = None, outcome: str = "") -> Card:
    """The card for the intake's own page, with the files behind the ordinal `after`."""
    rows = file_rows(intake).order_by("ordinal")
    if after is not None:
        rows = rows.filter(ordinal__gt=after)
    if outcome:
        rows = rows.filter(outcome=outcome)
    page = list(rows[: FILES_A_CARD + 1])
    told = presenting.files_at(request, page[:FILES_A_CARD])(timezone.now())
    facts = presenting.intake(request, intake)
    first = file_rows(intake).filter(ordinal=0).values_list("source_path", flat=True).first() or ""
    more = len(page) > FILES_A_CARD
    return Card(facts=facts, files=told, more=more, first=first, of_its_page=True, after=after, outcome=outcome)


def place(after: str, outcome: str) -> tuple[int | None, str]:
    """Which files of an intake an address asks for; what makes no sense asks for the first of all."""
    number = int(after) if after.isascii() and after.isdigit() and len(after) < 11 else None
    if number is not None and number > BIGGEST_ORDINAL:
        number = None
    return number, outcome if outcome in Outcome.values else ""


def limits_in_words() -> dict[str, Any]:
    """What the form says before anything is sent."""
    limits = get_limits()
    suffixes = sorted({f".{suffix}" for each in supported_types() for suffix in kind_of(each).extensions} | {".zip"})
    return {
        "upload_bytes": limits.max_upload_bytes,
        "file_bytes": limits.max_file_bytes,
        "files": limits.max_files_per_request,
        "patch_bytes": limits.max_patch_bytes,
        "files_in_words": f"{limits.max_files_per_request:,}",
        "entries_in_words": f"{limits.max_entries:,}",
        "suffixes": suffixes,
        "types": supported_types(),
        "note": _("Files are known by their content, not by their names."),
    }
