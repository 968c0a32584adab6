"""Reprocessing: a new item for the same document, from its stored bytes. Search keeps the old text meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from docqueue import correlation
from docqueue.exceptions import IllegalTransition, ItemNotFound
from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status, WaitReason
from ingestion.errors import IngestionError
from ingestion.intakes import INGEST
from ingestion.lifecycle import blank_run, reopen_intake
from ingestion.models import Document, IngestFile, Stage
from ingestion.states import ACTIVE


class NotReprocessable(IngestionError):
    """This document has no file to be processed from."""

    code = "not_reprocessable"
    status = 409
    hint = "Upload the file again."


@dataclass(frozen=True, kw_only=True)
class Reprocessing:
    """The item that processes the document; `created` is False when one was under way already."""

    item_id: int
    created: bool


def reprocess_document(document: Document, *, by: str = "", priority: int | str = 0) -> Reprocessing:
    """Process the document anew. Work that is under way already is kept; a retry that waits runs now.

    A dead item of the document is discarded (its failure stays in the history): one document, one answer.
    """
    service = DocumentQueueService()
    with transaction.atomic():
        # The intake first, as everybody does who needs both: a file is never locked by one who waits for its intake.
        file = IngestFile.objects.filter(document=document.pk).first()
        if file is None or file.blob_id is None:
            raise NotReprocessable
        reopen_intake(file.intake_id)
        file = IngestFile.objects.select_for_update(no_key=True).select_related("intake").get(pk=file.pk)
        item = QueueItem.objects.filter(pk=file.item_id).first() if file.item_id is not None else None
        if item is not None and item.status in ACTIVE:
            if item.status == Status.WAITING and item.wait_reason == WaitReason.RETRY:
                _run_now(service, item.pk, by)
            return Reprocessing(item_id=item.pk, created=False)
        with correlation.bind(intake=str(file.intake_id)):
            queued = service.enqueue(document.pk, INGEST, priority, payload={"reprocess": True})
        IngestFile.objects.filter(pk=file.pk).update(
            **{**blank_run(), "stage": Stage.PENDING, "percent": 0}, item_id=queued.id, started_at=None
        )
        if item is not None and item.status == Status.DEAD:
            _discard(service, item.pk, by, queued.id)
    return Reprocessing(item_id=queued.id, created=True)


def _run_now(service: DocumentQueueService, item_id: int, by: str) -> None:
    try:
        service.requeue(item_id, by=by, reason="reprocess", reset_attempts=False)
    except (IllegalTransition, ItemNotFound):
        return  # it has started or ended in the meantime, which is what was asked for


def _discard(service: DocumentQueueService, item_id: int, by: str, successor: int) -> None:
    try:
        service.discard(item_id, by=by, reason=f"reprocessed as item {successor}")
    except (IllegalTransition, ItemNotFound):
        return  # somebody has put it back or given it up; item_id of the file says which one counts
