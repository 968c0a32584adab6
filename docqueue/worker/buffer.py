"""Items that were claimed and not handed out yet, queue by queue: slow ones must not stand before quick ones.

What may run in a thread has a line of its own: it must not stand before what needs a process, nor the other way round.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import groupby
from typing import Protocol

from docqueue import handlers
from docqueue.items import ClaimedItem


class Feed(Protocol):
    """Takes items from the front of a queue's line and says how many."""

    def __call__(self, queue: str, line: deque[ClaimedItem], *, spare: bool) -> int: ...


class Buffer:
    """A line of items for each queue and, where these run `apart`, for what may run in a thread."""

    def __init__(self, *, apart: bool = False) -> None:
        self.apart = apart
        self.lines: dict[tuple[str, bool], deque[ClaimedItem]] = {}
        self._served: dict[tuple[str, bool], float] = {}  # when something of it was handed out, or first offered

    def __len__(self) -> int:
        return sum(map(len, self.lines.values()))

    def __iter__(self) -> Iterator[ClaimedItem]:
        return (item for line in self.lines.values() for item in line)

    def hand_out(self, feed: Feed, now: float = 0.0) -> None:
        """Offer each line to `feed`, that which was served longest ago first. `now` is monotonic.

        When a line got nothing, it waits for a child of its own: from then on `spare` is true, so that what comes
        after it leaves the emptiest child alone.
        """
        spare = {True: False, False: False}
        for key, line in [(key, line) for key, line in self.lines.items() if line]:
            served = feed(key[0], line, spare=spare[key[1]])
            spare[key[1]] = spare[key[1]] or not served
            if served:
                self.lines[key] = self.lines.pop(key)
                self._served[key] = now
            else:
                self._served.setdefault(key, now)
            if not line:
                self._served.pop(key, None)

    def overdue(self, moment: float) -> list[ClaimedItem]:
        """Take out the lines of which nothing was handed out since `moment` (monotonic)."""
        late = [key for key, served in self._served.items() if served < moment]
        for key in late:
            del self._served[key]
        return [item for key in late for item in self.lines.pop(key, ())]

    def take(self, queues: AbstractSet[str]) -> list[ClaimedItem]:
        """Take out the items of these queues; they are not all in the line of that name."""
        found = [item for item in self if item.queue in queues] if queues else []
        for item in found:
            self._line(self._key(item)).remove(item)
        for key in [key for key, line in self.lines.items() if not line]:
            del self.lines[key]
            self._served.pop(key, None)
        return found

    def append(self, items: Iterable[ClaimedItem]) -> None:
        """To the ends of their lines."""
        for key, group in groupby(items, self._key):
            self._line(key).extend(group)

    def put_back(self, items: Iterable[ClaimedItem]) -> None:
        """To the fronts of their lines, in the order given."""
        for item in reversed(list(items)):
            self._line(self._key(item)).appendleft(item)

    def remove(self, item_id: int) -> ClaimedItem | None:
        """Take one item out, if it is here."""
        for item in self:
            if item.id == item_id:
                self._line(self._key(item)).remove(item)
                return item
        return None

    def clear(self) -> list[ClaimedItem]:
        """Take all out."""
        items = list(self)
        self.lines.clear()
        self._served.clear()
        return items

    def _key(self, item: ClaimedItem) -> tuple[str, bool]:
        return item.line, self.apart and handlers.threaded(item.operation)

    def _line(self, key: tuple[str, bool]) -> deque[ClaimedItem]:
        return self.lines.setdefault(key, deque())
