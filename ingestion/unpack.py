"""Unpacking an archive: plan, one row an entry, then the entries one by one into storage, each into the queue.

A restart goes on at the first entry that has no item. Each row is locked and looked at again before its document and
item are made, so an entry gets one item whatever crashed or runs twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from django.db import connections, router, transaction
from django.db.models import Count, Min, Q
from django.utils import timezone

from ingestion import storage, unsupported
from ingestion.archives import ArchivePlan, PlannedEntry, plan_archive, read_entry
from ingestion.containers import Container, room_for
from ingestion.errors import EntryFailed
from ingestion.intakes import enqueue_files, save_blobs
from ingestion.lifecycle import fail_file
from ingestion.limits import REJECT_ARCHIVE, SKIP, Limits, get_limits
from ingestion.models import IngestFile, Intake, Outcome, Stage
from ingestion.progress import Report
from ingestion.storage import StoredBlob
from ingestion.tags import tags_for

BATCH_FILES, BATCH_BYTES, BATCH_SECONDS = 64, 8 * 1024 * 1024, 1.0
TELL_BYTES = 32 * 1024 * 1024
"""How often it is told of within one large entry."""
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


def unpack(container: Container, *, report: Report, commit: Commit) -> None:
    """Bring every entry of an archive into storage and into the queue.

    `report` is told after each batch and may raise to stop; what was done stays done. `commit` opens the last
    transaction. Raises an `ArchiveRefused` when the archive as a whole is not acceptable.
    """
    with storage.open(container.blob.storage_key, size=container.blob.size) as archive:
        limits = get_limits()
        plan = plan_archive(archive, limits, depth=container.depth)
        first = _write_plan(container, plan, _skipped(container, archive, plan, limits))
        todo = container.untouched().order_by("ordinal").values_list("ordinal", flat=True)
        entries = {ordinal: plan.entries[ordinal - first] for ordinal in todo}
        total = sum(entry.expected for entry in entries.values()) or 1
        report(Stage.UNZIPPING, 0)
        batch, done = _Batch(), 0
        for ordinal, entry in entries.items():

            def tell(read: int, entry: PlannedEntry = entry, before: int = done) -> None:
                report(Stage.UNZIPPING, min(99, (before + read) * 100 // total), entry.safe_name)

            stored = _store(container, archive, ordinal, entry, tell)
            done += entry.expected
            if stored is not None:
                batch.stored[ordinal] = stored
                batch.size += stored.size
            if batch.full:
                _flush(container, batch)
                batch = _Batch()
                report(Stage.UNZIPPING, min(99, done * 100 // total), entry.safe_name)
        _flush(container, batch)
    said: dict[str, Any] = {}
    with commit(said):
        said |= _end(container)


def _skipped(container: Container, archive: Any, plan: ArchivePlan, limits: Limits) -> Mapping[int, str]:
    """The types of the entries that are skipped as unsupported, by ordinal."""
    if limits.on_unsupported == REJECT_ARCHIVE and container.file is not None:  # an upload was looked at at the door
        unsupported.refuse(archive, plan, limits, depth=container.depth)
    if limits.on_unsupported != SKIP:
        return {}
    return unsupported.unsupported(archive, plan, limits, depth=container.depth)


def _write_plan(container: Container, plan: ArchivePlan, skipped: Mapping[int, str]) -> int:
    """One row an entry, all in one transaction; where they are there already, nothing. Returns the first's number."""
    with transaction.atomic():
        intake = Intake.objects.select_for_update(no_key=True).get(pk=container.intake.pk)
        first: int | None = container.files().aggregate(first=Min("ordinal"))["first"]
        if first is None:
            first = room_for(intake, len(plan.entries), plan.total_size, archive=container.file)
            rows = [_planned(container, intake, first, entry, skipped.get(entry.ordinal)) for entry in plan.entries]
            IngestFile.objects.bulk_create(rows, batch_size=1000)
        container.started(first + len(plan.entries))
    return first


def _planned(
    container: Container, intake: Intake, first: int, entry: PlannedEntry, unsupported: str | None
) -> IngestFile:
    path = container.path_of(entry.name)
    file = IngestFile(
        intake=intake,
        parent=container.file,
        ordinal=first + entry.ordinal,
        depth=container.depth,
        source_path=path,
        safe_name=entry.safe_name,
        tags=tags_for(intake, path),
        size=entry.expected,
    )
    if entry.is_junk or unsupported is not None:
        file.message = "a system file, not a document" if entry.is_junk else f"files of type {unsupported} are skipped"
        file.stage, file.outcome, file.percent = Stage.COMPLETED, Outcome.SKIPPED, 100
        file.finished_at = timezone.now()
    return file


def _store(
    container: Container, archive: Any, ordinal: int, entry: PlannedEntry, tell: Callable[[int], None]
) -> StoredBlob | None:
    """The entry's bytes in storage; None when they can not be read, and then the entry alone has failed."""
    try:
        return storage.put_stream(_told(read_entry(archive, entry), tell), expected=entry.expected)
    except EntryFailed as error:
        file = container.files().get(ordinal=ordinal)
        fail_file(file, code=error.code, message=str(error), hint=error.hint, stage=Stage.UNZIPPING)
        return None


def _told(chunks: Iterator[bytes], tell: Callable[[int], None]) -> Iterator[bytes]:
    """The same chunks; `tell` hears now and then how many bytes went by, and may raise to stop."""
    read = said = 0
    for chunk in chunks:
        yield chunk
        read += len(chunk)
        if read - said >= TELL_BYTES:
            said = read
            tell(read)


def _flush(container: Container, batch: _Batch) -> None:
    """Rows, documents and items for the stored entries, in one transaction."""
    if not batch.stored:
        return
    with transaction.atomic():
        waiting = list(container.untouched().select_for_update().filter(ordinal__in=batch.stored).order_by("ordinal"))
        if not waiting:
            return
        blobs = save_blobs([batch.stored[file.ordinal] for file in waiting])
        for file in waiting:
            stored = batch.stored[file.ordinal]
            file.blob_id, file.size = blobs[stored.sha256], stored.size
        enqueue_files(container.intake, waiting)
        _update(waiting)


def _update(files: Sequence[IngestFile]) -> None:
    """Write what `_flush` has set. Django's bulk_update would take as long as all the rest of an unpacking."""
    with connections[router.db_for_write(IngestFile)].cursor() as cursor:
        cursor.execute(
            "update ingestion_ingestfile f set blob_id = v.blob, size = v.size, percent = %s, "
            "document_id = v.document, item_id = v.item "
            "from unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]) "
            "as v(id, blob, size, document, item) where f.id = v.id",
            [
                UNPACKED_PERCENT,
                *map(list, zip(*((f.pk, f.blob_id, f.size, f.document_id, f.item_id) for f in files), strict=True)),
            ],
        )


def _end(container: Container) -> dict[str, Any]:
    """The last writes of an unpacking, inside the transaction that completes its item."""
    counts: dict[str, Any] = container.files().aggregate(
        files=Count("pk"),
        queued=Count("pk", filter=Q(item_id__isnull=False)),
        skipped=Count("pk", filter=Q(outcome=Outcome.SKIPPED)),
        failed=Count("pk", filter=Q(outcome=Outcome.FAILED, item_id=None)),
    )
    container.ended(counts["files"])
    return counts
