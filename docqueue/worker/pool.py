"""The executor processes of one supervisor: started, fed, watched, ended. No SQL, no policy of the queue."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from django.db import connections

from docqueue import events, handlers, outcomes
from docqueue.items import ClaimedItem
from docqueue.worker import child as child_process
from docqueue.worker import limits
from docqueue.worker.executor import Executor, death
from docqueue.worker.forks import fork_server_lives, start_fork_server
from docqueue.worker.memory import Processor, rss_bytes
from docqueue.worker.protocol import News
from docqueue.worker.threads import ThreadExecutor, ThreadGroup

START_PAUSE_SECONDS = 0.2
START_PAUSE_MAX_SECONDS = 5.0
CUT_OFF = outcomes.Interrupted(code="worker_stopped", message="its worker was stopped and could not wait for it")
LOST_PARENT = 255  # what multiprocessing says of a child whose fork server can not say more
CHILD_EXIT_SECONDS = 1.0  # for a child that has nothing more to do


class ProcessPool:
    """`size` children, and one with `threads` for the handlers that may share a process.

    `method` is "forkserver" for workers; "spawn" for a short run inside somebody's process.
    """

    def __init__(self, using: str, size: int, method: str = "forkserver", threads: int = 0) -> None:
        self.using = using
        self.size = size
        self.threads = threads
        self.children: list[Executor] = []
        self.failed_starts = 0
        self.why_failed = ""
        self._method = method
        self._context = multiprocessing.get_context(method)
        self._databases = {a: str(connections[a].settings_dict["NAME"]) for a in connections}
        self._start_at = 0.0
        self._processor = Processor()

    @property
    def sizes(self) -> dict[str, int]:
        """How many handlers of each queue run side by side, where that is not `size`."""
        if not self.threads:
            return {}
        by_kind = {handlers.PROCESS: self.size, handlers.THREAD: self.threads}
        return {queue: sum(by_kind[kind] for kind in kinds) for queue, kinds in handlers.isolations().items()}

    def start(self) -> None:
        """Bring the children up to their number; after a start that failed, not before a pause."""
        while time.monotonic() >= self._start_at and (missing := self._missing()) is not None:
            try:
                self.children += missing()
            except (EOFError, OSError) as error:  # the fork server ended, or there is no memory or process left
                self._start_failed(repr(error))

    def _missing(self) -> Callable[[], list[Executor]] | None:
        """What is to be started next."""
        working = Counter(c.threaded for c in self.children if c.working)
        if working[False] < self.size:
            return self._start_child
        return self._start_threads if self.threads and not working[True] else None

    def _start_child(self) -> list[Executor]:
        process, [end] = self._start_process(1)
        return [Executor(process=process, **end)]

    def _start_threads(self) -> list[Executor]:
        process, ends = self._start_process(self.threads)
        group = ThreadGroup()
        group.threads += [ThreadExecutor(process=process, group=group, **end) for end in ends]
        return list(group.threads)

    def _start_process(self, count: int) -> tuple[BaseProcess, list[dict[str, Any]]]:
        """A process that serves so many executors; their ends of it."""
        if self._method == "forkserver":
            start_fork_server()
        ours, theirs = [], []
        for _ in range(count):
            near, far = self._context.Pipe()
            tickets, sink = self._context.Pipe(duplex=False)
            os.set_blocking(tickets.fileno(), False)  # the child's end is the same open file
            slot = self._context.RawArray("q", 3)
            ours.append({"connection": near, "tickets": tickets, "ticket_sink": sink, "slot": slot})
            theirs.append((far, tickets, slot))
        process: BaseProcess = self._context.Process(  # type: ignore[attr-defined]
            target=child_process.main, args=(theirs, self.using, self._databases)
        )
        process.start()
        for far, _, _ in theirs:
            far.close()
        events.emit(events.EventName.CHILD_STARTED, logging.DEBUG, pid=process.pid)
        return process, ours

    def _start_failed(self, why: str) -> None:
        pause = min(START_PAUSE_MAX_SECONDS, START_PAUSE_SECONDS * 2**self.failed_starts)
        self._start_at = time.monotonic() + pause
        self.failed_starts += 1
        self.why_failed = why
        events.emit(events.EventName.CHILD_DIED, logging.ERROR, cause=f"{why} at its start", again_in_seconds=pause)

    def ready(self) -> bool:
        """Whether there is a child to run items."""
        return any(not child.retiring for child in self.children)

    def held(self) -> int:
        """How many items the children have in their hands."""
        return sum(len(c.items) for c in self.children)

    def in_hand(self) -> list[ClaimedItem]:
        """The items that the children have in their hands."""
        return [item for child in self.children for item in child.items]

    def feed(self, line: deque[ClaimedItem], window: int, *, spare: bool = False) -> int:
        """Hand out items from the front of `line`, to the emptiest child first, up to `window` each. How many.

        `spare`: not to the emptiest child, for which somebody else waits.
        """
        given = 0
        threaded = bool(self.threads and line and handlers.threaded(line[0].operation))
        children = [c for c in self.children if c.threaded == threaded]
        if spare and not threaded:
            children = sorted(children, key=lambda c: len(c.items))[1:]
        while line:
            child = min(children, key=lambda c: (c.room(window) < 1, len(c.items)), default=None)
            room = 0 if child is None else child.room(window)
            if child is None or room < 1:
                break
            some = [line.popleft() for _ in range(min(room, len(line)))]
            while some and not child.give(some):  # too much at once
                half = len(some) // 2
                line.extendleft(reversed(some[half:]))
                del some[half:]
            if not some:
                break
            child.slow = window == 1
            given += len(some)
        return given

    def collect(self, timeout: float, also: Sequence[int] = ()) -> tuple[list[News], list[ClaimedItem]]:
        """Wait up to `timeout` seconds for news (or one of the file descriptors `also`).

        Returns reports, and the items that a dead child had not started: they are to be run elsewhere.
        """
        news: list[News] = []
        unstarted: list[ClaimedItem] = []
        watched: dict[Any, Executor] = {c.connection: c for c in self.children if not c.deaf}
        sentinels: defaultdict[Any, list[Executor]] = defaultdict(list)
        for child in self.children:
            sentinels[child.process.sentinel].append(child)
        ready = wait([*watched, *sentinels, *also], timeout)
        for source in ready:
            if source in watched:
                news += watched[source].read()
        for source in ready:
            if source in sentinels:
                news += self._bury(sentinels[source], unstarted)
        if news:
            self.failed_starts = 0
        return news, unstarted

    def _bury(self, children: Sequence[Executor], unstarted: list[ClaimedItem]) -> list[News]:
        """Those that lived in a process that has ended."""
        process = children[0].process
        news = [one for child in children for one in child.read()]  # what it said before it died
        unused = not news and all(c.given == len(c.items) and c.running() is None for c in children)
        self._orphan(process)
        failed = unused and not any(child.expected for child in children)
        for child in children:
            unstarted += child.bury(news)
            self.children.remove(child)
        if failed:
            self._start_failed(death(process.exitcode))
        process.close()
        return news

    def _orphan(self, process: BaseProcess) -> None:
        """When the fork server has died all its children die with it: nobody knows whose fault that was."""
        if process.exitcode == LOST_PARENT and self._method == "forkserver" and not fork_server_lives():
            running = sum(child.running() is not None for child in self.children)
            for child in self.children:
                child.orphans = child.orphans or running

    def enforce(self, now: float) -> list[ClaimedItem]:
        """End children whose item goes beyond its limits (`now` is monotonic): SIGTERM, then SIGKILL.

        Returns what waited in a child's hands behind a slow item: it has not started and will not there.
        """
        unstarted: list[ClaimedItem] = []
        for child in self.children:
            verdict = child.watch(now) if child.ended_for is None else None
            if verdict is not None:
                unstarted += child.judged(verdict, now)
            elif child.kill_at is not None and now >= child.kill_at:
                child.kill_at = None
                child.signal(signal.SIGKILL)
            elif child.kill_at is None and child.finished:
                child.kill_at = now + limits.KILL_AFTER_SECONDS
            if len(child.items) > 1 and child.stuck():
                unstarted += child.take_back()
        for group in {child.group for child in self.children if isinstance(child, ThreadExecutor)}:
            unstarted += group.enforce(now)
        worn = {c.process for c in self.children if not c.items and c.working and c.worn(now)}
        for child in [c for c in self.children if c.process in worn]:
            unstarted += child.retire()
        return unstarted

    def busy_seconds(self, now: float) -> float:
        """How long every child has been at its item, at least; 0 when one is free."""
        runs = [child.running() for child in self.children if not child.retiring and not child.threaded]
        return min((0.0 if run is None else now - run[1] for run in runs), default=0.0)

    def cancel(self, item_id: int, asked_at: float) -> None:
        """Pass on that somebody asked to cancel an item, and when (monotonic)."""
        for child in self.children:
            child.cancel(item_id, asked_at)

    def resize(self, size: int) -> list[ClaimedItem]:
        """Go on with so many children, one at least. Returns what those that are to go had not started."""
        self.size = max(1, size)
        working = sorted((c for c in self.children if c.working and not c.threaded), key=lambda c: len(c.items))
        back = [item for child in working[: -self.size] for item in child.retire()]
        self.start()
        return back

    def slots(self, now: float) -> list[dict[str, Any]]:
        """What each child is at, for people: pid, memory, processor, the item that runs and since when.

        `now` is monotonic.
        """
        rss = {pid: rss_bytes(pid) for pid in {child.process.pid or 0 for child in self.children}}
        busy = self._processor.look(rss, now)
        return [
            {**child.slot_shown(now, rss[pid]), "cpu": busy[pid]}
            for child, pid in ((child, child.process.pid or 0) for child in self.children)
        ]

    def stop(self) -> list[ClaimedItem]:
        """Tell all children to end after their running item. Returns what has not started."""
        return [item for child in self.children if not child.retiring for item in child.retire()]

    def cut_off(self) -> None:
        """End all children now; `collect` reports what they were at as released."""
        for child in self.children:
            child.end(outcomes.Released(cause=CUT_OFF), signal.SIGKILL, None)

    def close(self, patience: float = 0.0) -> None:
        """End all children: those that were told to stop have `patience` seconds for it. Nothing is reported."""
        deadline = time.monotonic() + patience
        for child in self.children:
            if child.retiring:
                child.process.join(max(0.0, deadline - time.monotonic()))
            child.signal(signal.SIGKILL)
        for child in self.children:
            child.process.join(5)
            child.clear_away()
        self.children.clear()
