"""One executor process as its supervisor sees it: what it was given, what it says, and how it is ended.

A child starts an item only when it has drawn a ticket, one byte from a pipe that its supervisor reads too. So the
supervisor takes back what has not started by drawing those tickets itself: the kernel gives each byte to one of the
two, whatever the child is doing, and a process that dies can leave no lock behind.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import select
import signal
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from docqueue import events, outcomes
from docqueue.conf import get_settings
from docqueue.items import ClaimedItem
from docqueue.worker import limits, protocol
from docqueue.worker.memory import memory_since
from docqueue.worker.pace import jittered
from docqueue.worker.protocol import News, ProgressReport, Report

# Sent to a child that may be long at an item: far below what its socket takes. A supervisor that waited in a write
# would enforce no timeout, not even that of the item it waits for.
UNREAD_MAX_BYTES = 98_304
STUCK_SECONDS, DEAF_SECONDS = 0.25, 1.0  # an item that runs so long holds up what was given to its child behind it
WATCHED_SECONDS = 0.05  # a run that is younger is within its limits
WARM_ITEMS = 20
WEIGH_SECONDS = 0.25  # how often the memory of one that is older is looked at


@dataclass(kw_only=True, eq=False)
class Executor:
    """One child process and what it was given."""

    process: BaseProcess
    connection: Connection[Any, Any]
    tickets: Connection[Any, Any]
    ticket_sink: Connection[Any, Any]
    slot: Any
    items: deque[ClaimedItem] = field(default_factory=deque)
    given: int = 0
    retiring: bool = False
    deaf: bool = False
    slow: bool = False  # what it was given last may take long: nothing is put behind it
    ended_for: tuple[int | None, outcomes.Outcome] | None = None
    kill_at: float | None = None
    threaded: bool = False
    orphans: int = 0  # how many items ran in all when the fork server died, which took this one along
    database: str = ""  # how its connection was, as it said last
    _bytes: dict[int, int] = field(default_factory=dict)
    _unread_bytes: int = 0
    _told: dict[int, float] = field(default_factory=dict)  # items whose cancel it was told of: when that was asked for
    _said_at: float = 0.0
    _flagged: int = 0  # the start (ns) of the run that was reported as stalled
    _weight: int = 0  # resident bytes, with all that it has started
    _weighed_at: float = 0.0
    _fresh: int = 0  # resident bytes at its first item

    def __post_init__(self) -> None:
        self._message_there = select.poll()  # `Connection.poll` makes a selector anew for each message
        self._message_there.register(self.connection.fileno(), select.POLLIN)
        most = get_settings().CHILD_MAX_SECONDS
        self._old_at = time.monotonic() + jittered(most) if most else float("inf")

    def running(self) -> tuple[ClaimedItem, float] | None:
        """The item that runs now, with its start on the monotonic clock."""
        item_id, started_ns = self.slot[0], self.slot[1]
        for item in self.items:
            if item.id == item_id:
                return item, started_ns / 1e9
        return None

    def stuck(self) -> bool:
        """Whether it has been long at its item."""
        running = self.running()
        return running is not None and time.monotonic() - running[1] > STUCK_SECONDS

    def watch(self, now: float) -> limits.Verdict | None:
        """Look after it, now and then (`now` is monotonic): what is to be done about the item that runs."""
        running = self.running()
        if running is None or now - running[1] < WATCHED_SECONDS:
            return None
        item, started = running
        if not self.threaded and now - self._weighed_at > WEIGH_SECONDS:
            self._weighed_at, self._weight = now, memory_since(self.process.pid or 0, started)
        run = limits.Run(
            item=item,
            started=started,
            said_at=self._said_at,
            cancelled_at=self._told.get(item.id),
            taken_bytes=self._weight - int(self.slot[2]) if self._weighed_at > started else 0,
        )
        verdict = limits.judge(run, now)
        if verdict is None and self._flagged != self.slot[1] and limits.stalled(run, now):
            self._flagged = self.slot[1]
            fields = {"item_id": item.id, "operation": item.operation, "seconds": round(now - started, 1)}
            events.emit(events.EventName.ITEM_STALLED, logging.WARNING, pid=self.process.pid, **fields)
        return verdict

    def judged(self, verdict: limits.Verdict, now: float) -> list[ClaimedItem]:
        """End its item by force, if it is still at it. Returns what has not started and will not here."""
        running = self.running()
        if running is None or running[0].id != verdict.item_id:
            return []
        back = self.take_back()
        running = self.running()  # it may have ended meanwhile, and the next one have begun
        if running is None or running[0].id != verdict.item_id:
            return back
        return back + self.condemn(verdict, now)

    def condemn(self, verdict: limits.Verdict, now: float) -> list[ClaimedItem]:
        """Have its process ended for the item that it is at. Returns what else will not start for that."""
        self.end(verdict.outcome, signal.SIGTERM, now + verdict.patience)
        self.ended_for = (verdict.item_id, verdict.outcome)
        return []

    def slot_shown(self, now: float, rss: int) -> dict[str, Any]:
        """What it is at, for people; `rss`: the resident bytes of its process."""
        shown: dict[str, Any] = {"pid": self.process.pid, "rss_mb": rss // limits.MIB}
        if self.database:
            shown["database"] = self.database
        if (running := self.running()) is not None:
            item, started = running
            since = datetime.fromtimestamp(time.time() - (now - started), UTC)
            shown |= {"item_id": item.id, "operation": item.operation, "since": since.isoformat(timespec="seconds")}
            shown["stalled"] = self._flagged == self.slot[1]
        return shown

    def worn(self, now: float) -> bool:
        """Whether it is to be replaced as soon as nothing is in its hands: for its items, its age or its growth."""
        settings = get_settings()
        if not self._fresh and self.given - len(self.items) >= WARM_ITEMS:  # what handlers load once is no growth
            self._fresh = self.slot[2]
        return bool(
            self.given >= settings.CHILD_MAX_ITEMS
            or now >= self._old_at
            or (self._fresh and 0 < settings.CHILD_MAX_GROWTH_MB * limits.MIB < self.slot[2] - self._fresh)
        )

    def room(self, window: int) -> int:
        """How many more items it may be given, when it may have `window`."""
        if self.retiring or self.deaf or self.ended_for is not None:
            return 0
        if self.items and (self.slow or self._unread_bytes >= UNREAD_MAX_BYTES or self.stuck()):
            return 0
        if self.worn(time.monotonic()):
            return 0
        return min(window - len(self.items), get_settings().CHILD_MAX_ITEMS - self.given)

    def give(self, items: Sequence[ClaimedItem]) -> bool:
        """Hand items to the child; if it just died, they come back when it is buried.

        False: too much to send to a child that is at an item. Nothing was given.
        """
        message = pickle.dumps(protocol.Run(tuple(items)), pickle.HIGHEST_PROTOCOL)
        if not self.items:
            self._unread_bytes = 0
        elif self._unread_bytes + len(message) > UNREAD_MAX_BYTES:
            return False
        share = len(message) // len(items) + 1
        for item in items:
            self.items.append(item)
            self._bytes[item.id] = share
        self._unread_bytes += share * len(items)
        self.given += len(items)
        with contextlib.suppress(OSError):
            self.connection.send_bytes(message)
            os.write(self.ticket_sink.fileno(), b"." * len(items))
        return True

    def take_back(self) -> list[ClaimedItem]:
        """The items that have not started; they will not."""
        try:
            count = len(os.read(self.tickets.fileno(), 65_536))
        except BlockingIOError:
            return []
        back = [self.items.pop() for _ in range(count)]
        for item in back:
            self._forget(item, read=False)
        self.given -= count
        self.tell(protocol.TakenBack(count))
        return back[::-1]

    def tell(self, message: object) -> None:
        """Send a small message; one that is gone can not hear it."""
        with contextlib.suppress(OSError):
            self.connection.send(message)

    def read(self) -> list[News]:
        """What the child has said since the last call."""
        news: list[News] = []
        try:
            while self._message_there.poll(0):
                said = self.connection.recv()
                if isinstance(said, protocol.Connected):
                    self.database = said.state
                    continue
                item = next((i for i in self.items if i.id == said.item_id), None)
                if item is None:
                    continue
                if isinstance(said, protocol.Said):
                    self._said_at = time.monotonic()
                    news.append(ProgressReport(item=item, percent=said.percent, stage=said.stage, message=said.message))
                else:
                    self.items.remove(item)
                    self._forget(item, read=True)
                    news.append(Report(item=item, outcome=said.outcome, seconds=said.seconds))
        except (EOFError, OSError):
            if not self.deaf:
                # It is dying, or its handler closed what it talks to us with: then nobody will hear of its items.
                self.deaf = True
                self.gone_deaf(time.monotonic())
        return news

    def gone_deaf(self, now: float) -> None:
        """Give it a moment to die by itself, then end it."""
        self.kill_at = now + DEAF_SECONDS

    def _forget(self, item: ClaimedItem, *, read: bool) -> None:
        size = self._bytes.pop(item.id)
        self._unread_bytes -= size if read else 0  # what was taken back is still in the pipe
        self._told.pop(item.id, None)

    def cancel(self, item_id: int, asked_at: float) -> None:
        """Tell it once that somebody asked to cancel an item of its, and when (monotonic)."""
        if item_id in self._bytes and item_id not in self._told:
            self._told[item_id] = asked_at
            self.tell(protocol.Cancel(item_id))

    def retire(self) -> list[ClaimedItem]:
        """Let it end after its running item. Returns what has not started."""
        back = self.take_back()
        self.retiring = True
        self.tell(protocol.Stop())
        return back

    def end(self, outcome: outcomes.Outcome, number: signal.Signals, kill_at: float | None) -> None:
        """End it by force: the item that runs now gets `outcome`, unless it ends by itself before."""
        running = self.running()
        self.ended_for = (running[0].id if running else None, outcome)
        self.kill_at = kill_at
        self.signal(number)

    def signal(self, number: signal.Signals) -> None:
        """Signal the child and whatever it started."""
        pid = self.process.pid
        if pid and self.process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                try:
                    os.killpg(pid, number)
                except ProcessLookupError:
                    os.kill(pid, number)  # it has not made its group yet

    def bury(self, news: list[News]) -> list[ClaimedItem]:
        """After its end: report its running item, nobody else's fault; returns the items to run elsewhere."""
        self.process.join(1)
        pid, code = self.process.pid, self.process.exitcode
        running = self.running()
        if running is not None:
            item, started = running
            if (outcome := self.fate(item)) is not None:
                self.items.remove(item)
                news.append(Report(item=item, outcome=outcome, seconds=time.monotonic() - started))
        if not self.expected:
            fields = {"item_id": running[0].id, "operation": running[0].operation} if running else {}
            events.emit(events.EventName.CHILD_DIED, 30, pid=pid, cause=death(code), **fields)
        self.clear_away()
        return list(self.items)

    @property
    def working(self) -> bool:
        """Whether it is to run more items."""
        return not self.retiring

    @property
    def expected(self) -> bool:
        """Whether it was to end."""
        return self.ended_for is not None or self.retiring

    @property
    def finished(self) -> bool:
        """Whether it was told to end and nothing is left to do: what a handler started may hold up its exit."""
        return self.retiring and not self.items

    def fate(self, item: ClaimedItem) -> outcomes.Outcome | None:
        """What becomes of the item that ran when it ended."""
        if self.ended_for is None and self.orphans > 1:
            why = f"the fork server died, with {self.orphans} items in its children"
            return outcomes.Released(cause=outcomes.Interrupted(code="fork_server_died", message=why), suspect=True)
        if self.ended_for is None:
            return outcomes.Crashed(code="crashed", message=death(self.process.exitcode))
        # None: we ended it for an item that was done just then, and this one was next in line
        return self.ended_for[1] if self.ended_for[0] == item.id else None

    def clear_away(self) -> None:
        """After its end: kill what its handlers started and left behind, close our ends of the pipes."""
        if self.process.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        for pipe in (self.connection, self.tickets, self.ticket_sink):
            pipe.close()


def death(exitcode: int | None) -> str:
    """How a process ended, in words."""
    if exitcode is not None and exitcode < 0:
        known = -exitcode in set(signal.Signals)
        return f"its process was ended by {signal.Signals(-exitcode).name if known else f'signal {-exitcode}'}"
    return f"its process exited with status {exitcode}"
