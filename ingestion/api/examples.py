"""Examples for the OpenAPI schema: what an answer looks like, written out once."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample

HOST = "https://docs.example.org/api/v1"

_INTAKE: dict[str, Any] = {
    "id": 12,
    "kind": "zip",
    "filename": "contracts.zip",
    "size": 48213,
    "tags": ["2026"],
    "priority": 0,
    "state": "Waiting for a worker",
    "stage": "pending",
    "status": "pending",
    "percent": 0,
    "message": "Waiting for a worker",
    "message_code": "waiting_for_worker",
    "waiting_reason": "queued",
    "current_file": None,
    "eta_seconds": None,
    "eta_at": None,
    "last_progress_at": None,
    "stalled": False,
    "finished": False,
    "files_total": 14,
    "files_completed": 0,
    "files_no_text": 0,
    "files_failed": 0,
    "files_duplicate": 0,
    "files_unpacked": 0,
    "files_skipped": 0,
    "files_cancelled": 0,
    "document_id": None,
    "status_url": f"{HOST}/intakes/12",
    "files_url": f"{HOST}/intakes/12/files",
    "error_code": None,
    "error_message": None,
    "correlation_id": "3f1c9e0a5b7d4c21",
    "created_at": "2026-11-22T19:30:00Z",
    "finished_at": None,
}
INTAKE_PENDING = OpenApiExample("A zip was accepted", value=_INTAKE, response_only=True, status_codes=["202"])
INTAKE_DONE = OpenApiExample(
    "A zip whose files have all ended",
    value=_INTAKE
    | {
        "state": "Completed with errors: 2 of 14 files failed",
        "stage": "completed",
        "status": "completed_with_errors",
        "percent": 100,
        "message": "Completed with errors: 2 of 14 files failed",
        "message_code": "completed_with_errors",
        "waiting_reason": None,
        "last_progress_at": "2026-11-22T19:30:09Z",
        "finished": True,
        "files_completed": 11,
        "files_failed": 2,
        "files_duplicate": 1,
        "finished_at": "2026-11-22T19:30:09Z",
    },
    response_only=True,
    status_codes=["200"],
)
_FILE: dict[str, Any] = {
    "id": 77,
    "ordinal": 3,
    "parent_id": None,
    "source_path": "2026/offer.pdf",
    "size": 18211,
    "tags": ["2026"],
    "state": "Failed: password required",
    "stage": "index_failed",
    "outcome": "failed",
    "percent": 100,
    "message": "Failed: password required",
    "message_code": "failed:password_required",
    "waiting_reason": None,
    "last_progress_at": "2026-11-22T19:30:02.163Z",
    "stalled": False,
    "finished": True,
    "error_code": "password_required",
    "error_message": "The file is protected by a password.",
    "hint": "Save it without a password and upload that.",
    "item_id": 901,
    "duplicate_of": None,
    "document_id": 55,
    "content_url": f"{HOST}/files/77/content",
    "started_at": "2026-11-22T19:30:02.101Z",
    "finished_at": "2026-11-22T19:30:02.163Z",
    "seconds": 0.062,
}
FILE = OpenApiExample(
    "A page of files",
    value={"next": None, "previous": None, "results": [_FILE]},
    response_only=True,
    status_codes=["200"],
)
DOCUMENT = OpenApiExample(
    "A document that is being indexed",
    value={
        "id": 56,
        "title": "Offer",
        "filename": "offer.pdf",
        "type": "pdf",
        "content_type": "application/pdf",
        "size": 18211,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "tags": ["2026"],
        "state": "Indexing: 40 %",
        "stage": "indexing",
        "outcome": None,
        "percent": 40,
        "message": "Indexing: 40 %",
        "message_code": "indexing",
        "waiting_reason": None,
        "last_progress_at": "2026-11-22T19:30:02Z",
        "stalled": False,
        "finished": False,
        "error_code": None,
        "error_message": None,
        "hint": None,
        "item_id": 902,
        "duplicate_of": None,
        "searchable": False,
        "text_status": None,
        "text_reason": None,
        "text_note": None,
        "text_length": 0,
        "page_count": None,
        "chunk_count": 0,
        "extractor": None,
        "extractor_version": None,
        "warnings": [],
        "intake_id": 12,
        "file_id": 78,
        "status_url": f"{HOST}/documents/56",
        "content_url": f"{HOST}/documents/56/content",
        "created_at": "2026-11-22T19:30:01Z",
        "indexed_at": None,
    },
    response_only=True,
    status_codes=["200"],
)
EVENTS = OpenApiExample(
    "Two states, and the end",
    value=(
        "retry: 2000\n\n"
        'event: progress\nid: W/"1f0c"\ndata: {"id":12,"percent":40,"finished":false}\n\n'
        'event: progress\nid: W/"9ab2"\ndata: {"id":12,"percent":100,"finished":true}\n\n'
        'event: end\nid: end\ndata: {"reason":"finished"}\n\n'
    ),
    response_only=True,
    status_codes=["200"],
    media_type="text/event-stream",
)
LIMITS = OpenApiExample(
    "Two of the limits",
    value={
        "max_upload_bytes": {"value": 2147483648, "description": "Size of one upload, a zip or a single file."},
        "max_entries": {"value": 10000, "description": "Entries in one archive, folders and system files included."},
    },
    response_only=True,
    status_codes=["200"],
)
REPROCESSING = OpenApiExample(
    "Processing starts anew",
    value={"document_id": 56, "item_id": 944, "created": True, "status_url": f"{HOST}/documents/56"},
    response_only=True,
    status_codes=["202"],
)
_COUNTS: dict[str, Any] = {
    "total": 1204,
    "at_least": False,
    "reprocessable": 1200,
    "under_way": 0,
    "not_reprocessable": 4,
    "archives": 0,
    "bytes": 734003200,
    "by_outcome": {"failed": 1204},
    "by_error_code": {"timed_out": 1204},
    "by_extractor": [{"type": "pdf", "extractor": "pdf", "version": 1, "files": 310}],
}
PREVIEW = OpenApiExample("What failed with a code", value=_COUNTS, response_only=True, status_codes=["200"])
_ORDER: dict[str, Any] = {
    "item_id": 945,
    "status": "in_progress",
    "finished": False,
    "percent": 41,
    "total": 1200,
    "at_least": False,
    "documents": 497,
    "skipped": 3,
    "archives": 0,
    "from_stage": None,
    "selection": {"error_code": "timed_out"},
    "error_code": None,
    "error_message": None,
    "created_at": "2026-11-22T19:31:00Z",
    "finished_at": None,
    "status_url": f"{HOST}/reprocess/945",
}
ORDER = OpenApiExample("Five hundred are in the queue", value=_ORDER, response_only=True, status_codes=["200"])
ORDER_STARTED = OpenApiExample(
    "It begins",
    value=_ORDER | {"status": "pending", "percent": 0, "documents": 0, "skipped": 0, "counts": _COUNTS},
    response_only=True,
    status_codes=["202"],
)
SEARCH = OpenApiExample(
    "One hit",
    value={
        "results": [
            {
                "document_id": 56,
                "title": "Offer",
                "filename": "offer.pdf",
                "page": 2,
                "chunk": 4,
                "rank": 0.0607927,
                "snippet": "the <mark>heron</mark> stood in the shallow water",
            }
        ],
        "next_cursor": None,
        "complete": True,
    },
    response_only=True,
    status_codes=["200"],
)
UNSAFE_PATH = OpenApiExample(
    "A name leads out of the archive",
    value={
        "type": "urn:docqueue:problem:unsafe_path",
        "title": "Unsafe path",
        "status": 422,
        "code": "unsafe_path",
        "detail": "The archive holds a file whose name leads outside of it: ../evil.txt",
        "hint": "Pack the files again with relative names, without '..', drive letters or a leading slash.",
        "retryable": False,
        "request_id": "3f1c9e0a5b7d4c21",
    },
    response_only=True,
    status_codes=["422"],
)
