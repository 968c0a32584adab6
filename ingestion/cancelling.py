"""Cancelling an intake or a document: waiting work ends at once, running work is asked to stop.

An intake keeps the wish on its row, so work that this call did not reach finds it when it starts.
"""

from __future__ import annotations

import time

from django.db import transaction
from django.db.models.functions import Now

from docqueue.exceptions import IllegalTransition, ItemNotFound
from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from ingestion.errors import IngestionError, WaitsForArchive
from ingestion.lifecycle import cancel_file, cancel_files, finish_intake
from ingestion.models import Document, IngestFile, Intake
from ingestion.people import note
from ingestion.states import ACTIVE

BUDGET_SECONDS = 5.0
"""How long one call cancels items one by one; the rest are ended as they start."""


class AlreadyFinished(IngestionError):
    """It has ended already; there is nothing to cancel."""

    code = "already_finished"
    status = 409
    hint = "Look at its state. A document can be reprocessed, a file uploaded again."


def cancel_intake(intake: Intake, *, by: str = "", reason: str = "") -> bool:
    """Cancel everything of the intake that has not ended. What is completed stays. Raises `AlreadyFinished`.

    False: its end was asked for before, and it has not ended yet; what is left of that is done all the same.
    """
    service = DocumentQueueService()
    with transaction.atomic():
        locked = Intake.objects.select_for_update(no_key=True).get(pk=intake.pk)
        if locked.finished_at is not None:
            raise AlreadyFinished(f"This intake is {locked.get_status_display()} already.")
        asked, reopened = locked.cancel_requested_at, locked.reopened_at
        first = asked is None or (reopened is not None and reopened > asked)
        # By the clock of the items, and anew where it was cancelled before and then processed anew.
        Intake.objects.filter(pk=intake.pk).update(cancel_requested_at=Now())
        if locked.unpacked_at is None and _cancelled(service, locked.item_id, by, reason):
            Intake.objects.filter(pk=intake.pk).update(unpacked_at=Now())
        cancel_files(IngestFile.objects.filter(intake=intake.pk))
        if first:
            note("cancel_intake", by, reason, intake=intake.pk)
    deadline = time.monotonic() + BUDGET_SECONDS
    queued = IngestFile.objects.filter(intake=intake.pk, outcome="", item_id__isnull=False).order_by("-ordinal")
    for file in queued.only("pk", "item_id").iterator(chunk_size=500):
        if _cancelled(service, file.item_id, by, reason):
            cancel_file(file, item_id=file.item_id)
        if time.monotonic() > deadline:
            break
    finish_intake(intake.pk)
    return first


def cancel_document(document: Document, *, by: str = "", reason: str = "") -> None:
    """Cancel the work on one document. What search answers stays as it is. Raises `AlreadyFinished`."""
    file = IngestFile.objects.filter(document=document.pk).first()
    if file is None or file.item_id is None:
        raise AlreadyFinished
    cancel_one_file(file, by=by, reason=reason)


def cancel_one_file(file: IngestFile, *, by: str = "", reason: str = "") -> None:
    """Cancel the work on one file. Raises `AlreadyFinished`, and `WaitsForArchive` while it has no work of its own."""
    if file.item_id is None and not file.outcome:
        raise WaitsForArchive
    if file.item_id is None or (file.outcome and not _active(file.item_id)):
        raise AlreadyFinished
    # Not in one transaction: whoever begins a file anew locks it before its item.
    if _cancelled(DocumentQueueService(), file.item_id, by, reason):
        cancel_file(file, item_id=file.item_id)
    about = {"document": file.document_id} if file.document_id is not None else {}
    note("cancel_file", by, reason, intake=file.intake_id, file=file.pk, **about)
    finish_intake(file.intake_id)


def _active(item_id: int) -> bool:
    """Whether the item will still run, or runs: a dead one that a person has put back does."""
    return QueueItem.objects.filter(pk=item_id, status__in=ACTIVE).exists()


def _cancelled(service: DocumentQueueService, item_id: int | None, by: str, reason: str) -> bool:
    """Cancel an item. True: it ended; False: it runs and was asked to stop, or it completed before."""
    if item_id is None:
        return True
    try:
        return service.cancel(item_id, by=by, reason=reason) == Status.CANCELLED
    except (IllegalTransition, ItemNotFound):
        return False
