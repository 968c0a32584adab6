"""Reading an archive again, for those of its entries that failed while it was unzipped. The others stay as they are."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from ingestion.intakes import enqueue_unpacking
from ingestion.lifecycle import blank_run, reopen_intakes
from ingestion.models import IngestFile, Intake, IntakeKind, Outcome, Stage
from ingestion.reprocess import discard

ARCHIVE = Q(kind=IntakeKind.ZIP, blob__isnull=False)
FAILED = Q(outcome=Outcome.FAILED, stage=Stage.UNZIP_FAILED, document=None)
UNREAD = FAILED & Q(item_id=None)
"""Entries of an archive whose bytes could not be had."""
UNOPENED = FAILED & Q(item_id__isnull=False, blob__isnull=False)
"""Archives among the files of an upload that could not be unzipped."""


def unzip_again(intake_id: int, entries: Q, *, by: str, priority: int | str, within: int | None = None) -> int | None:
    """Have an archive read again for its failed entries that match. Returns the item that does it.

    The archive is the intake's own, or the one among its files with the id `within`. None: its unzipping is under way,
    it is being cancelled, or nothing in it has failed so. An archive that failed before its entries were known is read
    whole. Stored bytes, documents and what search answers stay.
    """
    with transaction.atomic():
        intake = Intake.objects.select_for_update(no_key=True).filter(pk=intake_id).first()
        if intake is None or (intake.cancel_requested_at is not None and intake.finished_at is None):
            return None
        archive = _ended_archive(intake, within)
        if archive is None:
            return None
        children = IngestFile.objects.filter(intake=intake.pk, parent=within)
        failed = children.filter(UNREAD, entries).values("pk")
        again = {**blank_run(), "stage": Stage.PENDING, "percent": 0, "started_at": None}
        changed = IngestFile.objects.filter(pk__in=failed).update(**again)
        if not changed and (children.exists() or not archive.error_code):
            return None
        old, file = archive.item_id, archive if isinstance(archive, IngestFile) else None
        item_id = enqueue_unpacking(intake, file, priority=priority)
        if old is not None and QueueItem.objects.filter(pk=old, status=Status.DEAD).exists():
            discard(DocumentQueueService(), old, by, item_id)
        reopen_intakes([intake.pk])
        if file is None:
            blank = {"error_code": "", "error_message": "", "message": "", "unpacked_at": None, "percent": 0}
            Intake.objects.filter(pk=intake.pk).update(
                **blank, item_id=item_id, cancel_requested_at=None, stage=Stage.PENDING
            )
        else:
            IngestFile.objects.filter(pk=file.pk).update(**{**again, "stage": Stage.UNZIPPING}, item_id=item_id)
    return item_id


def _ended_archive(intake: Intake, within: int | None) -> Intake | IngestFile | None:
    """The row that describes the archive, if it is there and its unzipping is over. The intake is locked."""
    if within is None:
        is_there = intake.kind == IntakeKind.ZIP and intake.blob_id is not None and intake.unpacked_at is not None
        return intake if is_there else None
    ended = Q(outcome__in=[Outcome.FAILED, Outcome.UNPACKED], document=None, blob__isnull=False)
    return IngestFile.objects.select_for_update(no_key=True).filter(ended, pk=within, intake=intake.pk).first()
