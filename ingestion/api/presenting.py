"""Rows as the API shows them: plain dicts, with the state line, made from one look at the queue a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from rest_framework.request import Request

from ingestion.intakes import Accepted
from ingestion.models import Document, IngestFile, Intake
from ingestion.states import Line
from ingestion.watching import WatchedFile, WatchedIntake, just_taken, watch_files, watch_intakes

AnyRequest = HttpRequest | Request
AtMoment = Callable[[datetime], dict[str, Any]]


def intakes(request: AnyRequest, rows: Sequence[Intake]) -> list[dict[str, Any]]:
    """Intakes of one page."""
    now = timezone.now()
    return [_intake(request, seen, now) for seen in watch_intakes(rows)]


def intake_at(request: AnyRequest, row: Intake) -> AtMoment:
    """One intake, looked at once, as it is to be shown at any moment."""
    [seen] = watch_intakes([row])
    return lambda now: _intake(request, seen, now)


def accepted(request: AnyRequest, taken: Accepted) -> dict[str, Any]:
    """An intake as the answer to its upload; a new one needs no look at the database."""
    if not taken.created:
        return intake(request, taken.intake)
    return _intake(request, just_taken(taken.intake, taken.files), timezone.now())


def intake(request: AnyRequest, row: Intake) -> dict[str, Any]:
    """One intake."""
    return intakes(request, [row])[0]


def files_at(request: AnyRequest, rows: Sequence[IngestFile]) -> Callable[[datetime], list[dict[str, Any]]]:
    """Files of one page (`intake` must be loaded), looked at once, as they are to be shown at any moment."""
    seen = watch_files(rows)
    return lambda now: [_file(request, one, now) for one in seen]


def documents(request: AnyRequest, rows: Sequence[Document]) -> list[dict[str, Any]]:
    """Documents of one page; `blob` and `file__intake` must be loaded."""
    now = timezone.now()
    return [_document(request, row, seen, now) for row, seen in _with_files(rows)]


def document_at(request: AnyRequest, row: Document) -> AtMoment:
    """One document, looked at once, as it is to be shown at any moment."""
    [(_, seen)] = _with_files([row])
    return lambda now: _document(request, row, seen, now)


def document(request: AnyRequest, row: Document) -> dict[str, Any]:
    """One document."""
    return documents(request, [row])[0]


def _with_files(rows: Sequence[Document]) -> list[tuple[Document, WatchedFile | None]]:
    seen = {one.file.document_id: one for one in watch_files([row.file for row in rows if hasattr(row, "file")])}
    return [(row, seen.get(row.pk)) for row in rows]


def document_url(request: AnyRequest, pk: int) -> str:
    """Where to look at a document."""
    return request.build_absolute_uri(reverse("ingestion:document", args=[pk]))


def _content_url(request: AnyRequest, kind: str, pk: int) -> str:
    return request.build_absolute_uri(reverse(f"ingestion:{kind}-content", args=[pk]))


def _intake(request: AnyRequest, seen: WatchedIntake, now: datetime) -> dict[str, Any]:
    row, summary, only = seen.intake, seen.summary, seen.only
    line, left = seen.line(now), seen.seconds_left(now)
    return {
        "id": row.pk,
        "kind": row.kind,
        "filename": row.filename,
        "size": row.size,
        "tags": row.tags,
        "priority": row.priority,
        "state": line.text,
        "stage": summary.stage,
        "status": row.status,
        "percent": summary.percent,
        "message": row.message if row.message and (row.waiting_reason or row.finished) else line.text,
        "message_code": line.code,
        "waiting_reason": seen.waiting_reason,
        "current_file": seen.current_file,
        "eta_seconds": left,
        "eta_at": None if left is None else now + timedelta(seconds=left),
        "last_progress_at": seen.last_progress_at,
        "stalled": seen.stalled(now),
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


def _progress(seen: WatchedFile | None, now: datetime) -> dict[str, Any]:
    """What a file and its document have in common: how the processing goes."""
    file = seen.file if seen else IngestFile()
    line = seen.line(now) if seen else Line("", "")
    return {
        "state": line.text,
        "stage": file.stage,
        "outcome": file.outcome or None,
        "percent": file.percent,
        "message": file.message or line.text,
        "message_code": line.code,
        "waiting_reason": seen.waiting_reason if seen else None,
        "last_progress_at": seen.last_progress_at if seen else None,
        "stalled": seen.stalled(now) if seen else False,
        "finished": file.finished if seen else True,
        "error_code": file.error_code or None,
        "error_message": file.error_message or None,
        "hint": file.hint or None,
        "item_id": file.item_id,
        "duplicate_of": file.duplicate_of_id,
    }


def _file(request: AnyRequest, seen: WatchedFile, now: datetime) -> dict[str, Any]:
    row = seen.file
    took = row.finished_at - row.started_at if row.finished_at and row.started_at else None
    return {
        "id": row.pk,
        "ordinal": row.ordinal,
        "parent_id": row.parent_id,
        "source_path": row.source_path,
        "size": row.size,
        "tags": row.tags,
        **_progress(seen, now),
        "document_id": row.document_id,
        "content_url": _content_url(request, "file", row.pk) if row.blob_id else None,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "seconds": round(took.total_seconds(), 3) if took is not None else None,
    }


def _document(request: AnyRequest, row: Document, seen: WatchedFile | None, now: datetime) -> dict[str, Any]:
    file = seen.file if seen else None
    return {
        "id": row.pk,
        "title": row.title,
        "filename": file.safe_name if file else row.title,
        "type": row.type,
        "content_type": row.content_type,
        "size": row.blob.size,
        "sha256": row.blob.sha256,
        "tags": row.tags,
        **_progress(seen, now),
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
        "content_url": _content_url(request, "document", row.pk),
        "created_at": row.created_at,
        "indexed_at": row.indexed_at,
    }
