"""The only door from the queue: what runs when an item of ours is claimed, and how it ends.

A failure that is final is written on the file before the exception leaves for the queue. Where a process ends first,
`on_dead` and, whatever else is missed, `reconcile` find the dead item.
"""

from __future__ import annotations

from typing import Any

from docqueue.context import Context
from docqueue.duties import duty
from docqueue.exceptions import Cancelled, Snooze
from docqueue.handlers import handler, on_dead
from docqueue.service import DocumentQueueService
from ingestion import blobs, deleting, reconcile, storage
from ingestion.errors import DiskFull, DiskLow, ExtractFailed, IngestionError
from ingestion.hints import hint_for
from ingestion.intakes import INGEST, UNPACK
from ingestion.lifecycle import cancel_file, fail_file, finish_intake, start_file
from ingestion.models import IngestFile, Intake
from ingestion.pipeline import DELETED, process_document_content
from ingestion.progress import RowProgress
from ingestion.unpack import end_cancelled, fail_unpacking, reset_refused, unpack_intake, wait_for

QUEUE = "documents"
STALE_PART_SECONDS = 3600.0
ROOM_SECONDS = 30.0
"""How long what found too little disk waits before it looks again. No attempt is spent on that."""


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
    except Cancelled:
        cancel_file(file, item_id=ctx.id)
        raise
    except DiskFull as error:
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
    try:
        process_document_content(
            file.document, report=RowProgress(file, ctx), commit=lambda said: ctx.complete(result=said)
        )
    except MemoryError as error:
        # Another try in a fresh place may do; a third would only keep others waiting.
        raise ExtractFailed(
            "Reading the file took more memory than is allowed.",
            code="out_of_memory",
            retryable=ctx.attempt == 1,
            hint=hint_for("out_of_memory"),
        ) from error


def _file(ctx: Context) -> IngestFile | None:
    """The file of the item's document; None when the document was deleted."""
    document_id = ctx.document_id or ""
    files = IngestFile.objects.select_related("intake", "document__blob")
    return files.filter(document=int(document_id)).first() if document_id.isdecimal() else None


def _stop_if_intake_is_cancelled(ctx: Context, file: IngestFile) -> None:
    """A cancel of an intake of thousands reaches some of its items only here. A reprocessing came after it."""
    if file.intake.cancel_requested_at is None or ctx.payload.get("reprocess"):
        return
    DocumentQueueService(ctx.using).cancel(ctx.id, reason="its intake was cancelled")
    raise Cancelled(f"the intake of document {ctx.document_id} was cancelled")


def _final(error: IngestionError, ctx: Context) -> bool:
    """Whether no further try follows on this error."""
    return not error.retryable or ctx.attempt >= ctx.max_attempts


@handler(UNPACK, queue=QUEUE, max_attempts=5, timeout_seconds=3600, memory_mb=1024)
def unpack(ctx: Context) -> dict[str, Any] | None:
    """Bring the files of an uploaded archive into the queue, each as an item of its own."""
    number = ctx.payload.get("intake")
    intake = Intake.objects.select_related("blob").filter(pk=number).first() if isinstance(number, int) else None
    if intake is None or intake.blob is None:
        return {"outcome": DELETED}
    if intake.item_id != ctx.id:
        return None
    reset_refused(intake)
    try:
        unpack_intake(intake, report=RowProgress(intake, ctx), commit=lambda said: ctx.complete(result=said))
    except Cancelled:
        end_cancelled(intake)
        raise
    except DiskFull as error:
        wait_for(intake, DiskLow.code, str(error))
        raise Snooze(ROOM_SECONDS) from error
    except IngestionError as error:
        if _final(error, ctx):
            fail_unpacking(intake, code=error.code, message=str(error), hint=error.hint)
        raise
    finally:
        finish_intake(intake.pk)
    return None


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


@duty("ingestion.delete", every_seconds=5)
def finish_deletions(using: str) -> int:  # noqa: ARG001
    """Delete what requests have left of the intakes that they were told to delete."""
    return deleting.delete_rest()


on_dead(INGEST)(reconcile.item_died)
on_dead(UNPACK)(reconcile.unpacking_died)
