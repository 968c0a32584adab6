"""What a worker knows of the lanes: where to go on in each, and behind which position nothing can appear any more.

A lane is a queue's pending items of one priority, in order of their positions. `hint` is the last position that this
worker has claimed there: its next claim looks behind it only, and so never walks over what was claimed before. (Those
index entries stay for as long as somebody holds a snapshot; with them each claim would be slower than the one before.)
It is but a hint: an item may appear in front of it, committed late or handed back by a claim that was rolled back. So
once in a while a look asks for the first item behind the `floor`, and takes the hint back to it.

The floor follows the hint at the distance of the oldest running transaction: a position drawn before every transaction
that still runs has been committed or never will be. The hint of a transaction that had not begun to write when it drew
its position is why even the floor is not trusted for ever: every minute one look starts at the very front.

While a lane is deep its workers share a front, so that each starts behind what the others are just claiming.

Suspects are claimed by a worker that has nothing else in hand. Not every worker empties its hands for them: the one
with the smallest number does, the next ones as far as there are many, or when they have waited for a while.
"""

from __future__ import annotations

import time
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from docqueue import claiming, settling
from docqueue.admission import limits
from docqueue.items import ClaimedItem
from docqueue.worker.pace import Pace

FROM_THE_FRONT_SECONDS = 60.0
FRONTS, TAGS = 16, 1 << 20  # sequences that lanes share, and how their numbers are told apart: see sql/step.sql
DEEP = 100
SUSPECTS_EACH = 8  # so many are no reason yet for one more worker to empty its hands
SUSPECTS_SECONDS = 1.0  # until the second worker does, thrice as long until the third, and so on
MANY = 20
SAMPLE_SECONDS = 0.5


@dataclass(kw_only=True, slots=True)
class Lane:
    """One queue and priority. `open`: the last that was seen of it were items to claim.

    `full`: the last claim got all that it wanted, and some of it here; `deep`: and that was a lot. `first` is the
    position of the first item behind the floor at the last look; up to `behind` the lane was gone through before.
    """

    hint: int = 0
    floor: int = 0
    behind: int = 0
    first: int | None = None
    open: bool = True
    full: bool = False
    deep: bool = False


class Lanes:
    """The lanes of the queues that a worker serves (`serve` empty: all but those in `exclude`)."""

    def __init__(self, using: str, serve: Sequence[str] = (), exclude: Sequence[str] = (), worker: int = 0) -> None:
        self.using = using
        self.worker = worker
        self.serve = serve
        self.exclude = exclude
        self.known: dict[tuple[str, int], Lane] = {}
        self.suspects: list[str] = []
        self.draining = False  # whether it is on us to claim nothing else until we have nothing in hand
        self._suspects_since: float | None = None
        self.sole = False  # whether no other worker lives
        self.limited: list[str] = []  # the served queues in which items wait for a limit
        self.dependencies = False  # whether some come after others
        self._returned: set[str] = set()
        self.paused: set[str] = set()
        self.orders = ""  # what a person asks of this worker; whatever it is, it claims nothing more
        self._samples: deque[tuple[int, int]] = deque()  # newest position, next transaction
        self._sampled_at = float("-inf")
        self._settled = 0
        self._from_the_front = Pace(FROM_THE_FRONT_SECONDS)

    def served(self, queue: str) -> bool:
        """Whether this worker serves `queue`, and nobody has paused it, or asked the worker to claim nothing new."""
        ours = (not self.serve or queue in self.serve) and queue not in self.exclude
        return ours and queue not in self.paused and not self.orders

    def open(self) -> list[str]:
        """The served queues in which there may be something to claim, sorted."""
        names = {queue for (queue, _), lane in self.known.items() if lane.open} | self._returned
        return sorted(queue for queue in names if self.served(queue))

    def starts(self, queue: str, wanted: int) -> settling.Starts:
        """Where to claim in the lanes of a queue, highest priority first; a large claim behind the shared fronts."""
        found = sorted(((p, lane) for (q, p), lane in self.known.items() if q == queue), reverse=True)
        marks = [zlib.crc32(f"{priority} {queue}".encode()) for priority, _ in found]
        return settling.Starts(
            priorities=[priority for priority, _ in found],
            hints=[lane.hint for _, lane in found],
            fronts=[
                f"docqueue_front_{mark % FRONTS}" if lane.full and wanted >= DEEP and lane.hint >= lane.behind else None
                for mark, (_, lane) in zip(marks, found, strict=True)
            ],
            tags=[mark // FRONTS % (TAGS - 1) + 1 for mark in marks],
        )

    def stir(self, queue: str) -> bool:
        """Somebody says that `queue` has something. False: no lane of it is known yet, so a look is needed."""
        lanes = [lane for (q, _), lane in self.known.items() if q == queue]
        for lane in lanes:
            lane.open = True
        return bool(lanes)

    def claimed(self, queue: str, items: Sequence[ClaimedItem], wanted: int, returned: int) -> None:
        """Take in what a claim gave; `returned` of the items came back from elsewhere and say nothing of the lanes."""
        # They are in order: the last of each priority counts. What has no position came from its key's line.
        reached = {item.priority: item.position for item in items}
        for priority in [priority for priority, position in reached.items() if not position]:
            del reached[priority]
        if not returned:
            for priority, position in reached.items():
                lane = self.known[queue, priority]
                lane.hint = max(lane.hint, position)
        gave = reached.keys() if len(items) == wanted else ()
        for (q, priority), lane in self.known.items():
            if q == queue:
                lane.full = priority in gave
                lane.deep = lane.full and wanted >= DEEP
        if len(items) < wanted:
            self._returned.discard(queue)
            for (q, _), lane in self.known.items():
                if q == queue:
                    lane.open = False

    def forget(self) -> None:
        """Begin anew, as with another server."""
        self.known.clear()
        self._samples.clear()
        self._settled = 0
        self._from_the_front.soon()

    def look(self) -> None:
        """Ask the database. What is new is asked for again, until nothing is: each look finds one lane a gap."""
        now = time.monotonic()
        whole = self._from_the_front.due(now)
        while self._look(now, whole=whole):
            pass
        if whole:
            self._from_the_front.took(now, time.monotonic() - now)

    def _look(self, now: float, *, whole: bool) -> bool:
        keys = list(self.known)
        floors = [0 if whole else self.known[key].floor for key in keys]
        seen = claiming.look(self.using, self.worker, keys, floors)
        settled = self._horizon(now, seen)
        for key in keys:
            lane, first = self.known[key], seen.first.get(key)
            lane.open = first is not None
            lane.floor = settled if first is None else min(settled, first - 1)
            # In a deep lane the first is one that another worker is just claiming, unless it was there last time, too.
            if first is None or not lane.deep or first == lane.first:
                before, lane.hint = lane.hint, max(lane.floor, lane.hint if first is None else first - 1)
                lane.behind = max(lane.behind, before)
                lane.full = lane.deep = False  # the next claim starts right there, wherever the others are
            lane.first = first
        for key in seen.new:
            self.known[key] = Lane()
        self.sole = seen.workers < 2
        self._returned, self.paused, self.orders = set(seen.returned), set(seen.paused), seen.asked
        waiting = limits.queues(self.using) if seen.limited else ()
        self.limited, self.dependencies = [q for q in waiting if self.served(q)], bool(seen.dependencies)
        self._note_suspects(seen, now)
        return bool(seen.new)

    def _note_suspects(self, seen: claiming.Sight, now: float) -> None:
        self.suspects = sorted(queue for queue in seen.suspects if self.served(queue))
        if not self.suspects:
            self._suspects_since = None
        elif self._suspects_since is None:
            self._suspects_since = now
        waited = now - (now if self._suspects_since is None else self._suspects_since)
        self.draining = any(
            seen.ahead[queue] * SUSPECTS_EACH < seen.suspects[queue]
            or waited >= SUSPECTS_SECONDS * (2 ** min(seen.ahead[queue], MANY) - 1)
            for queue in self.suspects
        )

    def no_suspects(self) -> None:
        """What there was of them somebody else has."""
        self.suspects, self.draining, self._suspects_since = [], False, None

    def _horizon(self, now: float, seen: claiming.Sight) -> int:
        """The position up to which everything is committed or rolled back.

        A sample counts once every transaction that ran when it was taken has ended. Then the one before it is
        believed: whoever drew a position by that time was writing when the later one was taken.
        """
        samples = self._samples
        while len(samples) > 1 and seen.oldest >= samples[1][1]:
            self._settled = samples.popleft()[0]
        if now - self._sampled_at >= SAMPLE_SECONDS:
            self._sampled_at = now
            samples.append((seen.drawn, seen.next))
        return self._settled
