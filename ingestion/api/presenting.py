"""Rows as the API shows them: plain dicts, with the state line, made from one look at the queue a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request

from ingestion.intakes import Accepted
from ingestion.models import Document, IngestFile, Intake, IntakeKind
from ingestion.states import file_state, intake_state, live_items
from ingestion.summary import Summary, summaries

AnyRequest = HttpRequest | Request


def intakes(request: AnyRequest, rows: Sequence[Intake]) -> list[dict[str, Any]]:
    """Intakes of one page."""
    now = timezone.now()
    sums = summaries(rows)
    single = _single_files(rows)
    items = live_items([*(row.item_id for row in rows), *(file.item_id for file in single.values())])
    shown = []
    for row in rows:
        summary, only = sums[row.pk], single.get(row.pk)
        if only is not None and row.finished_at is None:
            line = file_state(only, items.get(only.item_id or 0), now)
        else:
            line = intake_state(row, summary, items.get(row.item_id or 0), now)
        shown.append(_intake(request, row, summary, line, only))
    return shown


def accepted(request: AnyRequest, taken: Accepted) -> dict[str, Any]:
    """An intake as the answer to its upload; a new one needs no look at the database."""
    if not taken.created:
        return intake(request, taken.intake)
    only = taken.files[0] if len(taken.files) == 1 else None
    summary = Summary(total=taken.intake.planned_files)
    return _intake(request, taken.intake, summary, _("Waiting for a worker"), only)


def intake(request: AnyRequest, row: Intake) -> dict[str, Any]:
    """One intake."""
    return intakes(request, [row])[0]


def files(rows: Sequence[IngestFile]) -> list[dict[str, Any]]:
    """Files of one page; `intake` must be loaded."""
    now = timezone.now()
    items = live_items(row.item_id for row in rows)
    return [_file(row, file_state(row, items.get(row.item_id or 0), now)) for row in rows]


def documents(request: AnyRequest, rows: Sequence[Document]) -> list[dict[str, Any]]:
    """Documents of one page; `blob` and `file__intake` must be loaded."""
    now = timezone.now()
    items = live_items(row.file.item_id for row in rows if hasattr(row, "file"))
    shown = []
    for row in rows:
        file = row.file if hasattr(row, "file") else None
        line = file_state(file, items.get(file.item_id or 0), now) if file else ""
        shown.append(_document(request, row, file, line))
    return shown


def document(request: AnyRequest, row: Document) -> dict[str, Any]:
    """One document."""
    return documents(request, [row])[0]


def document_url(request: AnyRequest, pk: int) -> str:
    """Where to look at a document."""
    return request.build_absolute_uri(reverse("ingestion:document", args=[pk]))


def _single_files(rows: Sequence[Intake]) -> dict[int, IngestFile]:
    """The file of each intake that is one plain file: what it waits for is what its intake waits for."""
    wanted = [row.pk for row in rows if row.kind == IntakeKind.FILES and row.planned_files == 1]
    if not wanted:
        return {}
    return {file.intake_id: file for file in IngestFile.objects.filter(intake__in=wanted).select_related("intake")}


def _intake(request: AnyRequest, row: Intake, summary: Summary, state: str, only: IngestFile | None) -> dict[str, Any]:
    return {
        "id": row.pk,
        "kind": row.kind,
        "filename": row.filename,
        "size": row.size,
        "tags": row.tags,
        "priority": row.priority,
        "state": state,
        "stage": summary.stage,
        "status": row.status,
        "percent": summary.percent,
        "message": row.message,
        "waiting_reason": row.waiting_reason or None,
        "finished": row.finished,
        "files_total": summary.total,
        "files_completed": summary.completed + summary.no_text,
        "files_no_text": summary.no_text,
        "files_failed": summary.failed,
        "files_duplicate": summary.duplicate,
        "files_unpacked": summary.unpacked,
        "files_skipped": summary.skipped,
        "files_cancelled": summary.cancelled,
        "document_id": only.document_id if only else None,
        "status_url": request.build_absolute_uri(reverse("ingestion:intake", args=[row.pk])),
        "files_url": request.build_absolute_uri(reverse("ingestion:intake-files", args=[row.pk])),
        "error_code": row.error_code or summary.error_code or None,
        "error_message": row.error_message or summary.error_message or None,
        "correlation_id": row.correlation_id,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }


def _progress(file: IngestFile) -> dict[str, Any]:
    """What a file and its document have in common: how the processing goes."""
    return {
        "stage": file.stage,
        "outcome": file.outcome or None,
        "percent": file.percent,
        "message": file.message,
        "error_code": file.error_code or None,
        "error_message": file.error_message or None,
        "hint": file.hint or None,
        "item_id": file.item_id,
        "duplicate_of": file.duplicate_of_id,
    }


def _file(row: IngestFile, state: str) -> dict[str, Any]:
    took = row.finished_at - row.started_at if row.finished_at and row.started_at else None
    return {
        "id": row.pk,
        "ordinal": row.ordinal,
        "parent_id": row.parent_id,
        "source_path": row.source_path,
        "size": row.size,
        "tags": row.tags,
        "state": state,
        **_progress(row),
        "document_id": row.document_id,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "seconds": round(took.total_seconds(), 3) if took is not None else None,
    }


def _document(request: AnyRequest, row: Document, file: IngestFile | None, state: str) -> dict[str, Any]:
    return {
        "id": row.pk,
        "title": row.title,
        "filename": file.safe_name if file else row.title,
        "type": row.type,
        "content_type": row.content_type,
        "size": row.blob.size,
        "sha256": row.blob.sha256,
        "tags": row.tags,
        "state": state,
        **_progress(file or IngestFile()),
        "searchable": row.searchable,
        "text_status": row.text_status or None,
        "text_reason": row.text_reason or None,
        "text_note": row.text_note or None,
        "text_length": row.text_length,
        "page_count": row.page_count,
        "chunk_count": row.chunk_count,
        "extractor": row.extractor or None,
        "extractor_version": row.extractor_version,
        "warnings": row.warnings,
        "intake_id": file.intake_id if file else None,
        "file_id": file.pk if file else None,
        "status_url": document_url(request, row.pk),
        "created_at": row.created_at,
        "indexed_at": row.indexed_at,
    }
