"""The only place that opens a cursor: one function a statement, the text of each in sql/.

Nothing here decides anything; `service` and the rooms above do. Every statement takes `now`: None means the
database's own clock.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol

from django.db import OperationalError, connections, transaction
from django.db.utils import InterfaceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

Row = tuple[Any, ...]
Params = Mapping[str, Any]

LOCK_CLASS = 0x646F6371  # "docq": the class of our advisory locks, one slot per hash of an ordering key
UNWELL_SQLSTATE_CLASSES = ("08", "53", "57P")
READ_ONLY_SQLSTATE = "25006"


class _Copy(Protocol):
    def write_row(self, row: Sequence[Any]) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedItem:
    """An item in the hands of its claimer, with the fence (`claim_token`) that every later write carries."""

    id: int
    claim_no: int
    claim_token: int
    worker_id: int
    queue: str
    operation: str
    document_id: str | None
    payload: dict[str, Any]
    metadata: dict[str, Any]
    priority: int
    ordering_key: str | None
    attempt: int
    max_attempts: int
    crashes: int
    timeout_seconds: float
    enqueued_at: datetime
    claimed_at: datetime
    suspect: bool
    position: int


@cache
def sql(name: str) -> str:
    """The text of sql/`name`.sql."""
    return resources.files("docqueue").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def names() -> list[str]:
    """Names of all statements."""
    folder = resources.files("docqueue").joinpath("sql")
    return sorted(f.name.removesuffix(".sql") for f in folder.iterdir() if f.name.endswith(".sql"))


def run(using: str, name: str, params: Params) -> list[Row]:
    """Execute statement `name` and return its rows (none for one that returns nothing)."""
    with connections[using].cursor() as cursor:
        cursor.execute(sql(name), {"now": None, **params})
        return cursor.fetchall() if cursor.description else []


def count(using: str, name: str, params: Params) -> int:
    """Execute statement `name` and return how many rows it changed."""
    with connections[using].cursor() as cursor:
        cursor.execute(sql(name), {"now": None, **params})
        return int(cursor.rowcount)


def atomic(using: str) -> AbstractContextManager[None]:
    """A transaction (a savepoint inside one)."""
    return transaction.atomic(using=using)


def savepoint_if_open(using: str) -> AbstractContextManager[None]:
    """A savepoint inside the caller's transaction; nothing where there is none (the statement commits by itself)."""
    return atomic(using) if in_transaction(using) else nullcontext()


def in_transaction(using: str) -> bool:
    """Whether the caller's thread has a transaction open on this alias."""
    return bool(connections[using].in_atomic_block)


def apart(using: str, work: Callable[[], None]) -> None:
    """Do `work` in a session of its own, apart from the transaction that this thread has open."""

    def connected() -> None:
        with own_connection(using):
            work()

    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(connected).result()


def clock(using: str) -> datetime:
    """What time it is for the database."""
    moment: datetime = run(using, "clock", {})[0][0]
    return moment


def new_token() -> int:
    """A fence: a random 63-bit number. A counter could be handed out twice after a crash; this can not."""
    return secrets.randbits(63)


def enqueue(using: str, params: Params) -> tuple[int, str, str | None, bool]:
    """Insert one item. Returns id, status, wait reason and whether only its key's hash slot was taken."""
    name = "enqueue" if params["ordering_key"] is None else "enqueue_ordered"
    row = run(using, name, {**params, "lock_class": LOCK_CLASS})[0]
    return int(row[0]), row[1], row[2], row[3]


COPY_COLUMNS = (
    "id, queue, priority, position, status, wait_reason, operation, document_id, ordering_key, payload, metadata, "
    "max_attempts, timeout_seconds, run_after, next_retry_at, enqueued_at"
)


def copy_items(using: str, rows: Iterable[Sequence[Any]]) -> None:
    """Insert items by COPY, inside the caller's transaction if there is one."""
    with connections[using].cursor() as cursor:
        with cursor.copy(f"copy docqueue_item ({COPY_COLUMNS}) from stdin") as copy:
            writer: _Copy = copy
            for row in rows:
                writer.write_row(row)


def reserve(using: str, count: int, now: datetime | None) -> list[tuple[int, int, datetime]]:
    """Draw `count` pairs of item id and lane position, with the database's clock."""
    return [(int(r[0]), int(r[1]), r[2]) for r in run(using, "reserve_ids", {"count": count, "now": now})]


def claimed(rows: Iterable[Row]) -> list[ClaimedItem]:
    """Rows of a claim as items, in claim order."""
    items = [
        ClaimedItem(
            id=r[0],
            claim_no=r[1],
            claim_token=r[2],
            worker_id=r[3],
            queue=r[4],
            operation=r[5],
            document_id=r[6],
            payload=json.loads(r[7]),
            metadata=json.loads(r[8]),
            priority=r[9],
            ordering_key=r[10],
            attempt=r[11],
            max_attempts=r[12],
            crashes=r[13],
            timeout_seconds=r[14],
            enqueued_at=r[15],
            claimed_at=r[16],
            suspect=r[17],
            position=r[18],
        )
        for r in rows
    ]
    items.sort(key=lambda item: (-item.priority, item.position))
    return items


@contextmanager
def _impatient(using: str) -> Iterator[Any]:
    """A cursor in a transaction of its own (or a savepoint) that waits 50 ms at most for a lock."""
    with atomic(using), connections[using].cursor() as cursor:
        cursor.execute("show lock_timeout")
        (before,) = cursor.fetchone()
        cursor.execute("select set_config('lock_timeout', '50ms', true)")
        yield cursor
        # SET LOCAL outlives a released savepoint: leave the caller's transaction as it was
        cursor.execute("select set_config('lock_timeout', %s, true)", [before])


def ensure_partition(using: str, name: str, lower: datetime, upper: datetime) -> None:
    """Make one partition of the history if it is missing.

    Waits 50 ms at most for a lock: raises `OperationalError` (55P03) when somebody holds the table longer.
    """
    with _impatient(using) as cursor:
        # Two makers at once: the second waits here, then finds the partition made.
        cursor.execute("select pg_advisory_xact_lock(%s, 0)", [LOCK_CLASS + 1])
        cursor.execute("select to_regclass(%s)", [name])
        if cursor.fetchone() == (None,):
            cursor.execute(f'create table "{name}" (like docqueue_history including all)')
            cursor.execute(
                f'alter table docqueue_history attach partition "{name}" for values from (%s) to (%s)', [lower, upper]
            )


def drop_partition(using: str, name: str) -> None:
    """Drop one partition of the history, waiting 50 ms at most for its locks (`OperationalError` 55P03)."""
    with _impatient(using) as cursor:
        cursor.execute(f'drop table if exists "{name}"')


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE behind a database error; empty when there is none."""
    cause = error.__cause__ if error.__cause__ is not None else error
    return str(getattr(cause, "sqlstate", None) or "")


def is_unwell(error: BaseException) -> bool:
    """Whether an error means that the database is unwell (gone, full, read-only), so that no item is to blame."""
    if isinstance(error, InterfaceError):
        return True
    state = sqlstate(error)
    if state:
        return state.startswith(UNWELL_SQLSTATE_CLASSES) or state == READ_ONLY_SQLSTATE
    return isinstance(error, OperationalError)


def close(using: str) -> None:
    """Close this thread's connection; the next statement opens a new one."""
    connections[using].close()


def connection(using: str) -> BaseDatabaseWrapper:
    """This thread's connection, for checks of its vendor and version."""
    return connections[using]


@contextmanager
def own_connection(using: str) -> Iterator[None]:
    """Close this thread's connection at the end, for threads that live shorter than the process."""
    try:
        yield
    finally:
        connections[using].close()
