"""The executor processes of one supervisor: started, fed, watched, ended. No SQL, no policy of the queue."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from django.db import connections

from docqueue import events, outcomes
from docqueue.conf import get_settings
from docqueue.store import ClaimedItem
from docqueue.worker import child as protocol

PRELOAD = ["docqueue.worker.preload"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """How one item's run ended."""

    item: ClaimedItem
    outcome: outcomes.Outcome
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ProgressReport:
    """How far one running item is."""

    item: ClaimedItem
    percent: int
    stage: str
    message: str


@dataclass(kw_only=True, eq=False)
class Executor:
    """One child process and what it was given."""

    process: BaseProcess
    connection: Connection[Any, Any]
    slot: Any
    items: deque[ClaimedItem] = field(default_factory=deque)
    given: int = 0
    ended_for: outcomes.Outcome | None = None
    kill_at: float | None = None
    retiring: bool = False

    def running(self) -> tuple[ClaimedItem, float] | None:
        """The item that runs now, with its start on the monotonic clock."""
        item_id, started_ns = self.slot[0], self.slot[1]
        for item in self.items:
            if item.id == item_id:
                return item, started_ns / 1e9
        return None


class ProcessPool:
    """`size` children. `method` "forkserver" for workers; "spawn" for a short run inside somebody's process."""

    def __init__(self, using: str, size: int, method: str = "forkserver") -> None:
        self.using = using
        self.size = size
        self._context = multiprocessing.get_context(method)
        if method == "forkserver":
            start_fork_server()
        self._databases = {a: str(connections[a].settings_dict["NAME"]) for a in connections}
        self.children: list[Executor] = []

    def start(self) -> None:
        """Bring the number of children up to `size`."""
        while sum(not c.retiring for c in self.children) < self.size:
            self.children.append(self._start_child())

    def _start_child(self) -> Executor:
        ours, theirs = self._context.Pipe()
        slot = self._context.RawArray("q", 2)
        process: BaseProcess = self._context.Process(  # type: ignore[attr-defined]
            target=protocol.main, args=(theirs, slot, self.using, self._databases)
        )
        process.start()
        theirs.close()
        events.emit(events.EventName.CHILD_STARTED, 10, pid=process.pid)
        return Executor(process=process, connection=ours, slot=slot)

    def held(self) -> int:
        """How many items the children have in their hands."""
        return sum(len(c.items) for c in self.children)

    def hungry(self, window: int) -> list[Executor]:
        """Children that can take more, when each may have `window` items; the emptiest first."""
        able = [c for c in self.children if not c.retiring and c.ended_for is None and len(c.items) < window]
        return sorted(able, key=lambda c: len(c.items))

    def give(self, child: Executor, items: Sequence[ClaimedItem]) -> None:
        """Hand items to a child. If it just died, `collect` returns them as unstarted."""
        child.items.extend(items)
        child.given += len(items)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            child.connection.send(protocol.Run(tuple(items)))

    def collect(self, timeout: float, also: Sequence[int]) -> tuple[list[Report | ProgressReport], list[ClaimedItem]]:
        """Wait up to `timeout` seconds for news (or one of the file descriptors `also`).

        Returns reports, and the items that a dead child had not started: they are to be run elsewhere.
        """
        news: list[Report | ProgressReport] = []
        unstarted: list[ClaimedItem] = []
        watched: dict[Any, Executor] = {c.connection: c for c in self.children}
        sentinels = {c.process.sentinel: c for c in self.children}
        ready = wait([*watched, *sentinels, *also], timeout)
        for source in ready:
            if source in watched:
                news += self._read(watched[source])
        for source in ready:
            if source in sentinels:
                found = sentinels[source]
                news += self._read(found)  # what it said before it died
                self._bury(found, news, unstarted)
        return news, unstarted

    def _read(self, child: Executor) -> list[Report | ProgressReport]:
        news: list[Report | ProgressReport] = []
        with contextlib.suppress(EOFError, ConnectionResetError):
            while child.connection.poll():
                message = child.connection.recv()
                item = next((i for i in child.items if i.id == message.item_id), None)
                if item is None:
                    continue
                if isinstance(message, protocol.Said):
                    said = {"percent": message.percent, "stage": message.stage, "message": message.message}
                    news.append(ProgressReport(item=item, **said))  # type: ignore[arg-type]
                else:
                    child.items.remove(item)
                    news.append(Report(item=item, outcome=message.outcome, seconds=message.seconds))
        if child.given >= get_settings().CHILD_MAX_ITEMS and not child.items and not child.retiring:
            self.retire(child)
        return news

    def retire(self, child: Executor) -> None:
        """Let a child end once its items are done, and start its successor."""
        child.retiring = True
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            child.connection.send(protocol.Stop())
        self.start()

    def _bury(self, child: Executor, news: list[Report | ProgressReport], unstarted: list[ClaimedItem]) -> None:
        """A child ended: charge its running item, nobody else."""
        child.process.join(1)
        self.children.remove(child)
        running = child.running()
        if running is not None:
            item, started = running
            child.items.remove(item)
            code = child.process.exitcode
            outcome = child.ended_for or outcomes.Crashed(code="crashed", message=death(code))
            news.append(Report(item=item, outcome=outcome, seconds=time.monotonic() - started))
            if child.ended_for is None:
                fields = {"pid": child.process.pid, "item_id": item.id, "operation": item.operation}
                events.emit(events.EventName.CHILD_DIED, 30, cause=death(code), **fields)
        unstarted += child.items
        child.connection.close()
        child.process.close()

    def enforce(self, now: float) -> None:
        """End children whose item overran its time (`now` is monotonic): SIGTERM, then SIGKILL."""
        for child in self.children:
            running = child.running()
            if child.ended_for is None and running is not None and now - running[1] > running[0].timeout_seconds:
                limit = running[0].timeout_seconds
                why = f"it ran longer than its timeout of {limit:g} s"
                self.end(child, outcomes.Failed(code="timed_out", message=why, outcome="timed_out"), now)
            elif child.kill_at is not None and now >= child.kill_at:
                signal_group(child, signal.SIGKILL)
                child.kill_at = None

    def end(self, child: Executor, outcome: outcomes.Outcome, now: float) -> None:
        """End a child by force; its running item gets `outcome`."""
        child.ended_for = outcome
        child.kill_at = now + get_settings().KILL_AFTER_SECONDS
        signal_group(child, signal.SIGTERM)

    def cancel(self, item_id: int) -> None:
        """Pass on that somebody asked to cancel an item."""
        for child in self.children:
            if any(i.id == item_id for i in child.items):
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    child.connection.send(protocol.Cancel(item_id))

    def stop(self) -> None:
        """Tell all children to start nothing more; unstarted items come back as released."""
        for child in self.children:
            child.retiring = True
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                child.connection.send(protocol.Stop())

    def kill(self) -> None:
        """End all children now. What they had in their hands is not reported."""
        for child in self.children:
            signal_group(child, signal.SIGKILL)
        for child in self.children:
            child.process.join(5)
            child.connection.close()
        self.children.clear()


def start_fork_server() -> None:
    """Start the process that children are forked from, if it does not run yet."""
    forkserver.set_forkserver_preload(PRELOAD)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)  # Python 3.11's server gets no path
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def signal_group(child: Executor, number: signal.Signals) -> None:
    """Signal the child and whatever it started."""
    pid = child.process.pid
    if pid and child.process.is_alive():
        with contextlib.suppress(ProcessLookupError):
            try:
                os.killpg(pid, number)
            except ProcessLookupError:
                os.kill(pid, number)  # it has not made its group yet


def death(exitcode: int | None) -> str:
    """How a process ended, in words."""
    if exitcode is not None and exitcode < 0:
        return f"its process was ended by {signal.Signals(-exitcode).name}"
    return f"its process exited with status {exitcode}"
