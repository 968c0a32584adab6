"""Items over HTTP: the list of them all, and how new ones come in, one by one or many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers as rest
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue import correlation
from docqueue.api import paging, schema, serializers
from docqueue.api.fields import StrictSerializer
from docqueue.api.permissions import MaySeeQueue, has_queue_permission
from docqueue.api.throttles import BULK
from docqueue.api.views import QueueView
from docqueue.exceptions import DocqueueError
from docqueue.listing import ItemFilter
from docqueue.rules import NO_RULES, Rules
from docqueue.service import DocumentQueueService, Enqueued
from docqueue.states import Status, WaitReason, attempt
from docqueue.validation import Checker, NewItem

GONE = "It has ended, and the history has it no more; its key is still taken."
MOST_AT_ONCE = 1000
"""So many items may come in one request."""

TEXTS = ("queue", "operation", "document_id", "unique_key", "error_code", "tenant")
TIMES = ("enqueued_after", "enqueued_before")
LISTED = {
    "results": [
        {
            "id": 42,
            "status": "waiting",
            "reason": "retry",
            "wait_reason": "retry",
            "cancelling": False,
            "queue": "documents",
            "operation": "document.ingest",
            "document_id": "7",
            "priority": 0,
            "ordering_key": "7",
            "unique_key": None,
            "tenant": "acme",
            "batch_id": None,
            "attempt": 1,
            "max_attempts": 5,
            "crashes": 0,
            "enqueued_at": "2030-01-31T11:59:58Z",
            "claimed_at": "2030-01-31T11:59:59Z",
            "finished_at": None,
            "died_at": None,
            "next_retry_at": "2030-01-31T12:00:12Z",
            "worker_id": None,
            "error_code": "archive_locked",
            "error_message": "the archive is locked",
        }
    ],
    "next": "http://localhost:8000/api/v1/items?status=waiting&cursor=42",
    "looked_at": 20000,
    "complete": False,
}
MANY = {
    "results": [{"id": 42, "url": "/api/v1/items/42"}, {"id": 43, "url": "/api/v1/items/43"}],
    "number": 2,
}


class ListedItemAnswer(rest.Serializer[Any]):
    """An item in a list."""

    id = rest.IntegerField()
    status = rest.ChoiceField(choices=Status.choices)
    reason = rest.CharField(help_text="Why it is where it is, in one word: a wait reason, paused, no_worker, …")
    wait_reason = rest.ChoiceField(choices=WaitReason.choices, allow_null=True)
    cancelling = rest.BooleanField(help_text="It runs, and its handler was asked to stop.")
    queue = rest.CharField()
    operation = rest.CharField()
    document_id = rest.CharField(allow_null=True)
    priority = rest.IntegerField()
    ordering_key = rest.CharField(allow_null=True)
    unique_key = rest.CharField(allow_null=True)
    tenant = rest.CharField(allow_null=True)
    batch_id = rest.IntegerField(allow_null=True)
    attempt = rest.IntegerField(help_text="The one it is in or ended with; while it waits, how many it has spent.")
    max_attempts = rest.IntegerField()
    crashes = rest.IntegerField()
    enqueued_at = rest.DateTimeField()
    claimed_at = rest.DateTimeField(allow_null=True)
    finished_at = rest.DateTimeField(allow_null=True)
    died_at = rest.DateTimeField(allow_null=True)
    next_retry_at = rest.DateTimeField(allow_null=True)
    worker_id = rest.IntegerField(allow_null=True)
    error_code = rest.CharField(allow_null=True)
    error_message = rest.CharField(allow_null=True)


class ItemsAnswer(rest.Serializer[Any]):
    """One page of items, the newest first."""

    results = ListedItemAnswer(many=True)
    next = rest.CharField(
        allow_null=True, help_text="Address of the next page, which may be there though this one has few or none."
    )
    looked_at = rest.IntegerField(help_text="So many items were looked at, where no index serves the filter.")
    complete = rest.BooleanField(help_text="It is known that nothing older fits.")


class EnqueueManyRequest(StrictSerializer):
    """Items to enqueue: all, or none."""

    items = serializers.EnqueueRequest(many=True, allow_empty=False, max_length=MOST_AT_ONCE)  # type: ignore[call-arg]  # of the list

    def arguments(self) -> list[NewItem]:
        """The items. Raises an `InvalidItem` that says which of them is wrong."""
        found, checker = [], Checker()
        for number, one in enumerate(self.validated_data["items"]):
            try:
                found.append(_new_item(serializers.arguments_of(one)))
                checker.check(found[-1])
            except DocqueueError as error:
                raise type(error)(f"items.{number}: {error}", hint=error.hint) from error
        return found


def _new_item(given: dict[str, Any]) -> NewItem:
    rules = Rules(**{name: given.pop(name) for name in Rules.__dataclass_fields__ if name in given})
    return NewItem(**given, rules=None if rules == NO_RULES else rules)


class EnqueuedItem(rest.Serializer[Any]):
    """Where an item is."""

    id = rest.IntegerField(help_text="Under a unique key that was taken: the item that has it.")
    url = rest.CharField()


class EnqueuedManyAnswer(rest.Serializer[Any]):
    """The items, in the order of the request."""

    results = EnqueuedItem(many=True)
    number = rest.IntegerField()


def wanted(params: Mapping[str, str]) -> ItemFilter:
    """The filter that these query parameters ask for. Raises `ValidationError`; also for one that there is not."""
    known = {*TEXTS, *TIMES, "status", "batch_id", "q", "limit", "cursor"}
    if unknown := sorted(set(params) - known):
        raise paging.invalid(unknown[0][:50], f"There is no such parameter: only {', '.join(sorted(known))}.")
    asked: dict[str, Any] = {name: paging.text(name, params[name]) for name in TEXTS if params.get(name)}
    asked |= {name: _moment(name, params[name]) for name in TIMES if params.get(name)}
    if params.get("status"):
        asked["statuses"] = _statuses(params["status"])
    if params.get("batch_id"):
        asked["batch_id"] = paging.whole("batch_id", params["batch_id"])
    if params.get("q", "").strip():
        asked["text"] = paging.text("q", params["q"].strip())
    return ItemFilter(**asked)


def _statuses(text: str) -> Sequence[Status]:
    names = text.split(",")
    if not set(names) <= set(Status.values):
        raise paging.invalid("status", f"Give one or several, by commas, of {', '.join(Status.values)}.")
    return tuple(Status(name) for name in dict.fromkeys(names))


def _moment(name: str, text: str) -> datetime:
    found = serializers.moment(text)
    if found is None:
        raise paging.invalid(name, "Give a time with a time zone, such as 2030-01-31T12:00:00Z (a + must be %2B).")
    return found


class ItemsView(QueueView):
    """List items; enqueue one."""

    def get_permissions(self) -> list[BasePermission]:
        return [MaySeeQueue() if self.request.method in SAFE_METHODS else has_queue_permission("add_queueitem")()]

    @extend_schema(
        operation_id="list_items",
        tags=[schema.TAG],
        parameters=[
            OpenApiParameter("status", str, description="Only in this state; several by commas."),
            OpenApiParameter("queue", str, description="Only of this queue."),
            OpenApiParameter("operation", str, description="Only of this operation."),
            OpenApiParameter("document_id", str, description="Only of this document; found by index."),
            OpenApiParameter(
                "unique_key", str, description="The item that has this unique key, and those completed under it."
            ),
            OpenApiParameter("error_code", str, description="Only those whose last failure has this code."),
            OpenApiParameter("batch_id", int, description="Only of this batch; found by index."),
            OpenApiParameter("tenant", str, description="Only of this tenant."),
            OpenApiParameter("enqueued_after", OpenApiTypes.DATETIME, description="Enqueued then or later."),
            OpenApiParameter("enqueued_before", OpenApiTypes.DATETIME, description="Enqueued before that."),
            OpenApiParameter("q", str, description="An exact id, document, unique key, or the name of an operation."),
            *schema.PAGE,
        ],
        responses=schema.answer(200, ItemsAnswer, LISTED)
        | schema.refusals("invalid_request", "not_authenticated", "permission_denied"),
    )
    def get(self, request: Request) -> Response:
        """Live and finished items, the newest first, page by page. Staff or docqueue.view_queueitem.

        Where no index serves the filter a page looks at the newest 20,000 items below its cursor, and `next` goes on
        from there, also when few or none of them fit. Dead letters have a list of their own, with indexes.
        """
        params = request.query_params
        asked, limit = wanted(params), paging.limit(params.get("limit"))
        service = DocumentQueueService()
        page = service.list_items(asked, limit=limit, before=paging.before(params.get("cursor")))
        reasons = service.reasons(page.items)
        rows = [
            item._asdict()
            | {"reason": reasons[item.id], "attempt": attempt(item.attempt, item.status)}
            | {"cancelling": item.status == Status.IN_PROGRESS and item.cancel_requested_at is not None}
            for item in page.items
        ]
        body = {"results": rows, "next": paging.link(request, page.before)}
        return Response(ItemsAnswer(body | {"looked_at": page.looked_at, "complete": page.complete}).data)

    @extend_schema(
        operation_id="enqueue_item",
        tags=[schema.TAG],
        request=serializers.EnqueueRequest,
        responses=schema.answer(201, serializers.EnqueuedAnswer, schema.ENQUEUED, "Enqueued.")
        | schema.answer(200, serializers.EnqueuedAnswer, schema.ENQUEUED | {"created": False}, "Already there.")
        | schema.refusals(
            "malformed_json", "invalid_request", "unknown_operation", "unknown_parent", "invalid_key",
            "invalid_option", "invalid_priority", "payload_too_large", "not_authenticated", "permission_denied",
            "duplicate_key",
        ),
        examples=[
            OpenApiExample(
                "a document",
                value={"operation": "document.ingest", "document_id": 7, "priority": "high", "payload": {"ocr": True}},
                request_only=True,
            ),
            OpenApiExample(
                "behind a limit",
                value={"operation": "mail.send", "tenant": "acme", "limit_key": "smtp", "concurrency_key": "mail-acme"},
                request_only=True,
            ),
            OpenApiExample("later", value={"operation": "mail.send", "delay_seconds": 600}, request_only=True),
        ],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Put one item into the queue. Needs docqueue.add_queueitem."""
        service = DocumentQueueService()
        with correlation.bind(user=str(request.user.pk)):
            new = service.enqueue(**self.checked(serializers.EnqueueRequest).arguments())
        return enqueued(service, new)


def enqueued(service: DocumentQueueService, new: Enqueued) -> Response:
    """201 with what became of an enqueue; 200 where there was such an item already."""
    url = schema.url("item", new.id)
    body = serializers.EnqueuedAnswer(
        {
            "id": new.id,
            "status": new.status,
            "wait_reason": new.wait_reason,
            "created": new.created,
            "replaced": new.replaced,
            "answered": new.answered,
            "explain": GONE if new.status is None else service.explain(new),
            "url": url,
        }
    ).data
    return Response(body, status=201 if new.created else 200, headers={"Location": url})


class EnqueueManyView(QueueView):
    """Enqueue many."""

    permission_classes = (has_queue_permission("add_queueitem"),)
    throttle_scopes: ClassVar = {"POST": BULK}

    @extend_schema(
        operation_id="enqueue_items",
        tags=[schema.TAG],
        request=EnqueueManyRequest,
        responses=schema.answer(201, EnqueuedManyAnswer, MANY, "Enqueued, all of them.")
        | schema.refusals(
            "malformed_json", "invalid_request", "unknown_operation", "unknown_parent", "invalid_key", "invalid_option",
            "invalid_priority", "payload_too_large", "not_authenticated", "permission_denied",
        ),
        examples=[
            OpenApiExample(
                "two documents",
                value={
                    "items": [
                        {"operation": "document.ingest", "document_id": 7},
                        {"operation": "document.ingest", "document_id": 8, "priority": "high"},
                    ]
                },
                request_only=True,
            )
        ],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Put up to 1,000 items into the queue, all or none. Needs docqueue.add_queueitem.

        The refusal names the item that is wrong, counted from 0. An item whose unique key is taken is not enqueued
        again: its place in the answer has the one that has the key. Idempotency keys are for single items.
        """
        with correlation.bind(user=str(request.user.pk)):
            ids = DocumentQueueService().enqueue_many(self.checked(EnqueueManyRequest).arguments())
        results = [{"id": item_id, "url": schema.url("item", item_id)} for item_id in ids]
        return Response(EnqueuedManyAnswer({"results": results, "number": len(ids)}).data, status=201)
