"""The only place that opens a cursor: one function a statement, the text of each in sql/.

Nothing here decides anything; `service` and the rooms above do. Every statement takes `now`: None means the
database's own clock.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from django.db import OperationalError, connections, transaction
from django.db.utils import InterfaceError
from psycopg import ClientCursor
from psycopg import Cursor as ServerCursor

from docqueue import shift

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

Row = tuple[Any, ...]
Params = Mapping[str, Any]

LOCK_CLASS = 0x646F6371  # "docq": the class of our advisory locks, one slot per hash of an ordering key
CHANNEL = "docqueue"  # of our notifications; the payload is the queue's name
UNWELL_SQLSTATE_CLASSES = ("08", "53", "57P")
READ_ONLY_SQLSTATE = "25006"
IDLE_SQLSTATE = "25P03"


class _Copy(Protocol):
    def write(self, buffer: bytes) -> None: ...


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
    wrapper = connections[using]
    if name in PREPARED and wrapper.connection in _own:
        with wrapper.wrap_database_errors, ServerCursor(wrapper.connection) as server:
            return server.execute(sql(name), shift.bound(params), prepare=True, binary=True).fetchall()
    with wrapper.cursor() as cursor:
        text = sql(name)
        if name in BY_INDEX and wrapper.get_autocommit() and isinstance(cursor.cursor, ClientCursor):
            text = f"{BY_INDEX_LOCALLY}; {text}"  # sent as one query, and so one transaction
        cursor.execute(text, shift.bound(params))
        while cursor.nextset():
            pass
        return cursor.fetchall() if cursor.pgresult.nfields else []  # .description would make an object per column


def count(using: str, name: str, params: Params) -> int:
    """Execute statement `name` and return how many rows it changed."""
    with connections[using].cursor() as cursor:
        cursor.execute(sql(name), shift.bound(params))
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
    return run(using, "clock", {})[0][0]  # type: ignore[no-any-return]


def new_token() -> int:
    """A fence: a random 63-bit number. A counter could be handed out twice after a crash; this can not."""
    return secrets.randbits(63)


def copy_items(using: str, columns: str, chunks: Iterable[bytes]) -> None:
    """Insert items by COPY from blocks of its text format; inside the caller's transaction, which must be open."""
    with connections[using].cursor() as cursor:
        with cursor.copy(f"copy docqueue_item ({columns}) from stdin") as copy:
            writer: _Copy = copy
            for chunk in chunks:
                writer.write(chunk)


def reserve(using: str, count: int, now: datetime | None) -> tuple[Sequence[int], Sequence[int], datetime]:
    """Draw `count` item ids and as many lane positions, each in rising order, with the database's clock.

    They belong to the transaction that must be open here: to others it is running from before the draw.
    """
    first_id, ids, first_position, positions, clock = run(using, "reserve_ids", {"count": count, "now": now})[0]
    return (
        ids or range(first_id, first_id + count),
        positions or range(first_position, first_position + count),
        clock,
    )


def numbers(values: Iterable[int]) -> str:
    """An array of numbers as PostgreSQL writes it: a list would be adapted number by number."""
    return "{" + ",".join(map(str, values)) + "}"


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
    """This thread's connection, for checks."""
    return connections[using]


PREPARED = frozenset({"step", "look", "mark_lost", "promote_due", "waiting_reasons"})
"""Statements that a session of our own prepares: parsing and planning them takes longer than running them."""

_DUE = frozenset({"promote_due", "promote_retries"})
_LOOKS = frozenset(
    {"step", "look", "stats_finished", "stats_live", "item_queues", "bulk_count", "waiting_reasons", "queue_waits"}
)
_LISTS = frozenset({"list_items", "find_items", "items_shown", "few_live", "audit_of_many"})
_BATCHES = frozenset({"batch_status", "batch_size"})
_ASIDE = frozenset({"promote_keys", "promote_slots", "promote_children", "discard_dead", "age"})
BY_INDEX = _DUE | _LOOKS | _LISTS | _BATCHES | _ASIDE
"""Statements that read rows by their keys and the fronts of indexes, whatever the statistics say of the table."""

# What is switched off looks so dear before PostgreSQL 18 that it would compile each plan, for half a second: no jit.
_OFF = ("jit", "enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin")
BY_INDEX_LOCALLY = "; ".join(f"set local {name} = off" for name in _OFF)
# A plan that is made once, perhaps while the table is empty, must be good for a million rows.
OWN_SETTINGS = "; ".join(["set plan_cache_mode = force_generic_plan", *(f"set {name} = off" for name in _OFF)])
AS_IT_CAME = "; ".join(["reset plan_cache_mode", *(f"reset {name}" for name in _OFF)])
_own: WeakSet[Any] = WeakSet()


def direct(using: str) -> bool:
    """Whether this thread's connection leads to PostgreSQL itself: behind a pooler the backend has another number."""
    return backend(using) == connections[using].connection.info.backend_pid  # type: ignore[no-any-return]


def backend(using: str) -> int:
    """The process on the server that serves this thread's connection."""
    return int(run(using, "backend", {})[0][0])


class Session:
    """This thread's open connection, made a session of our own where it is one: `direct`.

    Behind a pooler it is not, which the backend's number gives away: there it stays as it is, and hears nothing.
    """

    def __init__(self, using: str) -> None:
        self._wrapper = connections[using]
        self._raw = self._wrapper.connection
        self._heard: Callable[[str], None] | None = None
        self.direct = direct(using)
        self._tell(OWN_SETTINGS)
        if self.direct:
            self._raw.prepare_threshold = 0
            _own.add(self._raw)

    @property
    def listening(self) -> bool:
        """Whether notifications arrive."""
        return self._heard is not None

    def listen(self, heard: Callable[[str], None]) -> None:
        """Have `heard(payload)` called for each notification from now on, if the session is direct."""
        if self.direct:
            self._heard = heard
            self._raw.add_notify_handler(lambda notification: heard(notification.payload))  # beside a statement
            with self._wrapper.cursor() as cursor:
                cursor.execute(f"listen {CHANNEL}")

    @contextmanager
    def as_it_came(self) -> Iterator[None]:
        """Plan as the server does by itself inside the block, for statements that are not ours."""
        self._tell(AS_IT_CAME)
        try:
            yield
        finally:
            if self.fit():
                self._tell(OWN_SETTINGS)

    def _tell(self, settings: str) -> None:
        if self.direct:
            with self._wrapper.cursor() as cursor:
                cursor.execute(settings)

    def fit(self) -> bool:
        """Whether the connection is still this one."""
        return self._raw is self._wrapper.connection

    def fileno(self) -> int:
        """The descriptor that becomes readable when there is something to hear. Raises as `hear`."""
        with self._wrapper.wrap_database_errors:
            return int(self._raw.fileno())

    def hear(self) -> None:
        """Take in what has arrived. Raises Django's `OperationalError` when the connection is gone."""
        with self._wrapper.wrap_database_errors:
            self._raw.pgconn.consume_input()
            while notification := self._raw.pgconn.notifies():
                if self._heard is not None:
                    self._heard(notification.extra.decode())


def state(using: str) -> str:
    """How this thread's connection is: ok, read-only, down. Opens one if there is none, closes one that is broken."""
    try:
        return "ok" if run(using, "writable", {})[0][0] else "read-only"
    except (OperationalError, InterfaceError):
        close(using)
        return "down"


def connected(using: str) -> bool:
    """Whether this thread has an open connection."""
    return connections[using].connection is not None


@contextmanager
def own_connection(using: str) -> Iterator[None]:
    """Close this thread's connection at the end, for threads that live shorter than the process."""
    try:
        yield
    finally:
        connections[using].close()
