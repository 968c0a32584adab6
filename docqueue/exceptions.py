"""Every error of docqueue: a class, a stable `code`, whether a retry can help, and a next step for a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeGuard

CENTURY_SECONDS = 100 * 366 * 86_400.0


class DocqueueError(Exception):
    """Something docqueue refuses or can not do. `str(error)` is the message for a person."""

    code = "docqueue_error"
    retryable = False
    hint = ""
    status = 400

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or self.code).strip().splitlines()[0])
        if hint is not None:
            self.hint = hint


class InvalidItem(DocqueueError):
    """The item can not be enqueued as it is."""

    code = "invalid_item"
    hint = "Nothing was enqueued. Correct the argument that the message names and enqueue again."


class UnknownOperation(InvalidItem):
    """No handler is registered for this operation."""

    code = "unknown_operation"
    hint = "Register it with @handler in a queue_handlers.py of an installed app, or correct the name."


class UnknownTemplate(InvalidItem):
    """The setting TEMPLATES has nothing under this name."""

    code = "unknown_template"
    hint = "Add it to DOCQUEUE['TEMPLATES'], or correct the name."


class InvalidKey(InvalidItem):
    """A key is empty, too long (255 characters at most) or holds a NUL character."""

    code = "invalid_key"


class PayloadTooLarge(InvalidItem):
    """The payload is larger than PAYLOAD_MAX_BYTES."""

    code = "payload_too_large"
    status = 413
    hint = "Put the bytes into storage and enqueue their key."


class PayloadNotJson(InvalidItem):
    """The payload or metadata is not a JSON object."""

    code = "payload_not_json"
    hint = "Pass a dict of strings, numbers, booleans, None, lists and dicts."


class PayloadMisfit(InvalidItem):
    """The payload does not fit what the operation's handler declares."""

    code = "payload_misfit"
    hint = "Compare the payload's keys with the `payload` that the handler was registered with."


class InvalidPriority(InvalidItem):
    """The priority is not a whole number from -100 to 100, nor 'high', 'normal', 'medium' or 'low'."""

    code = "invalid_priority"


class InvalidOption(InvalidItem):
    """An option of the item is out of its range."""

    code = "invalid_option"


class UnknownParent(InvalidItem):
    """An item that this one is to come after is neither in the queue nor in its history."""

    code = "unknown_parent"
    hint = "Nothing was enqueued. Give the id of an item that exists, or one that stands before it in the same call."


class InvalidBulk(DocqueueError):
    """A bulk operation can not be done as it was asked for."""

    code = "invalid_bulk"
    hint = "Nothing was started. Correct the action or the filter that the message names and ask again."


class BulkNotFound(DocqueueError):
    """No bulk operation has this id."""

    code = "bulk_not_found"
    status = 404


class FailureNotFound(DocqueueError):
    """No dead item has failed in this way of late."""

    code = "failure_not_found"
    status = 404
    hint = "List what there is: GET dead-letters/groups. A cause that is new is there after some seconds."


class InvalidWait(DocqueueError):
    """wait must be a whole number of seconds from 0 to 30."""

    code = "invalid_wait"
    hint = "Leave it out to be answered at once."


class QueueNotFound(DocqueueError):
    """Nothing is in a queue of this name, and neither a handler nor a setting nor a person names it."""

    code = "queue_not_found"
    status = 404
    hint = "List what there is: GET queues."


class WorkerNotFound(DocqueueError):
    """No worker has this id; those that are gone are removed after the retention period."""

    code = "worker_not_found"
    status = 404


class BatchNotFound(DocqueueError):
    """No batch has this id; finished ones are removed after the retention period."""

    code = "batch_not_found"
    status = 404


class BatchSealed(DocqueueError):
    """The batch is sealed: it takes no more items."""

    code = "batch_sealed"
    status = 409
    hint = "Nothing was enqueued. Add all items before the batch is sealed, or make another batch."


class DuplicateKey(DocqueueError):
    """An item has this unique key already, and the caller asked to be refused then. `item_id` says which."""

    code = "duplicate_key"
    status = 409
    hint = "Look at that item; enqueue under another key, or with on_conflict='return' to get it."

    def __init__(self, message: str = "", *, hint: str | None = None, item_id: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.item_id = item_id


class ItemNotFound(DocqueueError):
    """No item has this id; finished items are dropped after the retention period."""

    code = "item_not_found"
    status = 404


class AlreadyClaimed(DocqueueError):
    """The item is no longer pending: another caller took it, or it is waiting or finished."""

    code = "already_claimed"
    status = 409
    hint = "Go on with the next item."


class LeaseLost(DocqueueError):
    """This claim is no longer the newest one: the item was reaped, taken again or finished; nothing was changed."""

    code = "lease_lost"
    status = 409
    hint = "Stop working on the item: another claim is answerable for it now."


class InvalidStep(DocqueueError):
    """A durable step has a name that can not be one, or that this run has used already."""

    code = "invalid_step"
    hint = "Give each step of a handler a name of its own, in a loop with the number of the round."
    status = 500


class IllegalTransition(DocqueueError):
    """The item's state does not allow this."""

    code = "illegal_transition"
    status = 409
    hint = "Look at the item's present state; somebody else may have acted on it first."


class NotAllowed(DocqueueError):
    """The user does not have the permission that this takes."""

    code = "not_allowed"
    status = 403
    hint = "Nothing was changed. Ask an administrator for the permission that the message names."


class WorkerRefuses(DocqueueError):
    """The worker can not be asked that: it has ended, is no worker, or was asked to stop."""

    code = "worker_refuses"
    status = 409
    hint = "Look at the list of workers: one that starts anew has a row of its own."


class InvalidSchedule(DocqueueError):
    """A schedule can not be as it is asked for."""

    code = "invalid_schedule"
    hint = "Nothing was changed. Correct what the message names."


class ScheduleNotFound(DocqueueError):
    """No schedule has this name."""

    code = "schedule_not_found"
    status = 404


class ConfigurationError(DocqueueError):
    """The DOCQUEUE setting is wrong."""

    code = "configuration_error"
    status = 500


class Outcome(Exception):
    """Base of what a handler may raise to say how its item goes on."""


def is_seconds(value: Any) -> TypeGuard[float]:
    """Whether this is a finite number that the database can add to a time."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= CENTURY_SECONDS


def is_code(value: Any) -> TypeGuard[str]:
    """Whether this can stand as an error code: 1 to 100 printable ASCII characters."""
    return isinstance(value, str) and 0 < len(value) <= 100 and value.isascii() and value.isprintable()


class Retry(Outcome):
    """Run the item again `after` seconds (default: what the retry policy says). Costs an attempt."""

    def __init__(self, message: str = "", *, after: float | None = None, code: str = "retry") -> None:
        super().__init__(message or "the handler asked for a retry")
        if after is not None and not is_seconds(after):
            raise ValueError(f"Retry: after must be a number of seconds, not {after!r}")
        if not is_code(code):
            raise ValueError(f"Retry: code must be 1 to 100 ASCII characters, not {code!r}")
        self.after = after
        self.code = code


class Snooze(Outcome):
    """Not now: run the item again after `seconds`, or at `until`. The attempt is given back."""

    def __init__(self, seconds: float | None = None, *, until: datetime | None = None) -> None:
        if (seconds is None) == (until is None):
            raise ValueError("Snooze takes either seconds or until")
        if seconds is not None and not is_seconds(seconds):
            raise ValueError(f"Snooze: seconds must be a number of seconds, not {seconds!r}")
        if until is not None and (not isinstance(until, datetime) or until.tzinfo is None):
            raise ValueError(f"Snooze: until must be a datetime with a time zone, not {until!r}")
        super().__init__("snoozed")
        self.seconds = seconds
        self.until = until


class DeadLetter(Outcome):
    """The item can not succeed: set it aside at once, with a stable `code` and a message for a person."""

    def __init__(self, code: str, message: str = "", *, hint: str = "") -> None:
        if not is_code(code):
            raise ValueError(f"DeadLetter: code must be 1 to 100 ASCII characters, not {code!r}")
        super().__init__(message or code)
        self.code = code
        self.hint = hint


class Cancelled(Outcome):
    """The item was cancelled while its handler ran; raised by `ctx.check()` and `ctx.progress()`."""
