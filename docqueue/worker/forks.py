"""The fork server: the process that has loaded Django and all handlers, and that executors are forked from."""

from __future__ import annotations

import os
import signal
import sys
import time
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

PRELOAD = ["docqueue.worker.preload"]
DYING_SECONDS = 0.2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def fork_server_lives() -> bool:
    """Whether it runs, after a moment in which it may be dying: its pipes close before it is a corpse."""
    deadline = time.monotonic() + DYING_SECONDS
    while _lives():
        if time.monotonic() > deadline:
            return True
        time.sleep(0.002)
    return False


def _lives() -> bool:
    server: Any = forkserver._forkserver  # noqa: SLF001 - there is no other way
    try:
        stat = Path(f"/proc/{server._forkserver_pid}/stat").read_text()  # noqa: SLF001
    except OSError:
        return not Path("/proc/self/stat").exists()  # where nobody can tell, nobody is excused
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def start_fork_server() -> None:
    """Start the fork server if it does not run (any more).

    Until it has left our process group it would get the signals that stop the whole group: it starts with them
    blocked, and `preload` unblocks them once it ignores them.
    """
    forkserver.set_forkserver_preload(PRELOAD)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)  # Python 3.11's server gets no path
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
