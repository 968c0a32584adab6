"""For the tests of projects that use the queue: run it in the test's own process and transaction.

Everything here works inside `TestCase` and `TransactionTestCase` alike. Handlers run one after the other, by the same
code as in a worker but for the process around them; `now` or `travel` says what time it is, so that no test sleeps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from psycopg.pq import TransactionStatus

from docqueue import claiming, outcomes, settling, shift, store
from docqueue.conf import get_settings
from docqueue.context import Context
from docqueue.items import ClaimedItem
from docqueue.looking import HasId
from docqueue.maintenance import batches, promote, reap
from docqueue.models import AnyItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from docqueue.worker.running import run_item

POINTS = ("claim", "run", "step", "complete", "completed")
"""Where `die_after` can strike: after the claim; after the handler has returned; after a durable step was stored; at
the end of `ctx.complete()` before its commit; after its commit."""


class Died(BaseException):
    """The process that ran the item was killed, as far as the test is concerned."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One run of an item. `status`: what became of the item; None when the claim was lost, or its process died."""

    item: ClaimedItem
    outcome: outcomes.Outcome | None
    status: Status | None


class _Channel:
    """The supervisor's end: takes progress, passes on cancels."""

    def __init__(self, using: str) -> None:
        self.using = using

    def progress(self, item: ClaimedItem, percent: int, stage: str, message: str) -> None:
        said = {"percent": percent, "stage": stage, "message": message}
        store.run(self.using, "progress", {"item_id": item.id, "token": item.claim_token, **said})

    def cancel_requested(self, item: ClaimedItem) -> bool:
        return item.id in claiming.cancel_asked(self.using, item.worker_id)


_deaths: Counter[str] = Counter()
_twice = False


def _maybe_die(point: str) -> None:
    if _deaths[point]:
        _deaths[point] -= 1
        raise Died(point)


class _Context(Context):
    """A context that a process can die in."""

    def step(self, name: str, function: Any, *args: Any, atomic: bool = False, **kwargs: Any) -> Any:
        result = super().step(name, function, *args, atomic=atomic, **kwargs)
        _maybe_die("step")
        return result

    @contextmanager
    def complete(self, result: Any = None) -> Iterator[None]:
        with super().complete(result):
            yield
            _maybe_die("complete")
        _maybe_die("completed")


def drain(
    *, using: str | None = None, queues: Sequence[str] = (), now: datetime | None = None, limit: int = 1000
) -> list[Ran]:
    """Promote and run whatever is due until nothing is left; returns every run, in order.

    An exception that leaves a handler becomes its item's outcome, as in a worker. What waits for later waits on: see
    `travel`. Raises `AssertionError` when there is still something after `limit` runs.
    """
    alias = using or get_settings().DATABASE
    ran: list[Ran] = []
    while True:
        promote.run(alias, now)
        found = claiming.claim_as_caller(alias, queues, 1, now=now)
        if not found and batches.run(alias, now):
            continue  # with what a finished batch has enqueued
        if not found:
            return ran
        if len(ran) >= limit:
            raise AssertionError(
                f"There are still items after {limit} runs. Does one enqueue or retry itself for ever?"
            )
        ran += _run(alias, found[0], now)


def run_one(item: HasId | int, *, using: str | None = None, now: datetime | None = None) -> Ran:
    """Run this pending item, and no other. Returns its last run. Raises `AlreadyClaimed` when it is not pending."""
    alias = using or get_settings().DATABASE
    return _run(alias, DocumentQueueService(alias).mark_in_progress(item, now=now), now)[-1]


def _run(using: str, item: ClaimedItem, now: datetime | None) -> list[Ran]:
    if not _twice:
        return [_once(using, item, now)]
    settling.settle(using, [(item, outcomes.Released())], now)
    again = DocumentQueueService(using).mark_in_progress(item, now=now)
    stale: outcomes.Outcome | None
    try:
        stale = _outcome(using, item)
    except Died:
        stale = None
    return [Ran(item=item, outcome=stale, status=None), _once(using, again, now)]


def _outcome(using: str, item: ClaimedItem) -> outcomes.Outcome:
    """Run the handler. What a statement that failed did to the test's own transaction is taken back, no more."""
    if not store.in_transaction(using):
        return run_item(item, using, _Channel(using), make_context=_Context, passes=Died)
    before = transaction.savepoint(using=using)
    try:
        return run_item(item, using, _Channel(using), make_context=_Context, passes=Died)
    finally:
        connection = store.connection(using)
        aborted = connection.connection.info.transaction_status == TransactionStatus.INERROR
        if aborted or connection.needs_rollback:
            connection.needs_rollback = False
            transaction.savepoint_rollback(before, using=using)
        else:
            transaction.savepoint_commit(before, using=using)


def _once(using: str, item: ClaimedItem, now: datetime | None) -> Ran:
    try:
        _maybe_die("claim")
        outcome = _outcome(using, item)
        _maybe_die("run")
    except Died:
        claiming.renew(using, item.worker_id, -1.0, now=now)  # a lease that has run out
        reap.run(using, now)
        return Ran(item=item, outcome=None, status=None)
    return Ran(item=item, outcome=outcome, status=_settled(using, item, outcome, now))


def _settled(using: str, item: ClaimedItem, outcome: outcomes.Outcome, now: datetime | None) -> Status | None:
    try:
        match outcome:
            case outcomes.Completed(settled=True):
                return Status.COMPLETED
            case outcomes.Completed():
                ours = settling.complete(using, [(item, outcome.result)], now)
                return Status.COMPLETED if ours else None
        return settling.settle(using, [(item, outcome)], now).get(item.id)
    finally:
        store.run(using, "forget_caller", {"worker_id": item.worker_id})


def enqueued(operation: str | None = None, *, using: str | None = None, **match: Any) -> list[AnyItem]:
    """The items of `operation` (or all), live and finished, by id, that match: each keyword is a column.

    Of `payload` and `metadata` only the keys that are given have to be equal.
    """
    found = AnyItem.objects.using(using or get_settings().DATABASE).order_by("id")
    if operation is not None:
        found = found.filter(operation=operation)
    parts = {name: match.pop(name) for name in ("payload", "metadata") if name in match}
    if match.get("document_id") is not None:
        match["document_id"] = str(match["document_id"])
    return [
        item
        for item in found.filter(**match)
        if all(getattr(item, name).items() >= dict(part).items() for name, part in parts.items())
    ]


def assert_enqueued(
    operation: str, *, count: int | None = None, using: str | None = None, **match: Any
) -> list[AnyItem]:
    """Raise `AssertionError` unless there is such an item (or exactly `count`); returns them. See `enqueued`."""
    found = enqueued(operation, using=using, **match)
    if (not found) if count is None else len(found) != count:
        there = [f"{i.operation} {i.status}, document {i.document_id}, {i.payload}" for i in enqueued(using=using)]
        wanted = "at least one" if count is None else str(count)
        raise AssertionError(
            f"{len(found)} items of {operation!r} match {match}, not {wanted}. There are: "
            + ("; ".join(there) or "none")
        )
    return found


@contextmanager
def travel(seconds: float | None = None, *, to: datetime | None = None) -> Iterator[None]:
    """Let the queue's clock be `seconds` ahead (or at `to`, going on from there) inside the block, in this process."""
    if (seconds is None) == (to is None):
        raise ValueError("travel takes either seconds or to")
    ahead = timedelta(seconds=seconds) if seconds is not None else to - timezone.now()  # type: ignore[operator]
    with shift.ahead(ahead):
        yield


@contextmanager
def die_after(point: str, times: int = 1) -> Iterator[None]:
    """Have the process die at `point` (one of `POINTS`) the next `times` that a run in the block comes to it.

    `drain` then does what the queue does about a worker that is gone: its lease runs out, the item is freed and runs
    again.
    """
    if point not in POINTS:
        raise ValueError(f"point must be one of {', '.join(POINTS)}, not {point!r}")
    before = _deaths[point]
    _deaths[point] = times
    try:
        yield
    finally:
        _deaths[point] = before


@contextmanager
def duplicate_delivery() -> Iterator[None]:
    """Have each item run twice inside the block: first by a worker that has lost its claim and does not know it yet.

    Whatever that one writes through its context is refused; what it does outside happens twice. A handler that has a
    test with this is ready for the real thing.
    """
    global _twice
    _twice = True
    try:
        yield
    finally:
        _twice = False
