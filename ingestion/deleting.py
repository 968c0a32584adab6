"""Deleting for good: text, chunks, rows, the knowledge store's copy, queue items, bytes that nothing else refers to.

A document goes in one transaction: search and every list have it whole or not at all. Of an intake the documents go
one by one, and all are hidden from the first moment (`Intake.deleted_at`); what a request leaves, the duty finishes.
Work that runs meanwhile finds its document gone when it commits, and writes nothing.

Locks are taken in one order: documents, then intakes by id, then files. A handler that commits takes its document
first.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from django.db import transaction
from django.utils import timezone

from docqueue.exceptions import IllegalTransition, ItemNotFound
from docqueue.service import DocumentQueueService
from ingestion.blobs import remove_if_unreferenced
from ingestion.cancelling import AlreadyFinished, cancel_intake
from ingestion.errors import StorageUnavailable
from ingestion.km import get_store
from ingestion.km.describing import describe
from ingestion.km_outbox import forget
from ingestion.lifecycle import finish_intake
from ingestion.models import Document, IngestFile, Intake, Outcome, Stage
from ingestion.people import note
from ingestion.reprocess import reprocess_document

BUDGET_SECONDS, ROUND_SECONDS = 5.0, 1.0
"""How long one call, and one round of the duty, deletes an intake's documents."""
WELL = frozenset({Outcome.COMPLETED, Outcome.COMPLETED_NO_TEXT, Outcome.DUPLICATE})
"""Ends of a file that leave no live item."""
MESSAGE = "its document was deleted"

log = logging.getLogger(__name__)


def delete_document(document: Document, *, by: str = "", reason: str = "") -> bool:
    """Delete the document with its text and, where nothing else has them, its bytes. False: it was gone already.

    Its file stays in the intake's list, so that the counts still add up. When other files of the owner are duplicates
    of it, the first of them is processed and becomes the document that the others point to: nobody loses a content
    that was uploaded twice by deleting it once. A knowledge store with copies of its own is told afterwards, by an item
    of the queue; raises what one without them raises, and nothing has changed then.
    """
    gone, file = _delete_one(document.pk, by, reason, asked=True)
    if file is not None:
        finish_intake(file.intake_id)
    return gone


def delete_intake(intake: Intake, *, by: str = "", reason: str = "") -> bool:
    """Delete an upload with its documents, files and archive. It is hidden at once, its documents too.

    False: somebody had begun to delete it before; what is left of that is done all the same.

    Documents are deleted as by `delete_document`, for some seconds; `delete_rest` does what is left of a large intake.
    """
    with transaction.atomic():
        # The idempotency key is free again: the same upload, sent once more, is a new one.
        here = Intake.objects.filter(pk=intake.pk, deleted_at=None)
        first = here.update(deleted_at=timezone.now(), client_key=None) > 0
        if first:
            note("delete_intake", by, reason, intake=intake.pk, name=str(intake))
    with suppress(AlreadyFinished, Intake.DoesNotExist):  # another request may have deleted it by now
        cancel_intake(intake, by=by, reason=reason)
    _delete_all(intake.pk, by, time.monotonic() + BUDGET_SECONDS)
    return first


def delete_rest() -> int:
    """Go on for a moment with intakes whose deletion has begun. Returns how many are gone."""
    deadline = time.monotonic() + ROUND_SECONDS
    begun = Intake.objects.filter(deleted_at__isnull=False).order_by("pk").values_list("pk", flat=True)
    gone = 0
    for intake_id in begun.iterator():
        if time.monotonic() > deadline:
            break
        gone += _delete_all(intake_id, "", deadline)
    return gone


def _delete_all(intake_id: int, by: str, deadline: float) -> bool:
    """True when the intake is gone; False when the time was up, or its unpacking has just brought in more."""
    files = IngestFile.objects.filter(intake=intake_id, document__isnull=False).order_by("ordinal")
    for document_id in files.values_list("document_id", flat=True).iterator(chunk_size=500):
        if document_id is not None:
            _delete_one(document_id, by)
        if time.monotonic() > deadline:
            return False
    with transaction.atomic():
        intake = Intake.objects.select_for_update().filter(pk=intake_id).first()
        if intake is None:
            return True
        files = IngestFile.objects.select_for_update().filter(intake=intake_id).order_by("ordinal")
        left = list(files.values_list("document_id", "blob_id"))
        if any(document_id is not None for document_id, _ in left):
            return False
        unused = {blob_id for _, blob_id in left} | {intake.blob_id}
        intake.delete()
    log.info("intake %s was deleted by %s", intake_id, by or "the program")
    _remove(unused)
    return True


def _delete_one(document_id: int, by: str, reason: str = "", *, asked: bool = False) -> tuple[bool, IngestFile | None]:
    """Delete the document. Returns whether it was there, and its file as it was. `asked`: a person named this one."""
    _cancel(IngestFile.objects.filter(document=document_id).first(), by)
    with transaction.atomic():
        document = Document.objects.select_for_update().filter(pk=document_id).first()
        if document is None:
            return False, None
        file = IngestFile.objects.filter(document=document_id).first()
        heir = _heir(document)
        touched = [row.intake_id for row in (file, heir) if row is not None]
        list(Intake.objects.select_for_update(no_key=True).filter(pk__in=touched).order_by("pk"))
        if heir is not None and heir.document is not None:
            reprocess_document(heir.document, by=by)
            IngestFile.objects.filter(duplicate_of=document_id).update(duplicate_of=heir.document_id)
        store = get_store()
        if store.keeps_copies:
            forget(describe(document, store))
        else:
            store.delete(describe(document))
        unused: set[int | None] = {document.blob_id}
        if file is not None:
            unused |= _leave(file)
        if asked:
            about = {} if file is None else {"intake": file.intake_id, "file": file.pk}
            note("delete_document", by, reason, document=document_id, name=document.title, **about)
        document.delete()
    log.info("document %s was deleted by %s", document_id, by or "the program")
    _remove(unused)
    return True, file


def _cancel(file: IngestFile | None, by: str) -> None:
    """End the file's live item: waiting and dead ones at once; a running one is asked, and finds nothing to commit."""
    if file is not None and file.item_id is not None and file.outcome not in WELL:
        with suppress(IllegalTransition, ItemNotFound):  # it has ended
            DocumentQueueService().cancel(file.item_id, by=by, reason=MESSAGE)


def _heir(document: Document) -> IngestFile | None:
    """The first of the files that are duplicates of the document and stay. Its document is locked, so it does stay."""
    same = IngestFile.objects.filter(duplicate_of=document.pk, document__isnull=False, intake__deleted_at=None)
    for file in same.exclude(document=document.pk).select_related("document__blob").order_by("pk"):
        if Document.objects.select_for_update().filter(pk=file.document_id or 0).first() is not None:
            return file
    return None


def _leave(file: IngestFile) -> set[int | None]:
    """What stays of the file of a deleted document: how it ended. Returns the blobs that it and its archive had."""
    end = {} if file.outcome else {"stage": Stage.CANCELLED, "outcome": Outcome.CANCELLED, "percent": 100}
    if end:
        end["finished_at"] = timezone.now()
    IngestFile.objects.filter(pk=file.pk).update(
        document=None, blob=None, item_id=None, duplicate_of=None, message=MESSAGE, **end
    )
    files = IngestFile.objects.filter(intake=file.intake_id)
    inner = files.filter(outcome=Outcome.UNPACKED)
    kept = files.exclude(outcome=Outcome.UNPACKED).filter(blob__isnull=False)
    if kept.exists() or files.filter(outcome__in=("", Outcome.FAILED)).exists():
        return {file.blob_id}
    # All that came out of the archives is deleted, and nothing is left to be tried again: the archives go, too.
    intake = Intake.objects.get(pk=file.intake_id)
    archives = {intake.blob_id, *inner.values_list("blob_id", flat=True)}
    Intake.objects.filter(pk=intake.pk).update(blob=None)
    inner.update(blob=None)
    return {file.blob_id, *archives}


def _remove(blob_ids: set[int | None]) -> None:
    for blob_id in filter(None, blob_ids):
        try:
            remove_if_unreferenced(blob_id)
        except StorageUnavailable:
            log.warning("the bytes of blob %s could not be removed now; the sweep will", blob_id, exc_info=True)
