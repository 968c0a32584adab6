"""`process_document_content`: from stored bytes to searchable text, the same for every caller.

Everything slow happens before the transaction; in it the receipt, the new chunks, the document and its file change
together, and with them, when a queue handler runs this, the completion of the item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from ingestion import storage
from ingestion.dedupe import known_as, unless_known
from ingestion.errors import EmptyFile, UnknownFormat
from ingestion.extract import Extraction, extract
from ingestion.km import KMDocument, KnowledgeStore, get_store
from ingestion.limits import get_limits
from ingestion.models import Document, IngestFile, Outcome, Stage, TextStatus
from ingestion.progress import Report, silent
from ingestion.search.chunking import chunk_pages
from ingestion.sniff import Detected, sniff

DELETED = "deleted"
"""The outcome of processing a document that was deleted meanwhile."""


@dataclass(frozen=True, kw_only=True)
class ContentResult:
    """How processing ended."""

    outcome: str
    duplicate_of: int | None = None
    pages: int | None = None
    chunks: int = 0
    characters: int = 0


Commit = Callable[[dict[str, Any]], AbstractContextManager[Any]]
"""Opens the transaction that completes a document. The dict holds the `ContentResult`'s values when it ends."""


def plain_commit(said: dict[str, Any]) -> AbstractContextManager[Any]:  # noqa: ARG001 - nobody keeps the result
    """An ordinary transaction, for callers without a queue item."""
    return transaction.atomic()


def process_document_content(
    document: Document,
    *,
    report: Report = silent,
    commit: Commit = plain_commit,
    store: KnowledgeStore | None = None,
) -> ContentResult:
    """Make the document's stored bytes searchable, or find that they are known already.

    Until the transaction commits, search answers from the text before. Raises an `IngestionError` that says whether a
    retry can help; nothing of the document has changed then. When the document was deleted meanwhile nothing is
    written. Calls parsers: run it where a crash, a leak or an endless loop hurts nobody else.
    """
    said: dict[str, Any] = {}
    winner = known_as(document)
    if winner is not None:
        with commit(said):
            said |= _unless_deleted(document, lambda: _end_as_duplicate(document, winner))
        return ContentResult(**said)
    store = store or get_store()
    described = describe(document)
    with _not_left_behind(store, described):
        with storage.local_path(document.blob.storage_key) as path:
            report(Stage.UPLOADING, 10)
            detected = sniff(path, described.filename)
            _refuse_what_is_no_document(detected)
            described = replace(described, type=detected.type, content_type=detected.mime)
            reference = store.upload(described, key=f"{document.pk}:{described.sha256}")
            report(Stage.INDEXING, 30)
            extraction = extract(path, detected, get_limits())
        report(Stage.INDEXING, 70)

        def index() -> dict[str, Any]:
            chunks = store.index(described, chunk_pages(extraction.pages))
            return _end_as_completed(document, detected, extraction, reference, chunks)

        def end() -> dict[str, Any]:
            ended = unless_known(document, index)
            return _end_as_duplicate(document, ended) if isinstance(ended, int) else ended

        with commit(said):
            said |= _unless_deleted(document, end)
    return ContentResult(**said)


@contextmanager
def _not_left_behind(store: KnowledgeStore, described: KMDocument) -> Iterator[None]:
    """However the block ends: a document that was deleted here before it came to the store is taken out of it again."""
    try:
        yield
    finally:
        if not Document.objects.filter(pk=described.id).exists():
            store.delete(described)


def _unless_deleted(document: Document, end: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run `end` while nobody can delete the document; nothing is written when somebody has."""
    there = Document.objects.select_for_update(no_key=True).filter(pk=document.pk).values_list("pk", flat=True).first()
    return {"outcome": DELETED} if there is None else end()


def describe(document: Document) -> KMDocument:
    """The document as a knowledge store sees it."""
    file: IngestFile | None = getattr(document, "file", None)
    return KMDocument(
        id=document.pk,
        owner_id=document.owner_id,
        title=document.title,
        filename=file.safe_name if file else document.title,
        content_type=document.content_type,
        size=document.blob.size,
        sha256=document.blob.sha256,
        storage_key=document.blob.storage_key,
        created_at=document.created_at,
        type=document.type,
        intake_id=file.intake_id if file else None,
        tags=tuple(document.tags),
    )


def _refuse_what_is_no_document(detected: Detected) -> None:
    """Give the two cases that are no type of file their own names, which say more than "not supported"."""
    if detected.type == "empty":
        raise EmptyFile(stage=Stage.UPLOADING)
    if detected.type == "unknown":
        raise UnknownFormat


def _end_as_duplicate(document: Document, winner: int) -> dict[str, Any]:
    _end_file(document, Outcome.DUPLICATE, duplicate_of=winner)
    return {"outcome": Outcome.DUPLICATE.value, "duplicate_of": winner}


def _end_as_completed(
    document: Document, detected: Detected, extraction: Extraction, reference: str, chunks: int
) -> dict[str, Any]:
    outcome = Outcome.COMPLETED if extraction.has_text else Outcome.COMPLETED_NO_TEXT
    note = extraction.no_text_reason.sentence if extraction.no_text_reason else ""
    Document.objects.filter(pk=document.pk).update(
        receipt_sha256=document.blob.sha256,
        title=(extraction.title or document.title)[:255],
        type=detected.type,
        content_type=detected.mime[:127],
        text_status=TextStatus.OK if extraction.has_text else TextStatus.NO_TEXT,
        text_note=note[:255],
        text_length=extraction.text_length,
        page_count=extraction.page_count,
        chunk_count=chunks,
        extractor=extraction.extractor[:64],
        extractor_version=extraction.version,
        warnings=[*_mismatch(detected), *extraction.warnings],
        km_ref=reference[:255],
        indexed_at=Now(),
    )
    _end_file(document, outcome, message=note)
    counts = {"pages": extraction.page_count, "chunks": chunks, "characters": extraction.text_length}
    return {"outcome": outcome.value, **counts}


def _mismatch(detected: Detected) -> list[str]:
    said = f"type_mismatch: the name promises another type than the content, which is {detected.type}"
    return [said] if detected.mismatch else []


def _end_file(document: Document, outcome: str, *, message: str = "", duplicate_of: int | None = None) -> None:
    IngestFile.objects.filter(document=document.pk).update(
        stage=Stage.COMPLETED,
        outcome=outcome,
        percent=100,
        message=message[:500],
        error_code="",
        error_message="",
        hint="",
        duplicate_of=duplicate_of,
        finished_at=Now(),
    )
