"""`process_document_content`: from stored bytes to searchable text, the same for every caller.

Everything slow happens before the transaction; in it the receipt, the new chunks, the document and its file change
together, and with them, when a queue handler runs this, the completion of the item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from ingestion import attachments, hot, storage
from ingestion.attachments import Found, not_taken
from ingestion.dedupe import KnownByNow, WinnerGone, known_as, receipt_is_free, unknown
from ingestion.errors import IngestionError, OutOfMemory
from ingestion.extract import Extraction, Interrupted, NoText, extract
from ingestion.km import KMDocument, KnowledgeStore, get_store, kept_as
from ingestion.km.describing import describe
from ingestion.km_outbox import forget
from ingestion.limits import get_limits
from ingestion.looking import look_at
from ingestion.models import Document, Outcome, Stage, TextReason, TextStatus
from ingestion.progress import SMALL_BYTES, Report, silent
from ingestion.search.chunking import chunk_pages
from ingestion.sniff import Detected

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
    fallback: bool = False,
    from_stage: str = Stage.UPLOADING,
) -> ContentResult:
    """Make the document's stored bytes searchable, or find that they are known already.

    Until the transaction commits, search answers from the text before. From the stage `indexing` on, a knowledge store
    that has the bytes is not handed them again. `fallback`: read it in another way than usual, where there is one,
    because the usual one ended a process. Raises an `IngestionError` that says whether a retry can help; nothing of the
    document has changed then. When the document was deleted meanwhile nothing is written. Calls parsers: run it where a
    crash, a leak or an endless loop hurts nobody else.
    """
    store = store or get_store()
    # To read a small file is less work than to ask beforehand; then the completing transaction finds it out.
    if (store.keeps_copies or document.blob.size >= SMALL_BYTES) and known_as(document) is not None:
        return _end_otherwise(document, store, commit, sent=bool(document.km_ref))
    described = describe(document, store)
    try:
        return _read_and_index(document, described, store, report, commit, fallback=fallback, from_stage=from_stage)
    except KnownByNow:
        return _end_otherwise(document, store, commit, sent=True)
    except IngestionError:
        if known_as(document) is None:
            raise
        return _end_otherwise(document, store, commit, sent=True)


def _read_and_index(
    document: Document,
    described: KMDocument,
    store: KnowledgeStore,
    report: Report,
    commit: Commit,
    *,
    fallback: bool,
    from_stage: str,
) -> ContentResult:
    said: dict[str, Any] = {}
    with _not_left_behind(store, described):
        with storage.local_path(document.blob.storage_key, size=document.blob.size) as path:
            report(from_stage, 10)
            detected = look_at(path, described.filename)
            described = replace(described, type=detected.type, content_type=detected.mime)
            reference = _kept(document, described, from_stage) or store.put(described)
            report(Stage.INDEXING, 30)
            extraction = _extract(path, detected, report, fallback=fallback)
        extraction, found = _attachments(document, extraction, report)
        report(Stage.INDEXING, 70)
        with commit(said), receipt_is_free():
            if found:  # documents are locked before intakes, and these before files, by everybody
                _is_there(document)
                attachments.enqueue(document.file, found)
            chunks = store.index(described, chunk_pages(extraction.pages))
            said |= _end_as_completed(document, detected, extraction, kept_as(store, reference), chunks)
    return ContentResult(**said)


def _kept(document: Document, described: KMDocument, from_stage: str) -> str:
    """The reference of a store that has the bytes already: from the time before, or sent a moment ago in a batch."""
    return described.reference if from_stage == Stage.INDEXING or not document.type else ""


def _end_otherwise(document: Document, store: KnowledgeStore, commit: Commit, *, sent: bool) -> ContentResult:
    """End as the duplicate of a document that was completed with the same bytes; or write nothing: it was deleted.

    `sent`: the knowledge store may have a copy by now, which is one too many.
    """
    said: dict[str, Any] = {}
    with commit(said):
        if not _is_there(document):
            said["outcome"] = DELETED
        elif (winner := known_as(document)) is not None:
            if sent and store.keeps_copies:
                forget(describe(document, store))
                Document.objects.filter(pk=document.pk).update(km_ref="")
            hot.end(document.pk, Outcome.DUPLICATE, duplicate_of=winner)
            said |= {"outcome": Outcome.DUPLICATE.value, "duplicate_of": winner}
        else:
            raise WinnerGone
    return ContentResult(**said)


def _is_there(document: Document) -> bool:
    """Whether the document was not deleted; it can not be any more until the transaction ends."""
    rows = Document.objects.select_for_update(no_key=True).filter(pk=document.pk)
    return rows.values_list("pk", flat=True).first() is not None


def _extract(path: Path, detected: Detected, report: Report, *, fallback: bool) -> Extraction:
    def tell(page: int, pages: int | None) -> None:
        report(Stage.INDEXING, 30 + (40 * min(page, pages) // pages if pages else 0), _("page %(n)d") % {"n": page})

    try:
        return extract(path, detected, get_limits(), fallback=fallback, tell=tell)
    except Interrupted as stop:
        raise stop.cause from None
    except MemoryError as error:
        # Another try in a fresh place may do; a third would only keep others waiting.
        raise OutOfMemory(retryable=not fallback) from error


def _attachments(document: Document, extraction: Extraction, report: Report) -> tuple[Extraction, list[Found]]:
    """What was found in the document and stored; a warning where it is not taken."""
    if not extraction.attachments:
        return extraction, []
    warning = not_taken(getattr(document, "file", None), extraction.attachments, get_limits())
    if warning:
        return replace(extraction, warnings=(*extraction.warnings, warning)), []
    return extraction, attachments.store(extraction.attachments, report)


@contextmanager
def _not_left_behind(store: KnowledgeStore, described: KMDocument) -> Iterator[None]:
    """However the block ends: a document that was deleted here before it came to the store is taken out of it again."""
    try:
        yield
    finally:
        if store.keeps_copies and not Document.objects.filter(pk=described.id).exists():
            store.delete(described)


def _end_as_completed(
    document: Document, detected: Detected, extraction: Extraction, reference: str, chunks: int
) -> dict[str, Any]:
    outcome = Outcome.COMPLETED if extraction.has_text else Outcome.COMPLETED_NO_TEXT
    note = extraction.no_text_reason.sentence if extraction.no_text_reason else ""
    changed = Document.objects.filter(unknown(document), pk=document.pk).update(
        receipt_sha256=document.blob.sha256,
        title=(extraction.title or document.title)[:255],
        type=detected.type,
        content_type=detected.mime[:127],
        text_status=TextStatus.OK if extraction.has_text else TextStatus.NO_TEXT,
        text_reason=_reason(extraction),
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
    if not changed:
        raise KnownByNow
    hot.end(document.pk, outcome, message=note)
    counts = {"pages": extraction.page_count, "chunks": chunks, "characters": extraction.text_length}
    return {"outcome": outcome.value, **counts}


def _reason(extraction: Extraction) -> str:
    """Why there is no text, for programs: whether text recognition would help is what they want to know."""
    match extraction.no_text_reason:
        case None:
            return ""
        case NoText.EMPTY:
            return TextReason.EMPTY
        case NoText.SCAN | NoText.DRAWING:
            return TextReason.NEEDS_OCR
        case NoText.NOT_RECOGNISED:
            return TextReason.NOT_RECOGNISED


def _mismatch(detected: Detected) -> list[str]:
    said = f"type_mismatch: the name promises another type than the content, which is {detected.type}"
    return [said] if detected.mismatch else []
