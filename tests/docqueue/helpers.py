"""What the queue's tests share: a fixed clock, looks at raw rows, threads on real connections, gates in statements."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import factory
import psycopg
from django.db import connection, connections
from psycopg.adapt import Dumper

from docqueue import claiming, history, settling
from docqueue.conf import overridden
from docqueue.maintenance import promote
from docqueue.models import Worker
from docqueue.outcomes import Snoozed
from docqueue.service import ClaimedItem, DocumentQueueService, NewItem
from docqueue.states import Status, WaitReason

T = TypeVar("T")
T0 = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
OPERATION = "test.noop"


def later(seconds: float = 0, **delta: float) -> datetime:
    """A moment after T0."""
    return T0 + timedelta(seconds=seconds, **delta)


class NewItemFactory(factory.Factory):
    """Items for `enqueue_many`; without an ordering key unless asked, so that they are pending at once."""

    class Meta:
        model = NewItem

    document_id = factory.Sequence(lambda n: f"document-{n}")
    operation = OPERATION
    ordering_key = None


def rows(sql: str, params: Any = None) -> list[dict[str, Any]]:
    """What a query returns, as dicts."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def row(item_id: int) -> dict[str, Any] | None:
    """Every column of a live item; None when it is not live."""
    found = rows("select * from docqueue_item where id = %s", [item_id])
    return found[0] if found else None


def past(item_id: int) -> dict[str, Any] | None:
    """Every column of a finished item; None when it is not in the history. More than one row is an error."""
    found = rows("select * from docqueue_history where id = %s", [item_id])
    assert len(found) <= 1, f"item {item_id} is in the history {len(found)} times"
    return found[0] if found else None


def everything(item_id: int) -> dict[str, Any]:
    """All that the database says about an item: a loser must leave it as it was."""
    return {
        "live": row(item_id),
        "finished": past(item_id),
        "attempts": rows("select * from docqueue_attempt where item_id = %s order by id", [item_id]),
        "audit": rows("select * from docqueue_audit where item_id = %s order by id", [item_id]),
        "keys": rows("select * from docqueue_key where item_id = %s", [item_id]),
        "workers": rows("select * from docqueue_worker order by id"),
    }


def worker(now: datetime | None = T0, lease_seconds: float = 30) -> int:
    """A worker row of its own."""
    return claiming.register("default", Worker.Kind.WORKER, lease_seconds=lease_seconds, now=now)


def in_state(
    service: DocumentQueueService, status: Status, reason: WaitReason | None = None, **options: Any
) -> tuple[int, ClaimedItem | None]:
    """An item brought into a state by the service alone, at T0, and the last claim made on it, if any.

    A waiting item waits an hour, or behind another item of its key.
    """
    options = {"operation": OPERATION, "ordering_key": None, "now": T0} | options
    if status is Status.WAITING and reason is WaitReason.DELAYED:
        return service.enqueue("d", delay_seconds=3600, **options).id, None
    if status is Status.WAITING and reason is WaitReason.ORDERING:
        options |= {"ordering_key": "line"}
        service.enqueue("d", **options)
        return service.enqueue("d", **options).id, None
    if status is Status.WAITING and reason is WaitReason.CONCURRENCY:
        options |= {"concurrency_key": "line"}
        service.enqueue("d", **options)
        promote.run(service.using, T0)
        return service.enqueue("d", **options).id, None
    if status is Status.WAITING and reason in (WaitReason.DEPENDENCY, WaitReason.LIMITED, WaitReason.FAIR_SHARE):
        return _gated(service, reason, options), None
    item_id = service.enqueue("d", **options).id
    if status is Status.PENDING:
        return item_id, None
    claim = service.mark_in_progress(item_id, now=T0)
    match status, reason:
        case Status.WAITING, WaitReason.SNOOZED:
            service.snooze(claim, 3600, now=T0)
        case Status.WAITING, WaitReason.NO_HANDLER | WaitReason.UNWELL:
            settling.settle(service.using, [(claim, Snoozed(seconds=3600, reason=reason))], T0)
        case Status.WAITING, _:
            service.mark_failed(claim, "no", retry_after=3600, now=T0)
        case Status.COMPLETED, _:
            service.mark_completed(claim, now=T0)
        case Status.DEAD, _:
            service.move_to_dead(claim, "hopeless", now=T0)
        case Status.CANCELLED, _:
            service.cancel(item_id, now=T0)
            service.release(claim, now=T0)
    return item_id, claim


def _gated(service: DocumentQueueService, reason: WaitReason, options: dict[str, Any]) -> int:
    match reason:
        case WaitReason.DEPENDENCY:
            return service.enqueue("d", after=[service.enqueue("d", **options).id], **options).id
        case WaitReason.LIMITED:
            with overridden(LIMITS={"line": {"rate": 1e-6}}):
                return service.enqueue("d", limit_key="line", **options).id
    with overridden(FAIR_SHARE=1):
        service.enqueue("d", tenant="line", **options)
        promote.run(service.using, T0)
        return service.enqueue("d", tenant="line", **options).id


STATES: list[tuple[Status, WaitReason | None]] = [
    *((Status.WAITING, reason) for reason in WaitReason),
    *((status, None) for status in Status if status is not Status.WAITING),
]
"""Every state an item can be in; waiting once for each reason."""


all_well = threading.Event()
"""Set as long as no thread of `in_threads` has failed: a loop that waits for the others' work asks it."""


def in_threads(count: int, work: Callable[[int], T], seconds: float = 60) -> list[T]:
    """Run `work(n)` in `count` threads that start together, each on a connection of its own. Raises what one raised."""
    start = threading.Barrier(count)
    all_well.set()
    results: dict[int, T] = {}
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            start.wait(seconds)
            results[number] = work(number)
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            errors.append(error)
            all_well.clear()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
        if errors or thread.is_alive():
            break
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), "a thread did not end in time"
    return [results[n] for n in range(count)]


@dataclass
class Background:
    """A call running in a thread with a connection of its own."""

    thread: threading.Thread
    outcome: dict[str, Any]

    def result(self, seconds: float = 20) -> Any:
        """What the call returned; raises what it raised."""
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "the call is still waiting"
        if "error" in self.outcome:
            raise self.outcome["error"]
        return self.outcome["value"]


def in_background(work: Callable[[], Any]) -> Background:
    """Start `work` in a thread."""
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = work()
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            outcome["error"] = error
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return Background(thread, outcome)


@contextmanager
def somebody_else() -> Iterator[psycopg.Cursor[Any]]:
    """A cursor of another session with a transaction open, rolled back at the end unless the test ends it."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            yield cursor
        other.rollback()
    finally:
        other.close()


@contextmanager
def second_alias() -> Iterator[str]:
    """A second alias, and with it a second session, to the same database, for this thread."""
    connections["second"] = connection.copy(alias="second")
    try:
        history.ensure("second", weeks=2)
        yield "second"
    finally:
        connections["second"].close()
        del connections["second"]


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait until `condition` holds, with a deadline."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it did not come true in time")


def waiting_for(event: str) -> bool:
    """Whether some session of this database waits for a lock of this kind (pg_stat_activity.wait_event)."""
    sql = "select 1 from pg_stat_activity where datname = current_database() and wait_event = %s"
    return bool(rows(sql, [event]))


class Gate:
    """A number, given as a statement's parameter, at which the statement stops after it has taken its snapshot.

    The statement goes on when the test lets it. That makes the race between a snapshot and a lock repeatable.
    """

    KEY = 4711

    def __init__(self, value: int) -> None:
        self.value = value


class _GateDumper(Dumper):
    def dump(self, obj: Gate) -> bytes:
        raise NotImplementedError

    def quote(self, obj: Gate) -> bytes:
        return b"(select %d from (select pg_advisory_xact_lock(%d)) gate)" % (obj.value, Gate.KEY)


@contextmanager
def stopped_at_gate(work: Callable[[], T]) -> Iterator[Background]:
    """Run `work`, whose statement has a `Gate` parameter, up to the gate; it goes on when the block ends."""
    with somebody_else() as holder:
        holder.execute("select pg_advisory_xact_lock(%s)", [Gate.KEY])

        def run() -> T:
            connection.ensure_connection()
            connection.connection.adapters.register_dumper(Gate, _GateDumper)
            return work()

        background = in_background(run)
        until(lambda: waiting_for("advisory") or not background.thread.is_alive())
        yield background
