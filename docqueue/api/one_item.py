"""One item over HTTP: where it is and why, asked again cheaply."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as rest
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue import family, redaction, store
from docqueue.api import paging, schema, serializers
from docqueue.api.permissions import MaySeeQueue
from docqueue.api.polling import IF_NONE_MATCH, WAIT, Bounds, Look, answer
from docqueue.api.views import OutsideTransactionsMixin, QueueView
from docqueue.api.waiting import PLACE, PlaceAnswer
from docqueue.conf import get_settings
from docqueue.exceptions import ItemNotFound
from docqueue.models import AnyItem, Attempt, Checkpoint, Progress
from docqueue.service import DocumentQueueService
from docqueue.states import FINISHED, Status, WaitReason

ATTEMPTS_SHOWN = 50
OVER = frozenset({*FINISHED, Status.DEAD})
"""States that an item does not leave by itself."""

LOOKS = ("not_authenticated", "permission_denied", "item_not_found")
POLLED = ("invalid_wait", *LOOKS)
STATUS = {"id": 42, "status": "in_progress", "wait_reason": None, "finished": False, "url": "/api/v1/items/42"}
EXPLAINED = {
    "id": 42,
    "reason": "pending",
    "explain": "Waiting for a free worker: about the 12th of its queue; at 60 a minute about 12 s.",
    "position": 12,
    "estimate_seconds": 12.0,
    "blocked_by": [],
}
ATTEMPTS = {"results": schema.ITEM["attempts"], "next": None}


class StatusAnswer(rest.Serializer[Any]):
    """The least that there is to say of an item."""

    id = rest.IntegerField()
    status = rest.ChoiceField(choices=Status.choices)
    wait_reason = rest.ChoiceField(choices=WaitReason.choices, allow_null=True)
    finished = rest.BooleanField(help_text="It changes no more by itself: completed, cancelled, or dead.")
    url = rest.CharField(help_text="Where the whole item is.")


class ExplainAnswer(PlaceAnswer):
    """Why an item is where it is."""

    id = rest.IntegerField()
    reason = rest.CharField(help_text="In one word: a wait reason, paused, no_worker, no_handler, or its status.")
    explain = rest.CharField(help_text="In one or two sentences, with what would move it.")


class AttemptsAnswer(rest.Serializer[Any]):
    """One page of attempts that did not end well, the newest first."""

    results = serializers.AttemptAnswer(many=True)
    next = rest.CharField(allow_null=True, help_text="Address of the next page; null on the last one.")


def ask_again(body: dict[str, Any]) -> int:
    """Seconds after which something new may be there: few while it runs, more while it waits for something."""
    return {"in_progress": 1, "pending": 2}.get(body["status"], 5)


def bounds() -> Bounds:
    """How many answers about items are held at a time."""
    return Bounds(answers=get_settings().HOLD_ANSWERS, ask_again=ask_again)


class OneItemView(QueueView):
    """What the views of one item share."""

    permission_classes: tuple[type[BasePermission], ...] = (MaySeeQueue,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raises `ItemNotFound` for a number that no item can have."""
        super().initial(request, *args, **kwargs)
        if kwargs["item_id"] >= 2**63:
            raise ItemNotFound(f"There is no item {kwargs['item_id']}.")

    def shown(self, item_id: int) -> dict[str, Any]:
        """The item as the caller may see it. Raises `ItemNotFound`."""
        item = DocumentQueueService().get_item(item_id)
        return self.told(item)

    def told(self, item: AnyItem, now: datetime | None = None) -> dict[str, Any]:
        """The same of an item that has been read, told of a moment."""
        service = DocumentQueueService()
        said = service.explain_detail(item, now=now)
        extras = {
            "explain": said.text,
            "position": said.position,
            "estimate_seconds": said.estimate_seconds,
            "blocked_by": said.blocked_by,
            "attempts": attempts_of(service.using, item.pk)[:ATTEMPTS_SHOWN],
            "progress": Progress.objects.using(service.using).filter(item_id=item.pk).first(),
            "parents": family.relatives(service.using, item.pk, 0)["parents"],
            "steps": Checkpoint.objects.using(service.using).filter(item_id=item.pk).order_by("id").defer("result"),
        }
        return item_answer(item, extras, self.request.user)


def attempts_of(using: str, item_id: int) -> Any:
    """Attempts of an item, the newest first."""
    return Attempt.objects.using(using).filter(item_id=item_id).order_by("-id")


def item_answer(item: AnyItem, extras: dict[str, Any], user: Any) -> dict[str, Any]:
    """An item as JSON; what may hold personal data only for those with docqueue.view_payload."""
    for name, value in extras.items():
        setattr(item, name, value)
    data = dict(serializers.ItemAnswer(item).data)
    may_see = (user or AnonymousUser()).has_perm("docqueue.view_payload")
    for name in ("payload", "metadata", "result"):
        value = data.pop(name)
        if may_see:
            data[name] = redaction.shown(item.operation, value)
    return data


class ItemView(OutsideTransactionsMixin, OneItemView):
    """One item."""

    @extend_schema(
        operation_id="get_item",
        tags=[schema.TAG],
        parameters=[WAIT, IF_NONE_MATCH],
        responses=schema.answer(200, serializers.ItemAnswer, schema.ITEM)
        | schema.NOT_MODIFIED
        | schema.refusals(*POLLED),
    )
    def get(self, request: Request, item_id: int) -> Response:
        """Where an item is and why, its failed attempts and its progress. Staff or docqueue.view_queueitem.

        Poll it with `wait` and the last answer's ETag. That one changes with the item; its place in line only counts
        by its magnitude, and sentences and estimates not at all.
        """

        def look() -> Look:
            item = DocumentQueueService().get_item(item_id)
            return Look(
                at=lambda now: self.told(item, now),
                finished=item.status in OVER,
                tagged=lambda now: _tagged(self.told(item, now)),
            )

        return answer(request, look, bounds())


def _tagged(told: dict[str, Any]) -> dict[str, Any]:
    """What makes an answer another one: in a moving queue the rest changes from moment to moment."""
    kept = {name: value for name, value in told.items() if name not in ("explain", *PLACE)}
    return kept | {"about": (told["position"] or 0).bit_length()}


class ItemStatusView(OutsideTransactionsMixin, QueueView):
    """The status of one item."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="get_item_status",
        tags=[schema.TAG],
        parameters=[WAIT, IF_NONE_MATCH],
        responses=schema.answer(200, StatusAnswer, STATUS) | schema.NOT_MODIFIED | schema.refusals(*POLLED),
    )
    def get(self, request: Request, item_id: int) -> Response:
        """Where an item is, by one look at an index: for programs that wait for its end with `wait`.

        Staff or docqueue.view_queueitem.
        """

        def look() -> Look:
            rows = store.run(get_settings().DATABASE, "status", {"item_id": item_id})
            if not rows:
                raise ItemNotFound(f"There is no item {item_id}.")
            status, wait_reason = rows[0]
            found = {"id": item_id, "status": status, "wait_reason": wait_reason, "finished": status in OVER}
            body = StatusAnswer(found | {"url": schema.url("item", item_id)}).data
            return Look(at=lambda _: body, finished=status in OVER)

        return answer(request, look, bounds())


class ExplainView(QueueView):
    """Why one item is where it is."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="explain_item",
        tags=[schema.TAG],
        responses=schema.answer(200, ExplainAnswer, EXPLAINED) | schema.refusals(*LOOKS),
    )
    def get(self, request: Request, item_id: int) -> Response:
        """Why an item is where it is, in words and figures. Staff or docqueue.view_queueitem."""
        said = DocumentQueueService().explain_detail(item_id)
        body = {"id": item_id, "reason": said.reason, "explain": said.text}
        return Response(ExplainAnswer(body | {name: getattr(said, name) for name in PLACE}).data)


class AttemptsView(QueueView):
    """The failed attempts of one item."""

    permission_classes = (MaySeeQueue,)

    @extend_schema(
        operation_id="list_item_attempts",
        tags=[schema.TAG],
        parameters=[*schema.PAGE],
        responses=schema.answer(200, AttemptsAnswer, ATTEMPTS) | schema.refusals("invalid_request", *LOOKS),
    )
    def get(self, request: Request, item_id: int) -> Response:
        """Attempts that did not end well, the newest first, page by page. Staff or docqueue.view_queueitem."""
        service = DocumentQueueService()
        limit, before = paging.asked(request)
        service.get_status(item_id)
        found = attempts_of(service.using, item_id).defer("traceback")
        rows = list((found.filter(id__lt=before) if before is not None else found)[: limit + 1])
        cursor = rows[limit - 1].pk if len(rows) > limit else None
        shown = serializers.AttemptAnswer(rows[:limit], many=True).data
        return Response({"results": shown, "next": paging.link(request, cursor)})
