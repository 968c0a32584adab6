"""The executor process: runs one item after the other and reports each. Everything hostile happens in here."""

from __future__ import annotations

import ctypes
import os
import pickle
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from django.db import connections

from docqueue import outcomes, store
from docqueue.items import ClaimedItem
from docqueue.worker import protocol
from docqueue.worker.forks import STOP_SIGNALS
from docqueue.worker.outage import be_impatient
from docqueue.worker.pace import jittered
from docqueue.worker.running import memory_now, run_item

PR_SET_PDEATHSIG = 1
CHECK_SECONDS = 30.0  # how often a child looks, between two items, whether its connection still works
RECHECK_SECONDS = 1.0  # the same, while it does not


End = tuple[Any, Any, Any]
"""What one executor has of its child: where it is told things, its tickets, and a slot: shared memory for the running
item's id, its start (monotonic ns), and this process's memory then (bytes)."""


def main(ends: Sequence[End], using: str, databases: dict[str, str]) -> None:
    """Entry of the executor process: one end, or one for each of its threads."""
    die_with_parent()
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    keep_to_ourselves()
    import django  # a spawned child has loaded nothing yet

    django.setup()
    for alias, name in databases.items():
        connections[alias].settings_dict["NAME"] = name
    be_impatient(using)
    children = [Child(*end, using, limited=len(ends) == 1) for end in ends]
    if len(children) == 1:
        children[0].serve()
    else:
        threads = [threading.Thread(target=child.serve_in_company) for child in children]
        try:
            for thread in threads:
                thread.start()
        except RuntimeError:  # no thread can be started
            os._exit(1)
        for thread in threads:
            thread.join()
    if threading.active_count() > 1:
        os._exit(0)  # a thread that a handler left running must not keep this process


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent ends: for a worker's child the fork server, which ends with it."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def keep_to_ourselves() -> None:
    """Let no program that a handler starts inherit our pipes, and give up our hold on the fork server.

    Each of its children holds a pipe that keeps the fork server alive; with it, a child at a long item would
    outlive its supervisor.
    """
    server: Any = forkserver._forkserver  # noqa: SLF001 - there is no other way
    alive = getattr(server, "_forkserver_alive_fd", None)
    if alive is not None:
        server._forkserver_alive_fd = None  # noqa: SLF001
        os.close(alive)
    for entry in Path("/dev/fd").iterdir():
        number = int(entry.name)
        if number > 2:
            try:
                os.set_inheritable(number, False)
            except OSError:
                continue  # the descriptor of this very listing


class Child:
    """One item at a time, in the order given, each under a ticket."""

    def __init__(
        self, connection: Connection[Any, Any], tickets: Connection[Any, Any], slot: Any, using: str, *, limited: bool
    ) -> None:
        """`limited`: its items' memory is limited, which goes for the whole process."""
        self.limited = limited
        self.connection = connection
        self.tickets = tickets
        self.slot = slot
        self.using = using
        self.todo: deque[ClaimedItem] = deque()
        self.cancelled: set[int] = set()
        self.stopping = False
        self.database = ""
        self.look_at = time.monotonic() + CHECK_SECONDS
        self.process = os.getpid()
        self._message_there = select.poll()
        self._message_there.register(connection.fileno(), select.POLLIN)
        self._anything_there = select.poll()
        self._anything_there.register(connection.fileno(), select.POLLIN)
        self._anything_there.register(tickets.fileno(), select.POLLIN)

    def serve(self) -> None:
        """Run until told to stop or the supervisor's end of the pipes is gone."""
        try:
            while self.draw_ticket():
                self.listen()  # what was taken back before this ticket was put in is announced by now
                while not self.todo:
                    self.listen(block=True)
                self.run(self.todo.popleft())
        except (EOFError, OSError):
            return  # the supervisor is gone: its items will be reaped
        finally:
            connections.close_all()

    def serve_in_company(self) -> None:
        """The same in one of several threads: if it ends early, the supervisor hears that nobody is here any more."""
        try:
            self.serve()
        finally:
            if not self.stopping:
                self.connection.close()

    def run(self, item: ClaimedItem) -> None:
        """Run one item and report it. `slot` says so until the report is out: a death before is this item's."""
        if item.id in self.cancelled:
            self.tell(protocol.Ended(item.id, outcomes.Released(), 0.0))
            return
        size, resident = memory_now()
        started = time.monotonic_ns()
        self.slot[2] = resident
        self.slot[1] = started
        self.slot[0] = item.id
        outcome = run_item(item, self.using, self, size=size if self.limited else None)
        if os.getpid() != self.process:
            os._exit(0)  # a copy that the handler made by fork(): only the original may go on here
        self.cancelled.discard(item.id)
        self.tell(protocol.Ended(item.id, outcome, (time.monotonic_ns() - started) / 1e9))
        self.slot[0] = 0

    def tell(self, message: protocol.Ended | protocol.Said | protocol.Connected) -> None:
        """Send a message to the supervisor. (`Connection.send` makes a pickler anew for each.)"""
        self.connection.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))

    def draw_ticket(self) -> bool:
        """Wait for leave to start the next item. False: there is nothing more to do."""
        while True:
            self.listen()
            if self.stopping:
                return False
            if time.monotonic() >= self.look_at:
                self.look_at_database()
            try:
                return os.read(self.tickets.fileno(), 1) != b""
            except BlockingIOError:
                self._anything_there.poll(max(0.0, self.look_at - time.monotonic()) * 1000)

    def look_at_database(self) -> None:
        """See whether the connection still works, if there is one; one that did not is tried until it does."""
        if store.connected(self.using) or self.database not in ("", "ok"):
            self.database = store.state(self.using)
            self.tell(protocol.Connected(self.database))
        well = self.database in ("", "ok")
        self.look_at = time.monotonic() + jittered(CHECK_SECONDS if well else RECHECK_SECONDS)

    def listen(self, *, block: bool = False) -> None:
        """Take in what the supervisor sent."""
        while block or self._message_there.poll(0):
            message = self.connection.recv()
            block = False
            match message:
                case protocol.Run():
                    self.todo.extend(message.items)
                case protocol.TakenBack():
                    for _ in range(message.count):
                        self.todo.pop()
                case protocol.Cancel():
                    self.cancelled.add(message.item_id)
                case protocol.Stop():
                    self.stopping = True

    def progress(self, item: ClaimedItem, percent: int, stage: str, message: str) -> None:
        """`Channel`: tell the supervisor."""
        self.tell(protocol.Said(item.id, percent, stage, message))

    def cancel_requested(self, item: ClaimedItem) -> bool:
        """`Channel`: look whether the supervisor said so."""
        self.listen()
        return item.id in self.cancelled
