"""Imported once by the fork server, and only there: each child then starts with Django and all handlers loaded.

The fork server opens no connection and no thread. It stands in a process group of its own and ignores TERM and INT:
a signal to the supervisor's whole group must not take the children's parent away while they finish. It ends with its
supervisor, and takes with it whatever the handlers of its children have started.
"""

import atexit
import contextlib
import gc
import os
import signal
from pathlib import Path

from docqueue.worker.forks import STOP_SIGNALS

os.setpgid(0, 0)
for number in STOP_SIGNALS:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

import django  # noqa: E402

django.setup()

from django.db import connections  # noqa: E402

from docqueue.worker import child  # noqa: E402, F401

for alias in connections:
    connections[alias]  # loads the backend; connects to nothing
gc.collect()
gc.freeze()  # so that the children's collections leave the pages that all share


def _end_groups(server: int) -> None:
    """Kill the process groups of all children, each with what its handlers started."""
    if os.getpid() != server:
        return
    with contextlib.suppress(OSError):
        for pid in Path(f"/proc/self/task/{server}/children").read_text("ascii").split():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(pid), signal.SIGKILL)


atexit.register(_end_groups, os.getpid())
