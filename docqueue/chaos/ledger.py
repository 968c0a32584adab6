"""The ledger: what clients, handlers and the storm have seen, one JSON line each, on disk before anything goes on.

It is a file outside the database, so that it remembers what the database might forget. Lines are appended by a single
write, which no other process's can get into, and flushed; a process that is killed leaves whole lines behind.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


def now() -> float:
    """Seconds of a clock that all processes of a machine share."""
    return time.monotonic()


class Ledger:
    """Appends to the file at `path`. Any number of processes may."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, event: str, **fields: Any) -> None:
        """One line. `t` is `now()`."""
        line = json.dumps({"e": event, "t": now(), "pid": os.getpid(), **fields})
        os.write(self._fd, f"{line}\n".encode())
        os.fdatasync(self._fd)

    def write_many(self, event: str, entries: list[Entry]) -> None:
        """Many lines, flushed once."""
        about = {"e": event, "t": now(), "pid": os.getpid()}
        lines = "".join(json.dumps({**about, **entry}) + "\n" for entry in entries)
        with os.fdopen(os.dup(self._fd), "ab") as out:
            out.write(lines.encode())
        os.fdatasync(self._fd)


def read(path: Path) -> Iterator[Entry]:
    """The lines, in the order in which they came. Raises `ValueError` for one that is none."""
    with path.open("rb") as lines:
        for line in lines:
            yield json.loads(line)
