"""The way of the corpus through the system: sent as uploads of one owner, looked at and searched as that owner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.core.files import File

from ingestion.errors import IngestionError
from ingestion.extract import NoText
from ingestion.models import IngestFile, Intake, IntakeKind
from ingestion.services import accept_upload, search
from tests.corpus.judge import Found
from tests.corpus.table import INSIDE, Expected

HITS_A_PAGE = 100
_REASONS = {reason.sentence: reason.value for reason in NoText}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What was sent: the intake of each file that was taken in, and the code of each that was refused."""

    owner_id: int
    intakes: dict[int, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def unfinished(self) -> list[str]:
        """The files whose intake has not ended."""
        waiting = Intake.objects.filter(pk__in=self.intakes, finished_at=None).order_by("pk")
        return [self.intakes[intake] for intake in waiting.values_list("pk", flat=True)]


def send(owner_id: int, folder: Path, paths: Sequence[str]) -> Sent:
    """Upload each file by itself, as a request would."""
    sent = Sent(owner_id=owner_id)
    for path in paths:
        with (folder / path).open("rb") as stream:
            try:
                intake = accept_upload(owner_id, [File(stream, Path(path).name)]).intake
            except IngestionError as error:
                sent.refused[path] = error.code
            else:
                sent.intakes[intake.pk] = path
    return sent


def look(sent: Sent, rows: Sequence[Expected]) -> dict[str, Found]:
    """What became of each file, those found inside others too, by their paths in the table."""
    phrases = {row.path: row.phrase for row in rows}
    found = {path: Found(outcome="refused", code=code) for path, code in sent.refused.items()}
    for intake in Intake.objects.filter(pk__in=sent.intakes, kind=IntakeKind.ZIP):
        code = intake.error_code
        found[sent.intakes[intake.pk]] = Found(outcome="failed" if code else "unpacked", code=code)
    files = IngestFile.objects.filter(intake__in=sent.intakes).select_related("intake", "document", "blob")
    for file in files:
        path = _path(file, sent.intakes)
        found[path] = _found(file, phrases.get(path, ""), sent.owner_id)
    return found


def _path(file: IngestFile, intakes: Mapping[int, str]) -> str:
    """A file's path in the table."""
    uploaded = intakes[file.intake_id]
    if file.intake.kind == IntakeKind.ZIP:
        return f"{uploaded}{INSIDE}{file.source_path}"
    if file.parent_id is None:
        return uploaded
    return f"{uploaded}{INSIDE}{file.source_path.removeprefix(file.intake.filename + '/')}"


def _found(file: IngestFile, phrase: str, owner_id: int) -> Found:
    document = file.document
    return Found(
        outcome=file.outcome,
        code=file.error_code or (_REASONS.get(document.text_note, "") if document else ""),
        sha256=file.blob.sha256 if file.blob else "",
        pages=frozenset(_pages(owner_id, phrase, document.pk)) if phrase and document else frozenset(),
    )


def _pages(owner_id: int, phrase: str, document_id: int) -> Iterator[int]:
    """The pages of a document on which its owner finds the phrase."""
    cursor = None
    while True:
        page = search(owner_id, f'"{phrase}"', limit=HITS_A_PAGE, cursor=cursor)
        yield from (hit.page or 1 for hit in page.hits if hit.document_id == document_id)
        if page.next_cursor is None:
            return
        cursor = page.next_cursor
