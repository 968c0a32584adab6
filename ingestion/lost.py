"""Work whose queue item is gone without a trace (purged, deleted by hand, not in a restored backup) gets a new one.

Each row is locked and looked at again first, so that nobody's work gets two items; and only a few times, so that what
makes items vanish does not keep the queue busy for ever.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby

from django.db import transaction
from django.db.models import F

from docqueue import correlation
from docqueue.models import AnyItem
from docqueue.service import DocumentQueueService, NewItem
from ingestion.containers import Container
from ingestion.hints import hint_for
from ingestion.intakes import INGEST, enqueue_unpacking, seconds_for
from ingestion.lifecycle import blank_run, cancel_file, fail_file
from ingestion.models import IngestFile, Intake, Stage

LOST_CODE = "item_lost"
LOST_MESSAGE = "The queue no longer knows the item that stood for this."
MOST_TIMES = 3
"""So often a file, or an unpacking, gets a new item; after that it fails."""


def find_files(file_ids: Collection[int]) -> int:
    """Enqueue those of these files whose item the queue knows nothing of, as one slice. Returns how many changed.

    One that was cancelled ends so; one that has lost its item too often, or its document, fails as `item_lost`. Rows
    that somebody else holds are left for another time.
    """
    with transaction.atomic():
        rows = IngestFile.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        files = list(rows.select_related("intake").filter(pk__in=file_ids, outcome="").order_by("intake", "pk"))
        known = _known([file.item_id for file in files])
        lost = [file for file in files if file.item_id not in known and _should_have_one(file)]
        ended = [file for file in lost if _ended(file)]
        again = [file for file in lost if file not in ended]
        for _, group in groupby(again, key=lambda file: file.intake_id):
            _enqueue(list(group))
    return len(lost)


def _should_have_one(file: IngestFile) -> bool:
    """Whether an item should stand for the file: one that is still to be unpacked has none."""
    return file.item_id is not None or (file.document_id is not None and file.intake.unpacked_at is not None)


def _known(item_ids: Collection[int | None]) -> set[int]:
    wanted = {item_id for item_id in item_ids if item_id is not None}
    return set(AnyItem.objects.filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()


def _ended(file: IngestFile) -> bool:
    """End a file that gets no other item. False: it gets one."""
    if _cancelled(file.intake):
        return cancel_file(file, item_id=file.item_id)
    if file.items_lost >= MOST_TIMES or (file.document_id is None and file.stage != Stage.UNZIPPING):
        return fail_file(file, code=LOST_CODE, message=LOST_MESSAGE, hint=hint_for(LOST_CODE), item_id=file.item_id)
    return False


def _cancelled(intake: Intake) -> bool:
    """Whether the intake was cancelled, and nothing of it was to be done again after that."""
    asked, reopened = intake.cancel_requested_at, intake.reopened_at
    return asked is not None and (reopened is None or reopened <= asked)


def _enqueue(files: list[IngestFile]) -> None:
    """New items for files of one intake, inside the caller's transaction. One without a document is an archive."""
    intake = files[0].intake
    documents = [file for file in files if file.document_id is not None]
    payload = {"reprocess": True} if intake.cancel_requested_at is not None else {}
    with correlation.bind(intake=str(intake.pk)):
        ids = DocumentQueueService().enqueue_many(
            NewItem(
                document_id=file.document_id,
                operation=INGEST,
                priority=intake.priority,
                payload=payload,
                timeout_seconds=seconds_for(file.size),
            )
            for file in documents
        )
    blank = {**blank_run(), "percent": 0, "started_at": None}
    archives = [file for file in files if file.document_id is None]
    ids += [enqueue_unpacking(intake, file) for file in archives]
    for file, item_id in zip([*documents, *archives], ids, strict=True):
        blank["stage"] = Stage.UNZIPPING if file.document_id is None else Stage.PENDING
        IngestFile.objects.filter(pk=file.pk).update(**blank, item_id=item_id, items_lost=F("items_lost") + 1)


def find_unpacking(intake: Intake) -> bool:
    """The same for an intake whose archive no item stands for. False: one does, or it is unpacked."""
    with transaction.atomic():
        rows = Intake.objects.select_for_update(no_key=True)
        locked = rows.filter(pk=intake.pk, unpacked_at=None, finished_at=None).first()
        if locked is None or locked.item_id in _known([locked.item_id]):
            return False
        if locked.cancel_requested_at is not None:
            Container(locked).cancelled()
        elif locked.items_lost >= MOST_TIMES or locked.blob_id is None:
            Container(locked).failed(code=LOST_CODE, message=LOST_MESSAGE, hint=hint_for(LOST_CODE))
        else:
            item_id = enqueue_unpacking(locked)
            Intake.objects.filter(pk=locked.pk).update(item_id=item_id, items_lost=F("items_lost") + 1)
    return True
