"""`run_queue_worker --reload`: a worker for development that is started anew when code has changed."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from django.utils.autoreload import get_child_arguments, iter_all_python_module_files

LOOK_SECONDS = 1.0
CHILD = "DOCQUEUE_RELOADED"
"""Environment variable of the worker that is started anew: it is not to watch itself."""
logger = logging.getLogger("docqueue")


def run() -> int:
    """Run this very command again and again until it is stopped by a signal or ends well; its exit code.

    A worker that fails, as with code that can not be imported, is started again when a file has changed.
    """
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: stopped.append(number))
    while True:
        files = snapshot()
        worker = subprocess.Popen(get_child_arguments(), env=os.environ | {CHILD: "1"}, start_new_session=True)
        changed = None
        try:
            while not (changed or stopped or worker.poll() == 0):
                time.sleep(LOOK_SECONDS)
                now = snapshot()
                changed = next((path for path, before in files.items() if now.get(path) != before), None)
                files |= now  # what was imported meanwhile is watched, too
        finally:
            if changed and not stopped:
                logger.warning("%s changed: the worker starts anew", changed)
            code = _end(worker, stopped)
        if stopped or not changed:
            return code


def snapshot() -> dict[Path, float]:
    """When each file of the imported modules was changed last."""
    found = {}
    for path in iter_all_python_module_files():
        with contextlib.suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime
    return found


def _end(worker: subprocess.Popen[bytes], stopped: Sequence[int]) -> int:
    """Stop it in good order; a second signal to us is passed on."""
    passed = 0
    while worker.poll() is None:
        while passed < max(1, len(stopped)):
            worker.send_signal(signal.SIGTERM)
            passed += 1
        time.sleep(0.05)
    return worker.returncode
