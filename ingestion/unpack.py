"""Unpacking an archive: plan, one row an entry, then the entries one by one into storage, each into the queue.

A restart goes on at the first entry that has no item. Each row is locked and looked at again before its document and
item are made, so an entry gets one item whatever crashed or runs twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from ingestion import storage
from ingestion.archives import ArchivePlan, PlannedEntry, plan_archive, read_entry
from ingestion.errors import EntryFailed
from ingestion.intakes import enqueue_files, save_blobs
from ingestion.lifecycle import cancel_files, fail_file
from ingestion.limits import SKIP, get_limits
from ingestion.models import IngestFile, Intake, IntakeStatus, Outcome, Stage
from ingestion.progress import Report
from ingestion.storage import StoredBlob
from ingestion.unsupported import unsupported

BATCH_FILES, BATCH_BYTES, BATCH_SECONDS = 64, 8 * 1024 * 1024, 1.0
UNPACKED_PERCENT = 10
"""What having its bytes counts for in a file's percent."""

Commit = Callable[[dict[str, Any]], AbstractContextManager[Any]]


@dataclass
class _Batch:
    """Entries whose bytes are stored and that are not in the queue yet."""

    stored: dict[int, StoredBlob] = field(default_factory=dict)
    size: int = 0
    since: float = field(default_factory=time.monotonic)

    @property
    def full(self) -> bool:
        late = time.monotonic() - self.since >= BATCH_SECONDS
        return len(self.stored) >= BATCH_FILES or self.size >= BATCH_BYTES or late


def unpack_intake(intake: Intake, *, report: Report, commit: Commit) -> None:
    """Bring every entry of the intake's archive into storage and into the queue.

    `report` is told after each batch and may raise to stop; what was done stays done. `commit` opens the last
    transaction. Raises an `ArchiveRefused` when the archive is not what it was at the door.
    """
    assert intake.blob is not None, "an archive's intake always has its bytes"
    with storage.open(intake.blob.storage_key) as archive:
        limits = get_limits()
        plan = plan_archive(archive, limits)
        _write_plan(intake, plan, unsupported(archive, plan, limits) if limits.on_unsupported == SKIP else {})
        entries = {entry.ordinal: entry for entry in plan.entries}
        todo = list(_untouched(intake).order_by("ordinal").values_list("ordinal", flat=True))
        total = sum(entries[ordinal].size for ordinal in todo) or 1
        report(Stage.UNZIPPING, 0)
        batch, done = _Batch(), 0
        for ordinal in todo:
            entry = entries[ordinal]
            stored = _store(intake, archive, entry)
            done += entry.size
            if stored is not None:
                batch.stored[ordinal] = stored
                batch.size += stored.size
            if batch.full:
                _flush(intake, batch)
                batch = _Batch()
                report(Stage.UNZIPPING, min(99, done * 100 // total), entry.safe_name)
        _flush(intake, batch)
    said: dict[str, Any] = {}
    with commit(said):
        said |= _end(intake)


def reset_refused(intake: Intake) -> None:
    """Forget how an earlier run ended, when a person has put its dead item back."""
    if not intake.error_code:
        return
    with transaction.atomic():
        Intake.objects.filter(pk=intake.pk).update(
            error_code="",
            error_message="",
            unpacked_at=None,
            finished_at=None,
            status=IntakeStatus.IN_PROGRESS,
            stage=Stage.UNZIPPING,
        )
        IngestFile.objects.filter(
            intake=intake.pk, item_id=None, outcome=Outcome.FAILED, error_code=intake.error_code
        ).update(outcome="", stage=Stage.PENDING, percent=0, error_code="", error_message="", hint="", finished_at=None)


def _untouched(intake: Intake) -> QuerySet[IngestFile]:
    return IngestFile.objects.filter(intake=intake.pk, item_id=None, outcome="")


def _write_plan(intake: Intake, plan: ArchivePlan, skipped: Mapping[int, str]) -> None:
    """One row an entry, all in one transaction; rows that are there already stay as they are."""
    known = IngestFile.objects.filter(intake=intake.pk).aggregate(n=Count("pk"))["n"]
    with transaction.atomic():
        Intake.objects.filter(pk=intake.pk).update(
            status=IntakeStatus.IN_PROGRESS,
            stage=Stage.UNZIPPING,
            planned_files=len(plan.entries),
            waiting_reason="",
        )
        if known < len(plan.entries):
            rows = (_planned(intake, entry, skipped.get(entry.ordinal)) for entry in plan.entries)
            IngestFile.objects.bulk_create(rows, batch_size=1000, ignore_conflicts=True)


def _planned(intake: Intake, entry: PlannedEntry, unsupported: str | None) -> IngestFile:
    file = IngestFile(
        intake=intake,
        ordinal=entry.ordinal,
        source_path=entry.name[:1024],
        safe_name=entry.safe_name,
        tags=intake.tags,
        size=entry.size,
        depth=1,
    )
    if entry.is_junk or unsupported is not None:
        file.message = "a system file, not a document" if entry.is_junk else f"files of type {unsupported} are skipped"
        file.stage, file.outcome, file.percent = Stage.COMPLETED, Outcome.SKIPPED, 100
        file.finished_at = timezone.now()
    return file


def _store(intake: Intake, archive: Any, entry: PlannedEntry) -> StoredBlob | None:
    """The entry's bytes in storage; None when they can not be read, and then the entry alone has failed."""
    try:
        return storage.put_stream(read_entry(archive, entry), expected=entry.size)
    except EntryFailed as error:
        file = IngestFile.objects.get(intake=intake.pk, ordinal=entry.ordinal)
        fail_file(file, code=error.code, message=str(error), hint=error.hint, stage=Stage.UNZIPPING)
        return None


def _flush(intake: Intake, batch: _Batch) -> None:
    """Rows, documents and items for the stored entries, in one transaction."""
    if not batch.stored:
        return
    with transaction.atomic():
        waiting = list(
            IngestFile.objects.select_for_update()
            .filter(intake=intake.pk, ordinal__in=batch.stored, item_id=None, outcome="")
            .order_by("ordinal")
        )
        if not waiting:
            return
        blobs = save_blobs([batch.stored[file.ordinal] for file in waiting])
        for file in waiting:
            stored = batch.stored[file.ordinal]
            file.blob_id, file.size, file.percent = blobs[stored.sha256], stored.size, UNPACKED_PERCENT
        enqueue_files(intake, waiting)
        IngestFile.objects.bulk_update(waiting, ["blob", "size", "percent", "document", "item_id"])


def _end(intake: Intake) -> dict[str, Any]:
    """The last writes of an unpacking, inside the transaction that completes its item."""
    Intake.objects.filter(pk=intake.pk).update(unpacked_at=timezone.now(), stage=Stage.UPLOADING, percent=0, message="")
    files = IngestFile.objects.filter(intake=intake.pk)
    counts: dict[str, Any] = files.aggregate(
        files=Count("pk"),
        queued=Count("pk", filter=Q(item_id__isnull=False)),
        skipped=Count("pk", filter=Q(outcome=Outcome.SKIPPED)),
        failed=Count("pk", filter=Q(outcome=Outcome.FAILED, item_id=None)),
    )
    return counts


def wait_for(intake: Intake, reason: str, message: str) -> None:
    """Say what an unpacking waits for, and that it goes on by itself."""
    Intake.objects.filter(pk=intake.pk, unpacked_at=None).update(waiting_reason=reason, message=message[:500])


def fail_unpacking(intake: Intake, *, code: str, message: str, hint: str = "") -> None:
    """End an unpacking that can not go on: entries without an item fail with its code, the others go their way."""
    with transaction.atomic():
        changed = Intake.objects.filter(pk=intake.pk, unpacked_at=None).update(
            unpacked_at=timezone.now(), error_code=code[:100], error_message=message[:1000]
        )
        if changed:
            _untouched(intake).update(
                stage=Stage.UNZIP_FAILED,
                outcome=Outcome.FAILED,
                percent=100,
                error_code=code[:100],
                error_message=message[:1000],
                hint=hint[:500],
                finished_at=timezone.now(),
            )


def end_cancelled(intake: Intake) -> None:
    """End an unpacking that was cancelled: entries without an item are cancelled with it."""
    now = timezone.now()
    with transaction.atomic():
        Intake.objects.filter(pk=intake.pk, unpacked_at=None).update(
            unpacked_at=now, cancel_requested_at=Coalesce("cancel_requested_at", Value(now))
        )
        cancel_files(IngestFile.objects.filter(intake=intake.pk))
