"""What a handler can do to its own process, and what is to become of its item."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from typing import NoReturn


def segfault() -> None:
    """Read where nothing is."""
    ctypes.string_at(0)


def leave() -> NoReturn:
    """End the process without a word."""
    os._exit(3)


def memory() -> None:
    """Take more and more."""
    taken = []
    while True:
        taken.append(bytearray(16 << 20))


def loop() -> NoReturn:
    """Never end, and never look at anything."""
    while True:
        pass


def recursion() -> None:
    """Go deeper and deeper, without the limit that Python has set."""
    sys.setrecursionlimit(2**31 - 1)

    class Deep:
        def __repr__(self) -> str:
            return repr([self])

    repr(Deep())


POISONS: dict[str, Callable[[], None]] = {
    "segfault": segfault,
    "exit": leave,
    "memory": memory,
    "loop": loop,
    "recursion": recursion,
}
CODES: dict[str, tuple[str, ...]] = {
    "segfault": ("crashed",),
    "exit": ("crashed",),
    "memory": ("out_of_memory",),
    "loop": ("timed_out",),
    "recursion": ("crashed", "out_of_memory", "exception"),  # Python 3.12 has a limit of its own for this
}
"""The codes of which an item that did this is to die."""
