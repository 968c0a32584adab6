"""What goes in and out of the API. What a value must be is the service's to say; here only shapes are checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from rest_framework import serializers

from docqueue import correlation, validation
from docqueue.api.fields import (
    DocumentIdField,
    KeyField,
    LifetimeField,
    MomentField,
    ObjectField,
    ParentsField,
    PriorityField,
    QueueField,
    SecondsField,
    SlotsField,
    StrictSerializer,
    WholeField,
)
from docqueue.api.waiting import PLACE, PlaceAnswer
from docqueue.exceptions import InvalidKey, InvalidOption, PayloadNotJson
from docqueue.models import AnyItem, Attempt, Checkpoint, QueueItem
from docqueue.rules import IF_FAILED
from docqueue.states import Status, WaitReason, attempt

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class EnqueueRequest(StrictSerializer):
    """An item to enqueue. What is left out, the operation's handler or the settings say."""

    operation = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False, max_length=200)
    document_id = DocumentIdField(help_text="The document this is about; the default ordering key.")
    priority = PriorityField(help_text="Higher first.")
    payload = ObjectField(help_text="What the handler gets; at most 256 KiB as JSON.")
    queue = QueueField()
    run_after = MomentField(help_text="Not before this time. Either this or delay_seconds.")
    delay_seconds = SecondsField()
    unique_key = KeyField(help_text="While an item has this key, another enqueue does as on_conflict says.")
    unique_for = LifetimeField(help_text="Until claimed, until finished (default), for ever, or for so many seconds.")
    on_conflict = serializers.ChoiceField(
        choices=validation.CONFLICTS,
        required=False,
        help_text="return (default) that item; replace its payload and metadata if it has not started; refuse (409).",
    )
    idempotency_key = KeyField(help_text="The same key gives the same item for 24 hours. At most 200 characters.")
    ordering_key = KeyField(help_text="Items of one key never run at once. null: no ordering.")
    max_attempts = WholeField()
    timeout_seconds = SecondsField()
    after = ParentsField(help_text="Ids of items that have to be completed first; 1000 at most.")
    if_parent_fails = serializers.ChoiceField(
        choices=IF_FAILED, required=False, help_text="hold (default), cancel or run it if one dies or is cancelled."
    )
    tenant = KeyField(help_text="Whose share of the lane it takes, where there are shares.")
    concurrency_key = KeyField(help_text="At most concurrency_limit items of one key run at once.")
    concurrency_limit = SlotsField(help_text="1 when left out; the same for all items of a key.")
    limit_key = KeyField(help_text="Its rate limit or circuit breaker: a key of the setting LIMITS.")
    metadata = ObjectField(help_text="Travels with the item; correlation_id and user are always the request's own.")

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `DocumentQueueService.enqueue`. Raises an `InvalidItem`."""
        return arguments_of(self.validated_data)


def arguments_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same of one request's data, checked. Raises an `InvalidItem`."""
    given = {k: v for k, v in data.items() if v is not None or k == "ordering_key"}
    document_id = given.get("document_id")
    if document_id is not None and (isinstance(document_id, bool) or not isinstance(document_id, str | int)):
        raise InvalidKey("document_id must be a string or a whole number.")
    if "queue" in given:
        validation.key("queue", given["queue"], validation.QUEUE_MAX_LENGTH)
    if "tenant" in given:
        validation.key("tenant", given["tenant"])
    for name in ("payload", "metadata"):
        if not isinstance(given.get(name, {}), Mapping):
            raise PayloadNotJson(f"{name} must be a JSON object.")
    after = given.get("after", [])
    if not isinstance(after, list) or not all(type(parent) is int for parent in after):
        raise InvalidOption("after must be a list of items' ids.")
    if "run_after" in given:
        found = moment(given["run_after"])
        if found is None:
            raise InvalidOption("run_after must be a time with a time zone, such as 2030-01-31T12:00:00Z.")
        given["run_after"] = found
    return {
        "document_id": document_id,
        **given,
        "metadata": {**given.get("metadata", {}), **correlation.current()},
    }


def moment(value: Any) -> datetime | None:
    """The time that a caller names, with its zone; None: it is none, or none that can be."""
    try:
        found = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None  # well formed, but no date there is, such as 30 February
    return found if found is not None and found.tzinfo is not None and EARLIEST <= found <= LATEST else None


class EnqueuedAnswer(serializers.Serializer[Any]):
    """What became of an enqueue or requeue."""

    id = serializers.IntegerField()
    status = serializers.ChoiceField(choices=Status.choices, allow_null=True, help_text="null: it is no longer known.")
    wait_reason = serializers.ChoiceField(choices=WaitReason.choices, allow_null=True)
    created = serializers.BooleanField(help_text="False: the unique or idempotency key named this item already.")
    replaced = serializers.BooleanField(help_text="That item has not started, and got the new payload.")
    answered = serializers.BooleanField(help_text="That item is completed: its result answers for the new one.")
    explain = serializers.CharField(help_text="In one sentence: where the item is and why.")
    url = serializers.CharField()


class ReasonRequest(StrictSerializer):
    """Why a person does this; kept in the audit."""

    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=1000)


class RequeueRequest(ReasonRequest):
    """How to put an item back."""

    delay_seconds = SecondsField()
    reset_attempts = serializers.BooleanField(required=False, default=True)
    clear_steps = serializers.BooleanField(
        required=False, default=False, help_text="Begin at the first durable step again."
    )


class ProcessRequest(StrictSerializer):
    """How much one run may do."""

    limit = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=100_000,
        help_text="Most items to run; never more than PROCESS_LIMIT, which is also the default.",
    )  # fmt: skip


class ProcessAnswer(serializers.Serializer[Any]):
    """What one bounded run did."""

    processed = serializers.IntegerField(help_text="Items that ended, in whatever way.")
    completed = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Failed attempts: each was retried or is dead.")
    retried = serializers.IntegerField()
    dead = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    snoozed = serializers.IntegerField()
    released = serializers.IntegerField(help_text="Handed back unrun.")
    lost = serializers.IntegerField(help_text="Taken away while running; somebody else runs them again.")
    seconds = serializers.FloatField()


class AttemptAnswer(serializers.ModelSerializer[Attempt]):
    """One attempt that did not end well."""

    class Meta:
        model = Attempt
        fields = ("attempt", "outcome", "code", "message", "worker_id", "started_at", "ended_at", "fingerprint")


class ProgressAnswer(serializers.Serializer[Any]):
    """How far the running handler is, as it last said."""

    percent = serializers.IntegerField()
    stage = serializers.CharField()
    message = serializers.CharField()
    updated_at = serializers.DateTimeField()


class StepAnswer(serializers.ModelSerializer[Checkpoint]):
    """A durable step that an item has behind it."""

    class Meta:
        model = Checkpoint
        fields = ("name", "created_at")


class ParentAnswer(serializers.Serializer[Any]):
    """An item that this one comes after."""

    id = serializers.IntegerField()
    outcome = serializers.CharField(allow_null=True, help_text="completed, dead, cancelled; null: it has not ended.")
    if_failed = serializers.CharField(help_text="hold, cancel or run: what becomes of this item if that one fails.")


class DeadLetterAnswer(serializers.ModelSerializer[QueueItem]):
    """A dead item in the list."""

    attempt = serializers.SerializerMethodField()

    class Meta:
        model = QueueItem
        fields = ("id", "queue", "operation", "document_id", "priority", "attempt", "max_attempts", "crashes",
                  "enqueued_at", "died_at", "error_code", "error_message", "fingerprint")  # fmt: skip

    def get_attempt(self, item: QueueItem) -> int:
        """The attempt that it died in."""
        return attempt(item.attempt, item.status)


class DeadLettersAnswer(serializers.Serializer[Any]):
    """One page of dead items, the newest first."""

    results = DeadLetterAnswer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Address of the next page; null on the last one.")


class ItemAnswer(PlaceAnswer, serializers.ModelSerializer[AnyItem]):
    """An item, live or finished. Columns that a state does not know are null."""

    explain = serializers.CharField(read_only=True, help_text="In one sentence: where the item is and why.")
    cancelling = serializers.SerializerMethodField(help_text="It runs, and its handler was asked to stop.")
    attempt = serializers.SerializerMethodField(help_text="From 1 where it runs or has run, also as a breaker's probe.")
    progress = ProgressAnswer(read_only=True, allow_null=True)
    attempts = AttemptAnswer(read_only=True, many=True, help_text="Those that did not end well, the newest first.")
    steps = StepAnswer(read_only=True, many=True, help_text="Durable steps that a live item has behind it, in order.")

    parents = ParentAnswer(read_only=True, many=True, help_text="The items that it comes after, by id.")
    concurrency_key = serializers.CharField(source="slot_key", read_only=True, allow_null=True)
    concurrency_limit = serializers.IntegerField(source="slot_limit", read_only=True, allow_null=True)
    concurrency_slot = serializers.IntegerField(
        source="slot", read_only=True, allow_null=True, help_text="Its place under that key, from 1; null: it has none."
    )

    class Meta:
        model = AnyItem
        fields = ("id", "status", "cancelling", "wait_reason", "explain", *PLACE, "queue", "operation", "document_id",
                  "priority", "ordering_key", "unique_key", "tenant", "limit_key", "concurrency_key",
                  "concurrency_limit", "concurrency_slot", "batch_id", "attempt", "max_attempts", "crashes",
                  "timeout_seconds", "run_after", "next_retry_at", "enqueued_at", "claimed_at", "finished_at",
                  "died_at", "cancel_requested_at", "worker_id", "error_code", "error_message", "fingerprint",
                  "progress", "attempts", "steps", "parents", "payload", "metadata", "result")  # fmt: skip
        extra_kwargs = {
            "payload": {"help_text": "Left out without the permission docqueue.view_payload."},
            "metadata": {"help_text": "Left out without the permission docqueue.view_payload."},
            "result": {"help_text": "Left out without the permission docqueue.view_payload."},
        }

    def get_attempt(self, item: AnyItem) -> int:
        """The attempt it is in or ended with; while it waits, how many it has spent."""
        return attempt(item.attempt, item.status)

    def get_cancelling(self, item: AnyItem) -> bool:
        """Whether somebody asked to cancel it while it runs."""
        return item.status == Status.IN_PROGRESS and item.cancel_requested_at is not None


class FieldError(serializers.Serializer[Any]):
    """What is wrong with one field."""

    field = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """Every refusal (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Stable; programs may depend on it.")
    detail = serializers.CharField(help_text="For a person.")
    hint = serializers.CharField(allow_blank=True, help_text="The next step.")
    retryable = serializers.BooleanField(help_text="Whether the same request may succeed later.")
    errors = FieldError(many=True, required=False)  # type: ignore[assignment]  # a field, not the property
    request_id = serializers.CharField(allow_null=True)
