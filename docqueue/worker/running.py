"""Running one item's handler: limits around it, and what came of it as one of the closed set of outcomes."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import sys
import threading
from collections.abc import Iterator

from django.db import Error as DatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from docqueue import correlation, handlers, outcomes, store
from docqueue.conf import get_settings
from docqueue.context import Channel, Context
from docqueue.items import ClaimedItem
from docqueue.jsontext import result_text
from docqueue.states import WaitReason

logger = logging.getLogger("docqueue")

DONE = outcomes.Completed()
SETTLED = outcomes.Completed(settled=True)
PAGE = resource.getpagesize()
STATM_FIELDS = 7
UNWELL_PAUSE_SECONDS = 2.0
OWN_LIMITS = ("53400",)  # what a statement meets that asks for more than it may have, as temp_file_limit
UNKNOWN_OPERATION_PAUSE_SECONDS = 30.0


def run_item(
    item: ClaimedItem,
    using: str,
    channel: Channel,
    *,
    size: int | None = None,
    make_context: type[Context] = Context,
    passes: type[BaseException] | tuple[()] = (),
) -> outcomes.Outcome:
    """Run the item's handler and say how it ended. Never raises for what the handler did.

    `size`: of this process's address space, which is limited to so much and the item's memory; None: not limited.
    `make_context` and `passes`, an exception that is raised, are for tests. Inside a transaction of the caller's, as a
    test has it, connections are left as they are.
    """
    handler = handlers.find(item.operation)
    if handler is None:
        return outcomes.Snoozed(seconds=UNKNOWN_OPERATION_PAUSE_SECONDS, reason=WaitReason.NO_HANDLER)
    ours = _connections().get(using) or connections[using]
    before = ours.connection
    tested = ours.in_atomic_block
    ctx = make_context(item, using, channel, tested=tested)
    memory = 0
    if size is not None:
        memory = get_settings().MEMORY_MB if handler.memory_mb is None else handler.memory_mb
    try:
        # an item enqueued by a handler carries that handler's bindings: its own come last
        with correlation.bind_when_asked(
            lambda: ctx.metadata | {"item_id": item.id, "operation": item.operation, "document": item.document_id}
        ):
            try:
                if memory and size is not None:
                    with memory_limit(size, memory):
                        value = handler.function(ctx)
                else:
                    value = handler.function(ctx)
                if ctx.settled:
                    return SETTLED
                return DONE if value is None else outcomes.Completed(result=result_text(value))
            except passes:
                raise
            except BaseException as error:  # noqa: BLE001 - whatever the handler raised becomes its outcome
                return _failure(ctx, error, before)
    finally:
        if not tested:
            tidy_connections()


def _failure(ctx: Context, error: BaseException, before: object) -> outcomes.Outcome:
    if ctx.settled:
        logger.warning("item %s was completed, then its handler raised", ctx.id, exc_info=error)
        return SETTLED
    if store.sqlstate(error) == store.IDLE_SQLSTATE:
        why = "the handler was idle for too long inside of a transaction: do slow work before ctx.complete()"
        return outcomes.Failed(code="idle_in_transaction", message=why)
    if unwell(error, ctx.using, before):
        cause = outcomes.Interrupted(code="database_unwell", message=f"the database was unwell: {error}".strip())
        return outcomes.Snoozed(seconds=UNWELL_PAUSE_SECONDS, reason=WaitReason.UNWELL, cause=cause)
    try:
        return outcomes.from_exception(error)
    except Exception as fault:  # noqa: BLE001 - an exception that can not even be printed
        return outcomes.Failed(
            code="exception", message=f"{type(error).__name__}, and reading it: {type(fault).__name__}"
        )


def unwell(error: BaseException, using: str, before: object) -> bool:
    """Whether the handler failed because the queue's own database is unwell: then no item is to blame.

    `before` is the connection that the handler began with. Django replaces one that broke in a transaction at once,
    so a connection that works now proves nothing unless it is the same.
    """
    if not isinstance(error, DatabaseError) or not store.is_unwell(error):
        return False
    ours = connections[using]
    elsewhere = any(c.errors_occurred for c in _connections().values() if c.alias != using)
    if elsewhere and not ours.errors_occurred and ours.connection is before:
        return False
    state = store.sqlstate(error)
    if state == store.READ_ONLY_SQLSTATE:
        return store.state(using) != "ok"  # or the handler has made its own transaction read-only
    if state:
        return state not in OWN_LIMITS
    if ours.connection is None and len(list(connections)) > 1:  # it may have been another database's
        try:
            ours.ensure_connection()
        except DatabaseError:
            return True
        return False
    return ours.connection is not before or not ours.is_usable()


@contextlib.contextmanager
def memory_limit(size: int, megabytes: int) -> Iterator[None]:
    """Bound the address space to `size` bytes + `megabytes` for the block."""
    if sys.platform != "linux":
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = size + megabytes * 1_048_576
    for limit in (soft, hard):
        if limit != resource.RLIM_INFINITY:
            wanted = min(wanted, limit)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


_statm: tuple[int, int] = (0, -1)  # process, descriptor: opening the file costs more than a small item


def memory_now() -> tuple[int, int]:
    """The size of this process's address space and how much of it is resident, in bytes; zeros where none can tell."""
    global _statm
    if sys.platform != "linux":
        return 0, 0
    process, descriptor = _statm
    try:
        said = os.pread(descriptor, 64, 0).split() if process == os.getpid() else []
    except OSError:
        said = []  # a handler closed it
    if len(said) != STATM_FIELDS:
        descriptor = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        _statm = (os.getpid(), descriptor)
        said = os.pread(descriptor, 64, 0).split()
    return int(said[0]) * PAGE, int(said[1]) * PAGE


_seen = threading.local()


def _connections() -> dict[str, BaseDatabaseWrapper]:
    """This thread's connections by alias, as far as it has used any.

    Remembered: asking Django costs more than a small item.
    """
    known: dict[str, BaseDatabaseWrapper] = _seen.__dict__
    if len(known) < len(connections.settings):
        known.update({connection.alias: connection for connection in connections.all(initialized_only=True)})
    return known


def tidy_connections() -> None:
    """Leave no broken connection and no open transaction for the next item; healthy ones stay open."""
    for connection in _connections().values():
        connection.queries_log.clear()
        if connection.connection is None:
            continue
        open_still = connection.in_atomic_block or connection.autocommit != connection.settings_dict["AUTOCOMMIT"]
        if open_still or (connection.errors_occurred and not connection.is_usable()):
            connection.close()
        connection.errors_occurred = False
