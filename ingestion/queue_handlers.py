"""The only door from the queue: what runs when an item of ours is claimed, and how it ends.

A failure that is final is written on the file before the exception leaves for the queue. Where a process ends first,
`on_dead` and, whatever else is missed, `reconcile` find the dead item.
"""

from __future__ import annotations

import random
from typing import Any

from django.db import OperationalError
from django.utils import timezone

from docqueue.context import Context
from docqueue.duties import duty
from docqueue.exceptions import Cancelled, Snooze
from docqueue.handlers import handler, on_dead
from docqueue.service import DocumentQueueService
from ingestion import blobs, deleting, km_outbox, reconcile, retention, sending, storage
from ingestion.codes import WaitingReason
from ingestion.containers import Container
from ingestion.diagnostics import keeping
from ingestion.errors import (
    DiskFull,
    DiskLow,
    IngestionError,
    KmBusy,
    KmServerError,
    KmUnavailable,
    NestedArchive,
    StorageAway,
)
from ingestion.fallback import Verdict, judge, last_word
from ingestion.intakes import INGEST, UNPACK, enqueue_unpacking
from ingestion.km import get_store
from ingestion.km.describing import describe
from ingestion.km_outbox import FORGET, TAG
from ingestion.km_outbox import forget as forget_copy
from ingestion.lifecycle import cancel_file, fail_file, finish_intake, put_off, start_file
from ingestion.models import Document, IngestFile, Intake, Stage
from ingestion.pipeline import DELETED, process_document_content
from ingestion.progress import RowProgress
from ingestion.reprocess_many import REPROCESS_MANY, Order, run_order
from ingestion.sending import SEND
from ingestion.storage import is_disk_full
from ingestion.unpack import unpack as unpack_archive

QUEUE = "documents"
STALE_PART_SECONDS = 3600.0
ROOM_SECONDS = 30.0
"""How long what found too little disk, or no storage, waits before it looks again. No attempt is spent on that."""
KM_SECONDS = 4.0
"""How long, and up to twice as long, what found no knowledge store waits at least. No attempt is spent on that."""
PATIENCE_SECONDS = 3600.0
"""How long a knowledge store that is well may put one item off as too busy for it; after that it costs attempts."""


NEEDED = (
    *("ordinal", "depth", "source_path", "safe_name", "size", "stage", "outcome", "item_id", "started_at", "blob_id"),
    *(f"intake__{name}" for name in ("owner_id", "status", "cancel_requested_at", "priority", "tags", "options")),
    *(f"document__{name}" for name in ("owner_id", "title", "tags", "content_type", "type", "chunk_count", "km_ref")),
    *("document__created_at", "document__blob__sha256", "document__blob__size", "document__blob__storage_key"),
)
"""What processing reads of a file and its intake and document. The rest would cost as much as the reading of a text."""


@handler(INGEST, queue=QUEUE, max_attempts=5, timeout_seconds=300, memory_mb=1024)
def ingest(ctx: Context) -> dict[str, Any] | None:
    """Process one document. The item ends completed together with its file, or the file says what went wrong."""
    file = _file(ctx)
    if file is None:
        return {"outcome": DELETED}
    if not start_file(file, ctx.item):
        return {"outcome": "superseded", "by": file.item_id}  # not stored when it is the claim that is stale
    try:
        _stop_if_intake_is_cancelled(ctx, file)
        _process(ctx, file)
    except NestedArchive:
        _unpack_instead(ctx, file)
    except Cancelled:
        cancel_file(file, item_id=ctx.id)
        raise
    except KmUnavailable as error:
        put_off(file, ctx.item, WaitingReason.KM_UNAVAILABLE, str(error))
        raise Snooze(_later(error)) from error
    except (DiskFull, StorageAway) as error:
        put_off(file, ctx.item, _reason(error), str(error))
        raise Snooze(ROOM_SECONDS) from error
    except OperationalError as error:
        if not is_disk_full(error):
            raise
        put_off(file, ctx.item, DiskLow.code, "The database has no room on its disk.")
        raise Snooze(ROOM_SECONDS) from error
    except IngestionError as error:
        if _final(error, ctx):
            fail_file(file, code=error.code, message=str(error), hint=error.hint, stage=error.stage, claim=ctx.item)
        raise
    finally:
        finish_intake(file.intake_id)
    return None


def _process(ctx: Context, file: IngestFile) -> None:
    assert file.document is not None, "_file() finds files by their document"
    verdict = judge(ctx.item)
    if verdict is Verdict.GIVE_UP:
        raise last_word(ctx.item)
    try:
        process_document_content(
            file.document,
            report=RowProgress(file, ctx),
            commit=lambda said: ctx.complete(result=said),
            fallback=verdict is Verdict.FALLBACK,
            from_stage=ctx.payload.get("from_stage", Stage.UPLOADING),
        )
    except KmBusy as error:
        if not _busy_for_too_long(ctx):
            raise
        raise KmServerError(str(error)) from error


def _busy_for_too_long(ctx: Context) -> bool:
    """Whether it is this item alone that a knowledge store which is well puts off, and has for long."""
    if not get_store().health().ok:
        return False
    since = ctx.step("put off by a store that is well, since", lambda: timezone.now().timestamp())
    return bool(timezone.now().timestamp() - since >= PATIENCE_SECONDS)


def _later(error: KmUnavailable) -> float:
    """In how many seconds to try again: not all that wait at the same moment."""
    least = max(KM_SECONDS, error.retry_after or 0.0)
    return least + random.uniform(0, min(least, 10.0))  # noqa: S311 - no secret


def _unpack_instead(ctx: Context, file: IngestFile) -> None:
    """Hand a file that turned out to be an archive over to an item that unpacks it. It is no document of its own."""
    assert file.document is not None, "_file() finds files by their document"
    said = {"outcome": DELETED}
    with ctx.complete(result=said):
        there = Document.objects.select_for_update().filter(pk=file.document.pk).first()
        if there is not None:
            item_id = enqueue_unpacking(file.intake, file)
            IngestFile.objects.filter(pk=file.pk).update(
                item_id=item_id, document=None, stage=Stage.UNZIPPING, percent=0, message=""
            )
            if there.km_ref and get_store().keeps_copies:
                forget_copy(describe(there, get_store()))
            there.delete()
            said["outcome"] = "archive"


def _file(ctx: Context) -> IngestFile | None:
    """The file of the item's document; None when the document was deleted."""
    document_id = ctx.document_id or ""
    files = IngestFile.objects.select_related("intake", "document__blob").only(*NEEDED)
    return files.filter(document=int(document_id)).first() if document_id.isdecimal() else None


def _stop_if_intake_is_cancelled(ctx: Context, file: IngestFile) -> None:
    """A cancel of an intake of thousands reaches some of its items only here. A reprocessing may have come after it."""
    asked_at = file.intake.cancel_requested_at
    if asked_at is None or (ctx.payload.get("reprocess") and asked_at < ctx.item.enqueued_at):
        return
    DocumentQueueService(ctx.using).cancel(ctx.id, reason="its intake was cancelled")
    raise Cancelled(f"the intake of document {ctx.document_id} was cancelled")


def _final(error: IngestionError, ctx: Context) -> bool:
    """Whether no further try follows on this error."""
    return not error.retryable or ctx.attempt >= ctx.max_attempts


def _reason(error: DiskFull | StorageAway) -> str:
    """What an item waits for, spending no attempt on it, as a `WaitingReason`."""
    return DiskLow.code if isinstance(error, DiskFull) else WaitingReason.STORAGE_UNAVAILABLE


@handler(UNPACK, queue=QUEUE, max_attempts=5, timeout_seconds=3600, memory_mb=1024)
def unpack(ctx: Context) -> dict[str, Any] | None:
    """Bring the files of an uploaded archive into the queue, each as an item of its own."""
    container = _container(ctx)
    if container is None:
        return {"outcome": DELETED}
    if container.item_id != ctx.id:
        return None
    container.begin(ctx.item)
    try:
        if container.file is not None:
            _stop_if_intake_is_cancelled(ctx, container.file)
        report = RowProgress(container.file or container.intake, ctx)
        unpack_archive(container, report=report, commit=lambda said: ctx.complete(result=said))
    except Cancelled:
        container.cancelled()
        raise
    except (DiskFull, StorageAway) as error:
        container.waits_for(_reason(error), str(error))
        raise Snooze(ROOM_SECONDS) from error
    except OperationalError as error:
        if not is_disk_full(error):
            raise
        container.waits_for(DiskLow.code, "The database has no room on its disk.")
        raise Snooze(ROOM_SECONDS) from error
    except IngestionError as error:
        if _final(error, ctx):
            container.failed(code=error.code, message=str(error), hint=error.hint, claim=ctx.item)
        raise
    finally:
        finish_intake(container.intake.pk)
    return None


def _container(ctx: Context) -> Container | None:
    """What this item unpacks: the archive of an intake, or one of the intake's files. None: it was deleted."""
    number, within = ctx.payload.get("intake"), ctx.payload.get("file")
    if within is not None:
        file = IngestFile.objects.select_related("intake", "blob").filter(pk=within, intake=number or 0).first()
        return None if file is None or file.blob is None else Container(file.intake, file)
    intake = Intake.objects.select_related("blob").filter(pk=number or 0).first()
    return None if intake is None or intake.blob is None else Container(intake)


@handler(SEND, queue=QUEUE, max_attempts=3, timeout_seconds=300, memory_mb=512)
def send(ctx: Context) -> dict[str, int]:
    """Send small files to the knowledge store together, before their own items run."""
    try:
        return sending.send(ctx.payload, ctx.item)
    except KmUnavailable as error:
        if isinstance(error, KmBusy) and _busy_for_too_long(ctx):
            return {"sent": 0}  # each file asks by itself from now on
        sending.put_off(ctx.payload, ctx.item, WaitingReason.KM_UNAVAILABLE, str(error))
        raise Snooze(_later(error)) from error
    except (DiskFull, StorageAway) as error:
        sending.put_off(ctx.payload, ctx.item, _reason(error), str(error))
        raise Snooze(ROOM_SECONDS) from error


@handler(FORGET, queue=QUEUE, max_attempts=10, timeout_seconds=120)
def forget(ctx: Context) -> None:
    """Delete the knowledge store's copy of a document that is deleted here."""
    try:
        km_outbox.forgotten(int(ctx.document_id or 0), ctx.payload)
    except KmUnavailable as error:
        raise Snooze(_later(error)) from error


@handler(TAG, queue=QUEUE, max_attempts=10, timeout_seconds=120)
def tag(ctx: Context) -> None:
    """Tell the knowledge store a document's tags."""
    try:
        km_outbox.tagged(int(ctx.document_id or 0))
    except KmUnavailable as error:
        raise Snooze(_later(error)) from error


@handler(REPROCESS_MANY, queue=QUEUE, max_attempts=5, timeout_seconds=6 * 3600, memory_mb=1024)
def reprocess_many(ctx: Context) -> dict[str, int]:
    """Put what a selection is about into the queue, slice by slice: each is a step, done once whoever dies."""
    order = Order.from_payload(ctx.payload, before=ctx.item.enqueued_at)

    def report(done: int) -> None:
        ctx.progress(min(99, done * 100 // max(1, order.total)), message=f"{done:,} of {order.total:,}")

    return run_order(order, step=lambda name, work: ctx.step(name, work, atomic=True), report=report)


@duty("ingestion.reconcile", every_seconds=10)
def reconcile_intakes(using: str) -> int:  # noqa: ARG001 - a duty's signature; our tables go by the router
    """End what a process that died before `on_dead` or `finish_intake` left open."""
    return reconcile.reconcile()


@duty("ingestion.sweep", every_seconds=600)
def sweep_parts(using: str) -> int:  # noqa: ARG001
    """Remove the unfinished files of killed processes."""
    return storage.remove_stale_parts(STALE_PART_SECONDS)


@duty("ingestion.blobs", every_seconds=60)
def sweep_blobs(using: str) -> int:  # noqa: ARG001
    """Remove stored bytes that nothing refers to."""
    return blobs.sweep()


@duty("ingestion.archives", every_seconds=300)
def let_archives_go(using: str) -> int:  # noqa: ARG001
    """Let go of archives that are not needed any more."""
    return retention.let_go()


@duty("ingestion.delete", every_seconds=5)
def finish_deletions(using: str) -> int:  # noqa: ARG001
    """Delete what requests have left of the intakes that they were told to delete."""
    return deleting.delete_rest()


@duty("ingestion.km_calls", every_seconds=60)
def prune_km_calls(using: str) -> int:  # noqa: ARG001
    """Sum up the oldest calls to the knowledge store, and remove their rows."""
    return keeping.prune()


on_dead(INGEST)(reconcile.item_died)
on_dead(UNPACK)(reconcile.unpacking_died)
