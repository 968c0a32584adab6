"""Reading an archive again, for those of its entries that failed while it was unzipped. The others stay as they are."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from docqueue import correlation
from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from ingestion.intakes import UNPACK
from ingestion.models import IngestFile, Intake, IntakeKind, IntakeStatus, Outcome, Stage
from ingestion.reprocess import discard

ARCHIVE = Q(kind=IntakeKind.ZIP, blob__isnull=False)
UNREAD = Q(outcome=Outcome.FAILED, stage=Stage.UNZIP_FAILED, document=None, item_id=None, parent=None)
"""Entries of an upload's own archive whose bytes could not be had."""


def unzip_again(intake_id: int, entries: Q, *, by: str, priority: int | str) -> int | None:
    """Have the intake's archive read again for the failed entries that match. Returns the item that does it.

    None: its unzipping is under way, it is being cancelled, or nothing in it has failed so. An archive that failed
    before its entries were known is read whole. Stored bytes, documents and what search answers stay.
    """
    service = DocumentQueueService()
    with transaction.atomic():
        intake = Intake.objects.select_for_update(no_key=True).filter(ARCHIVE, pk=intake_id).first()
        if intake is None or intake.unpacked_at is None:
            return None
        if intake.cancel_requested_at is not None and intake.finished_at is None:
            return None
        failed = IngestFile.objects.filter(UNREAD, entries, intake=intake.pk)
        known = IngestFile.objects.filter(intake=intake.pk).exists()
        blank = {"error_code": "", "error_message": "", "hint": "", "message": "", "finished_at": None}
        changed = IngestFile.objects.filter(pk__in=failed.values("pk")).update(
            outcome="", stage=Stage.PENDING, percent=0, started_at=None, **blank
        )
        if not changed and (known or not intake.error_code):
            return None
        with correlation.bind(intake=str(intake.pk)):
            queued = service.enqueue(None, UNPACK, priority, payload={"intake": intake.pk})
        if intake.item_id is not None and QueueItem.objects.filter(pk=intake.item_id, status=Status.DEAD).exists():
            discard(service, intake.item_id, by, queued.id)
        del blank["hint"]
        Intake.objects.filter(pk=intake.pk).update(
            item_id=queued.id,
            unpacked_at=None,
            cancel_requested_at=None,
            status=IntakeStatus.IN_PROGRESS,
            stage=Stage.PENDING,
            percent=0,
            **blank,
        )
    return queued.id
