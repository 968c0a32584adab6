"""How much memory a process uses, with whatever it has started; and how much of a processor."""

from __future__ import annotations

import contextlib
import os
import re
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path

PROC = Path("/proc")
PAGE = resource.getpagesize()
TICKS = os.sysconf("SC_CLK_TCK")
SLACK_SECONDS = 0.05  # a tick is a hundredth of a second
START_FIELD = 19  # of stat, counted behind the name: field 22 of proc(5)
CPU_FIELDS = slice(11, 15)  # utime, stime, cutime, cstime: fields 14 to 17
_PSS = re.compile(rb"^Pss:\s+(\d+) kB$", re.MULTILINE)


def rss_bytes(pid: int) -> int:
    """Resident memory of a process and all its descendants; 0 where /proc does not tell."""
    return sum(_resident(one) for one in (pid, *_descendants(pid)))


def own_rss_bytes() -> int:
    """Resident memory of this process alone."""
    return _resident(os.getpid())


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, with its children that have ended; 0 where /proc does not tell."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[CPU_FIELDS])) / TICKS
    except (OSError, ValueError, IndexError):
        return 0.0


class Processor:
    """How busy processes have kept a processor between two looks, in per cent of one."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[float, float]] = {}

    def look(self, pids: Iterable[int], now: float) -> dict[int, int]:
        """Each process by its number; 0 at the first look at it. `now` is monotonic."""
        before, self._seen = self._seen, {pid: (now, cpu_seconds(pid)) for pid in pids}
        busy = {}
        for pid, (at, used) in self._seen.items():
            then, had = before.get(pid, (at, used))
            busy[pid] = round(100 * max(0.0, used - had) / (at - then)) if at > then else 0
        return busy


def memory_since(pid: int, moment: float) -> int:
    """Resident memory of a process, and the share of each descendant that was started after `moment` (monotonic).

    What an earlier item has left running is not counted; of pages that processes share, each counts its part.
    """
    return _resident(pid) + sum(_share(one) for one in _descendants(pid) if _started(one) >= moment - SLACK_SECONDS)


def _descendants(pid: int) -> Iterator[int]:
    left = [pid]
    while left:
        with contextlib.suppress(OSError, ValueError):  # it has ended meanwhile
            for task in (PROC / str(left.pop()) / "task").iterdir():
                found = [int(child) for child in (task / "children").read_text().split()]
                left += found
                yield from found


def _resident(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0


def _share(pid: int) -> int:
    try:
        found = _PSS.search((PROC / str(pid) / "smaps_rollup").read_bytes())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def _started(pid: int) -> float:
    """When it was started, on the monotonic clock; now and later for one that is gone."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return int(fields[START_FIELD]) / TICKS
    except (OSError, ValueError, IndexError):
        return float("inf")
