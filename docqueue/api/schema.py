"""What the OpenAPI document says beyond what the serializers tell: examples, refusals, the token."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from docqueue.api import waiting
from docqueue.api.problems import CONTENT_TYPE
from docqueue.api.problems import problem as problem_body
from docqueue.api.serializers import Problem

TAG = "queue"
PAGE = (
    OpenApiParameter("limit", int, description="Rows a page, 1 to 500; 50 when left out."),
    OpenApiParameter("cursor", str, description="Where the page starts; from `next`."),
)
"""The parameters of every list."""

NOT_MODIFIED = {(304, "application/json"): OpenApiResponse(description="As with that ETag; without a body.")}


class ProcessTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped upstream
    """The cron endpoint's token, as `Authorization: Bearer …` (X-Queue-Token works too)."""

    target_class = "docqueue.api.permissions.ProcessTokenAuthentication"
    name = "processToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "The value of DOCQUEUE['PROCESS_TOKEN']."}


ITEM = {
    "id": 42,
    "status": "waiting",
    "cancelling": False,
    "wait_reason": "retry",
    "explain": "Waiting: retry in 12 s (the archive is locked).",
    **waiting.EXAMPLE,
    "queue": "documents",
    "operation": "document.ingest",
    "document_id": "7",
    "priority": 0,
    "ordering_key": "7",
    "unique_key": None,
    "tenant": "acme",
    "limit_key": None,
    "concurrency_key": "km",
    "concurrency_limit": 4,
    "concurrency_slot": None,
    "batch_id": None,
    "attempt": 1,
    "max_attempts": 5,
    "crashes": 0,
    "timeout_seconds": 300.0,
    "run_after": None,
    "next_retry_at": "2030-01-31T12:00:12Z",
    "enqueued_at": "2030-01-31T11:59:58Z",
    "claimed_at": "2030-01-31T11:59:59Z",
    "finished_at": None,
    "died_at": None,
    "cancel_requested_at": None,
    "worker_id": None,
    "error_code": "archive_locked",
    "error_message": "the archive is locked",
    "fingerprint": "9f86d081884c7d65",
    "progress": None,
    "attempts": [
        {
            "attempt": 1,
            "outcome": "failed",
            "code": "archive_locked",
            "message": "the archive is locked",
            "worker_id": 3,
            "started_at": "2030-01-31T11:59:59Z",
            "ended_at": "2030-01-31T12:00:00Z",
            "fingerprint": "9f86d081884c7d65",
        }
    ],
    "steps": [{"name": "extract", "created_at": "2030-01-31T11:59:59Z"}],
    "parents": [{"id": 41, "outcome": "completed", "if_failed": "hold"}],
}
CANCELLED = ITEM | waiting.EXAMPLE_ENDED | {"status": "cancelled", "wait_reason": None, "explain": "Cancelled."}
CANCELLING = (
    ITEM
    | waiting.EXAMPLE_ENDED
    | {
        "status": "in_progress",
        "cancelling": True,
        "explain": "Cancelling: its handler was asked to stop.",
    }
)
ENQUEUED = {
    "id": 42,
    "status": "pending",
    "wait_reason": None,
    "created": True,
    "replaced": False,
    "answered": False,
    "explain": "Waiting for a free worker.",
    "url": "/api/v1/items/42",
}
PROCESSED = {
    "processed": 12,
    "completed": 10,
    "failed": 2,
    "retried": 1,
    "dead": 1,
    "cancelled": 0,
    "snoozed": 0,
    "released": 0,
    "lost": 0,
    "seconds": 3.204,
}
PROBED = {
    "ok": True,
    "item_id": 42,
    "queue": "default",
    "seconds": 0.0081,
    "steps": {"enqueue": 1.214, "claim": 1.702, "run": 0.911, "complete": 1.388, "read": 2.9},
    "why": "",
}
NOT_PROBED = PROBED | {
    "ok": False,
    "seconds": 10.0032,
    "steps": {},
    "why": "Waiting for a worker. No worker serves queue default: run manage.py run_queue_worker --queue default",
}
DEAD_LETTERS = {
    "results": [
        {
            "id": 41,
            "queue": "documents",
            "operation": "document.ingest",
            "document_id": "6",
            "priority": 0,
            "attempt": 5,
            "max_attempts": 5,
            "crashes": 0,
            "enqueued_at": "2030-01-31T11:40:00Z",
            "died_at": "2030-01-31T11:58:00Z",
            "error_code": "corrupt_file",
            "error_message": "report.pdf ends in the middle of a page.",
            "fingerprint": "2c26b46b68ffc68f",
        }
    ],
    "next": "http://localhost:8000/api/v1/dead-letters?cursor=1896177480000000-41",
}
COUNTS = {
    "pending": 3,
    "in_progress": 2,
    "completed": 120,
    "failed": 1,
    "waiting": 0,
    "retrying": 1,
    "cancelled": 4,
}
STATS = {
    "total": COUNTS,
    "queues": {"documents": COUNTS | waiting.EXAMPLE_QUEUE},
    "workers": 2,
    "unserved": [],
    **waiting.EXAMPLE_STOPS,
    "hints": [],
}
HEALTH = {
    "healthy": True,
    "database": True,
    "queue": True,
    "worker": True,
    "details": {
        "queue_counts": {"waiting": 4, "active": 2, "completed": 120, "failed": 1},
        "worker_concurrency": 4,
        "worker_connections": {"ok": 3},
        "workers": 2,
        "oldest_due_seconds": 0.8,
        "hints": [],
    },
}
UNHEALTHY = HEALTH | {"healthy": False, "worker": False}

REFUSALS: dict[str, tuple[int, str, str]] = {
    "malformed_json": (400, "JSON parse error - Expecting value: line 1 column 1 (char 0)", ""),
    "invalid_request": (400, "limit: Ensure this value is greater than or equal to 1.", ""),
    "unknown_operation": (
        400,
        "No handler is registered for the operation 'document.ingets'. Did you mean 'document.ingest'?",
        "Register it with @handler in a queue_handlers.py of an installed app, or correct the name.",
    ),
    "unknown_parent": (
        400,
        "There is no item 41 to come after.",
        "Nothing was enqueued. Give the id of an item that exists, or one that stands before it in the same call.",
    ),
    "invalid_key": (400, "document_id must be a string of 1 to 255 characters without NUL.", ""),
    "invalid_option": (400, "The setting LIMITS has nothing under 'smtp'.", "Name its limit there."),
    "invalid_priority": (400, "priority must be a whole number from -100 to 100 or a word.", ""),
    "payload_too_large": (
        413,
        "payload is 300000 bytes of JSON; at most 262144 are taken.",
        "Put the bytes into storage and enqueue their key.",
    ),
    "not_authenticated": (401, "Authentication credentials were not provided.", ""),
    "wrong_token": (401, "The token is wrong.", "Send the value of DOCQUEUE['PROCESS_TOKEN']."),
    "permission_denied": (403, "You do not have permission to perform this action.", ""),
    "item_not_found": (404, "There is no item 42.", ""),
    "duplicate_key": (
        409,
        "Item 41 has the key 'invoice-7' already.",
        "Look at that item; enqueue under another key, or with on_conflict='return' to get it.",
    ),
    "invalid_bulk": (
        400,
        "requeue is about items that are dead or waiting, not 'completed'.",
        "Nothing was started. Correct the action or the filter that the message names and ask again.",
    ),
    "bulk_not_found": (404, "There is no bulk operation 7.", ""),
    "failure_not_found": (
        404,
        "There is no failure '9f86d081884c7d65'.",
        "List what there is: GET dead-letters/groups. A cause that is new is there after some seconds.",
    ),
    "invalid_wait": (
        400,
        "wait must be a whole number of seconds from 0 to 30.",
        "Leave it out to be answered at once.",
    ),
    "queue_not_found": (
        404,
        "There is no queue 'documants'. Did you mean 'documents'?",
        "List what there is: GET queues.",
    ),
    "worker_not_found": (404, "There is no worker 3.", ""),
    "worker_refuses": (
        409,
        "web-1:4711 (#3) has ended.",
        "Look at the list of workers: one that starts anew has a row of its own.",
    ),
    "schedule_not_found": (404, "There is no schedule 7.", ""),
    "invalid_schedule": (400, "There is no time zone 'Europe/Berlln'.", ""),
    "batch_not_found": (404, "There is no batch 7.", ""),
    "illegal_transition": (
        409,
        "Item 42 is completed: requeue is not possible.",
        "Look at the item's present state; somebody else may have acted on it first.",
    ),
}


def url(name: str, pk: int) -> str:
    """Where an item, a schedule, a batch … is."""
    return reverse(f"docqueue:{name}", args=[pk])


def refusals(*codes: str) -> dict[Any, OpenApiResponse]:
    """The documented problem answers of an endpoint, by status, one example a code."""
    by_status: dict[int, list[OpenApiExample]] = {}
    for code in codes:
        status, detail, hint = REFUSALS[code]
        body = problem_body(status, code, detail, hint=hint or None) | {"request_id": "4f6c1d0e9b7a"}
        by_status.setdefault(status, []).append(OpenApiExample(code, value=body, response_only=True))
    return {
        (status, CONTENT_TYPE): OpenApiResponse(Problem, description="Refused.", examples=examples)
        for status, examples in by_status.items()
    }


def answer(status: int, serializer: Any, value: Any, description: str = "") -> dict[Any, OpenApiResponse]:
    """A documented answer with one example."""
    example = OpenApiExample(f"answer {status}", value=value, response_only=True, status_codes=[str(status)])
    return {(status, "application/json"): OpenApiResponse(serializer, description=description, examples=[example])}
