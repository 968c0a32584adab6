"""How much memory a process uses, with whatever it has started."""

from __future__ import annotations

import contextlib
import os
import re
import resource
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
PAGE = resource.getpagesize()
TICKS = os.sysconf("SC_CLK_TCK")
SLACK_SECONDS = 0.05  # a tick is a hundredth of a second
START_FIELD = 19  # of stat, counted behind the name: field 22 of proc(5)
_PSS = re.compile(rb"^Pss:\s+(\d+) kB$", re.MULTILINE)


def rss_bytes(pid: int) -> int:
    """Resident memory of a process and all its descendants; 0 where /proc does not tell."""
    return sum(_resident(one) for one in (pid, *_descendants(pid)))


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
