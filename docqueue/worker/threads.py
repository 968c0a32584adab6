"""A child with threads, for handlers that mostly wait: each thread is an executor of its own in a process they share.

A thread can not be ended by force; its process can. So force waits first: nothing new is started in the process, and
the neighbours have the grace period to finish. Whoever is cut off all the same is released uncharged.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

from docqueue import outcomes
from docqueue.conf import get_settings
from docqueue.items import ClaimedItem
from docqueue.worker import limits
from docqueue.worker.executor import DEAF_SECONDS, Executor, death

NEIGHBOUR = outcomes.Interrupted(
    code="neighbour_ended", message="it shared its process with an item that had to be ended by force"
)


@dataclass(kw_only=True, eq=False)
class ThreadGroup:
    """The threads of one process. `doomed`: it is to end, at `force_at` (monotonic) at the latest."""

    threads: list[ThreadExecutor] = field(default_factory=list)
    doomed: bool = False
    force_at: float = 0.0
    forced: bool = False
    at_death: int | None = None  # how many items ran when the process ended

    def doom(self, now: float) -> list[ClaimedItem]:
        """Start nothing more in here, and end it when the neighbours are done. Returns what has not started."""
        if not self.doomed:
            self.doomed, self.force_at = True, now + get_settings().GRACE_SECONDS
        return [item for thread in self.threads for item in thread.take_back()]

    def enforce(self, now: float) -> list[ClaimedItem]:
        """End the process once nobody runs in it but those that have to be ended, or the neighbours' time is over.

        One that can not be heard any more, while the process lives on, is reason enough. Returns what has not started.
        """
        back = []
        gone = [thread for thread in self.threads if thread.ended_for is None and now >= thread.gone_at]
        why = "its thread ended, or closed what it talks to its worker with"
        for thread in gone:
            running = thread.running()
            # Where several went at once, one has closed what belongs to all, and nobody knows which.
            outcome = _crashed(why) if len(gone) == 1 else _shared(f"{why}, as {len(gone)} did at once")
            thread.ended_for = (running[0].id if running else None, outcome)
            back += self.doom(now)
        innocent = any(t.running() is not None and t.ended_for is None for t in self.threads)
        if self.doomed and not self.forced and (not innocent or now >= self.force_at):
            self.forced = True
            patience = max((t.patience for t in self.threads), default=0.0)
            self.threads[0].kill_at = now + patience
            self.threads[0].signal(signal.SIGTERM)
        return back


@dataclass(kw_only=True, eq=False)
class ThreadExecutor(Executor):
    """One thread of a child, which its supervisor feeds and hears like a child of its own."""

    group: ThreadGroup
    patience: float = 0.0
    gone_at: float = float("inf")  # when it counts as gone, since it can not be heard
    threaded: bool = True

    def room(self, window: int) -> int:
        """As an executor's; none while its process is to end."""
        return 0 if self.group.doomed else super().room(window)

    def gone_deaf(self, now: float) -> None:
        """If its process does not end by that, it alone is charged, and its neighbours have their time."""
        self.gone_at = now + DEAF_SECONDS

    def condemn(self, verdict: limits.Verdict, now: float) -> list[ClaimedItem]:
        """As an executor's; its process ends when the neighbours are done."""
        self.ended_for = (verdict.item_id, verdict.outcome)
        self.patience = verdict.patience
        return self.group.doom(now)

    @property
    def working(self) -> bool:
        """As an executor's; no more once its process is to end."""
        return super().working and not self.group.doomed

    @property
    def expected(self) -> bool:
        """As an executor's; also when its process was ended for a neighbour."""
        return super().expected or self.group.forced

    @property
    def finished(self) -> bool:
        """As an executor's, of all in its process."""
        return all(t.retiring and not t.items for t in self.group.threads)

    def fate(self, item: ClaimedItem) -> outcomes.Outcome | None:
        """What becomes of the item that ran when the process ended."""
        if self.ended_for is not None:
            return self.ended_for[1] if self.ended_for[0] == item.id else None
        if self.group.forced:
            return outcomes.Released(cause=NEIGHBOUR)
        if self.group.at_death is None:
            self.group.at_death = sum(t.running() is not None for t in self.group.threads)
        if self.group.at_death == 1:
            return _crashed(death(self.process.exitcode))
        # Nobody knows whose fault it was: none is charged, and each runs alone from now on.
        why = f"{death(self.process.exitcode)}, with {self.group.at_death} items in it"
        return _shared(why)


def _shared(why: str) -> outcomes.Released:
    return outcomes.Released(cause=outcomes.Interrupted(code="shared_process_died", message=why), suspect=True)


def _crashed(why: str) -> outcomes.Crashed:
    return outcomes.Crashed(code="crashed", message=why)
