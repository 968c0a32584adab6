"""The executor process: runs one item after the other and reports each. Everything hostile happens in here."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections, reset_queries

from docqueue import correlation, handlers, outcomes, store, validation
from docqueue.conf import get_settings
from docqueue.context import Context
from docqueue.store import ClaimedItem

PR_SET_PDEATHSIG = 1
STATM = Path("/proc/self/statm")
UNWELL_PAUSE_SECONDS = 2.0
UNKNOWN_OPERATION_PAUSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Run:
    """Supervisor → child: run these items, in this order."""

    items: tuple[ClaimedItem, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Supervisor → child: somebody asked to cancel this item."""

    item_id: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Supervisor → child: start nothing more, hand the rest back, end."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Child → supervisor: this item's run ended so, after so many seconds."""

    item_id: int
    outcome: outcomes.Outcome
    seconds: float


@dataclass(frozen=True, slots=True)
class Said:
    """Child → supervisor: how far the running item is."""

    item_id: int
    percent: int
    stage: str
    message: str


def main(connection: Connection[Any, Any], slot: Any, using: str, databases: dict[str, str]) -> None:
    """Entry of the executor process. `slot` is shared memory: id and start (monotonic ns) of the running item."""
    die_with_parent()
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import django  # a spawned child has loaded nothing yet

    django.setup()
    for alias, name in databases.items():
        connections[alias].settings_dict["NAME"] = name
    Child(connection, slot, using).serve()


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent (the fork server) ends; it ends with the supervisor."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)


class Child:
    """One item at a time, in the order given."""

    def __init__(self, connection: Connection[Any, Any], slot: Any, using: str) -> None:
        self.connection = connection
        self.slot = slot
        self.using = using
        self.todo: deque[ClaimedItem] = deque()
        self.cancelled: set[int] = set()
        self.stopping = False

    def serve(self) -> None:
        """Run until told to stop or the supervisor's end of the pipe is gone."""
        try:
            while not self.stopping:
                self.listen(block=not self.todo)
                if self.todo and not self.stopping:
                    item = self.todo.popleft()
                    started = time.monotonic()
                    self.slot[1] = time.monotonic_ns()
                    self.slot[0] = item.id
                    outcome = run_item(item, self.using, self)
                    self.slot[0] = 0
                    self.connection.send(Ended(item.id, outcome, time.monotonic() - started))
            for item in self.todo:
                self.connection.send(Ended(item.id, outcomes.Released(), 0.0))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return  # the supervisor is gone: its items will be reaped
        finally:
            connections.close_all()

    def listen(self, *, block: bool) -> None:
        """Take in what the supervisor sent."""
        while block or self.connection.poll():
            message = self.connection.recv()
            block = False
            match message:
                case Run():
                    self.todo.extend(message.items)
                case Cancel():
                    self.cancelled.add(message.item_id)
                case Stop():
                    self.stopping = True

    def progress(self, item: ClaimedItem, percent: int, stage: str, message: str) -> None:
        """`Channel`: tell the supervisor."""
        self.connection.send(Said(item.id, percent, stage, message))

    def cancel_requested(self, item: ClaimedItem) -> bool:
        """`Channel`: look whether the supervisor said so."""
        self.listen(block=False)
        return item.id in self.cancelled


def run_item(item: ClaimedItem, using: str, channel: Any) -> outcomes.Outcome:
    """Run the item's handler and say how it ended. Never raises for what the handler did."""
    handler = handlers.find(item.operation)
    if handler is None:
        return outcomes.Snoozed(seconds=UNKNOWN_OPERATION_PAUSE_SECONDS)
    memory = get_settings().MEMORY_MB if handler.memory_mb is None else handler.memory_mb
    ctx = Context(item, using, channel)
    try:
        # an item enqueued by a handler carries that handler's bindings: its own come last
        mine = {"item_id": item.id, "operation": item.operation, "document": item.document_id}
        with correlation.bind(**{**item.metadata, **mine}):
            limit_memory(memory)
            value = handler.function(ctx)
        if ctx.settled:
            return outcomes.Completed(settled=True)
        return outcomes.Completed(result=None if value is None else validation.json_text("result", value))
    except Exception as error:  # noqa: BLE001 - whatever the handler raised becomes its outcome
        if ctx.settled:
            return outcomes.Completed(settled=True)
        if unwell(error, using):
            return outcomes.Snoozed(seconds=UNWELL_PAUSE_SECONDS)
        return outcomes.from_exception(error)
    finally:
        limit_memory(0)
        tidy_connections()


def unwell(error: BaseException, using: str) -> bool:
    """Whether the handler failed because the queue's own database is unwell: then no item is to blame."""
    if not isinstance(error, DatabaseError) or not store.is_unwell(error):
        return False
    if store.sqlstate(error).startswith(("53", "57P", store.READ_ONLY_SQLSTATE)):
        return True
    return not connections[using].is_usable() if connections[using].connection else True


def limit_memory(megabytes: int) -> None:
    """Bound the address space to its present size + `megabytes`; 0 lifts the bound."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if not megabytes:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        return
    present = int(STATM.read_text("ascii").split()[0]) * resource.getpagesize()
    wanted = present + megabytes * 1_048_576
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def tidy_connections() -> None:
    """Leave no broken connection and no open transaction for the next item; healthy ones stay open."""
    reset_queries()
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block or (connection.errors_occurred and not connection.is_usable()):
            connection.close()
        connection.errors_occurred = False
