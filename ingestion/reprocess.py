"""Reprocessing: a new item for the same document, from its stored bytes. Search keeps the old text meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from docqueue import correlation
from docqueue.exceptions import IllegalTransition, ItemNotFound
from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status, WaitReason
from ingestion.errors import InvalidStage, NotReprocessable
from ingestion.intakes import INGEST, seconds_for
from ingestion.lifecycle import blank_run, reopen_intakes
from ingestion.models import Document, IngestFile, Intake, Outcome, Stage
from ingestion.states import ACTIVE

FROM = (Stage.UPLOADING, Stage.INDEXING)
"""Where the processing of a document may begin."""
NO_DOCUMENT = (Outcome.SKIPPED, Outcome.UNPACKED)
REPROCESSABLE = Q(document__isnull=False, blob__isnull=False) & ~Q(outcome__in=["", *NO_DOCUMENT])
"""Files that have ended and have bytes to be processed from."""


def not_cancelled_since(moment: datetime, intake: str = "") -> Q:
    """Uploads (by a prefix: what belongs to them) of which nobody has wanted an end after this moment."""
    name = f"{intake}cancel_requested_at"
    return Q(**{name: None}) | Q(**{f"{name}__lte": moment})


@dataclass(frozen=True, kw_only=True)
class Reprocessing:
    """The item that does it; `created` is False when one was under way already."""

    item_id: int
    created: bool


def reprocess_document(
    document: Document, *, by: str = "", priority: int | str = 0, from_stage: str = Stage.UPLOADING
) -> Reprocessing:
    """Process the document anew. Work that is under way already is kept; a retry that waits runs now.

    From the stage `uploading` (the default) everything is done again, from `indexing` on the text is read and indexed
    anew, and a knowledge store that has the bytes is not handed them again. A dead item of the document is discarded
    (its failure stays in the history): one document, one answer. Raises `NotReprocessable`, `InvalidStage`.
    """
    if from_stage not in FROM:
        raise InvalidStage(f"A document is processed from {' or '.join(FROM)} on, not from {from_stage!r}.")
    with transaction.atomic():
        # The intake first, as everybody does who needs both: a file is never locked by one who waits for its intake.
        file = IngestFile.objects.filter(document=document.pk).first()
        if file is None or file.blob_id is None:
            raise NotReprocessable
        reopen_intakes([file.intake_id])
        file = IngestFile.objects.select_for_update(no_key=True).select_related("intake").get(pk=file.pk)
        item = QueueItem.objects.filter(pk=file.item_id).first() if file.item_id is not None else None
        if item is not None and item.status in ACTIVE:
            if item.status == Status.WAITING and item.wait_reason == WaitReason.RETRY:
                _run_now(DocumentQueueService(), item.pk, by)
            return Reprocessing(item_id=item.pk, created=False)
        [item_id] = _enqueue_anew([file], by=by, priority=priority, from_stage=from_stage)
    return Reprocessing(item_id=item_id, created=True)


def reprocess_files(
    pks: Collection[int], *, before: datetime, by: str, priority: int | str, from_stage: str
) -> list[int]:
    """The same for those of many files that ended before a moment; part of the caller's transaction.

    Returns the new items' ids. Files that are under way, have ended anew or were cancelled since then are left alone.
    """
    files = IngestFile.objects.filter(REPROCESSABLE, pk__in=pks, finished_at__lte=before)
    files = files.filter(not_cancelled_since(before, "intake__"))
    intakes = Intake.objects.filter(pk__in=set(files.values_list("intake_id", flat=True)))
    list(intakes.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    ended = list(files.select_for_update(no_key=True, of=("self",)).order_by("pk"))
    active = _with_status({file.item_id for file in ended}, ACTIVE)
    todo = [file for file in ended if file.item_id not in active]
    if not todo:
        return []
    reopen_intakes({file.intake_id for file in todo})
    return _enqueue_anew(todo, by=by, priority=priority, from_stage=from_stage)


def _enqueue_anew(files: Sequence[IngestFile], *, by: str, priority: int | str, from_stage: str) -> list[int]:
    """New items for files that are locked and have no work under way; dead items that they had are given up."""
    service = DocumentQueueService()
    payload = {"reprocess": True, "from_stage": str(from_stage)}
    old = [file.item_id for file in files]
    if len(files) == 1:
        with correlation.bind(intake=str(files[0].intake_id)):
            seconds = seconds_for(files[0].size)
            queued = service.enqueue(files[0].document_id, INGEST, priority, payload=payload, timeout_seconds=seconds)
            ids = [queued.id]
    else:
        ids = service.enqueue_many(
            [
                NewItem(
                    document_id=file.document_id,
                    operation=INGEST,
                    priority=priority,
                    payload=payload,
                    timeout_seconds=seconds_for(file.size),
                    metadata={"intake": str(file.intake_id)},
                )
                for file in files
            ]
        )
    blank = {**blank_run(), "stage": Stage.PENDING, "percent": 0, "started_at": None}
    IngestFile.objects.filter(pk__in=[file.pk for file in files]).update(**blank)
    successors = dict(zip(old, ids, strict=True))
    for file, item_id in zip(files, ids, strict=True):
        file.item_id = item_id
    IngestFile.objects.bulk_update(files, ["item_id"])
    for item_id in _with_status(old, {Status.DEAD}):
        discard(service, item_id, by, successors[item_id])
    return ids


def _with_status(ids: Iterable[int | None], statuses: Collection[str]) -> set[int]:
    found = QueueItem.objects.filter(pk__in=[i for i in ids if i is not None], status__in=statuses)
    return set(found.values_list("pk", flat=True))


def _run_now(service: DocumentQueueService, item_id: int, by: str) -> None:
    try:
        service.requeue(item_id, by=by, reason="reprocess", reset_attempts=False)
    except (IllegalTransition, ItemNotFound):
        return  # it has started or ended in the meantime, which is what was asked for


def discard(service: DocumentQueueService, item_id: int, by: str, successor: int) -> None:
    """Give up a dead item for the one that does its work anew."""
    try:
        service.discard(item_id, by=by, reason=f"reprocessed as item {successor}")
    except (IllegalTransition, ItemNotFound):
        return  # somebody has put it back or given it up; item_id of the file says which one counts
