"""What each executor is at, in shared memory that outlives it: the storm chooses its victims by it."""

from __future__ import annotations

import mmap
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

IDLE, HANDLER, COMPLETE = 0, 1, 2
NAMES = {IDLE: "idle", HANDLER: "handler", COMPLETE: "complete"}
_FORMAT = struct.Struct("=qq")


@dataclass(frozen=True, kw_only=True)
class At:
    """A process, its phase, and the item it is at."""

    pid: int
    phase: int
    item_id: int


class Own:
    """This process's page."""

    def __init__(self, folder: Path) -> None:
        path = folder / str(os.getpid())
        path.write_bytes(bytes(_FORMAT.size))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _FORMAT.size)

    def enter(self, phase: int, item_id: int = 0) -> None:
        """From now on this is what it is at."""
        _FORMAT.pack_into(self._page, 0, phase, item_id)


def look(folder: Path, pid: int) -> At:
    """What a process is at, or was when it died."""
    phase, item_id = _FORMAT.unpack((folder / str(pid)).read_bytes())
    return At(pid=pid, phase=phase, item_id=item_id)


def living(folder: Path) -> list[At]:
    """All processes with a page that are alive (a corpse is not); also a stranger that got the number of one."""
    found = []
    for path in folder.iterdir():
        if parent(int(path.name)):
            with suppress(OSError, struct.error):
                found.append(look(folder, int(path.name)))
    return found


def parent(pid: int) -> int:
    """The parent of a process; 0 when it is gone, or dead and only not yet buried."""
    try:
        state, ppid = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:2]
        return 0 if state in "ZX" else int(ppid)
    except (OSError, IndexError, ValueError):
        return 0
