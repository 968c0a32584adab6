"""`run_queue_worker --reload`: a worker for development that is started anew when code has changed."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from django.utils.autoreload import iter_all_python_module_files

LOOK_SECONDS = 1.0
logger = logging.getLogger("docqueue")


def run(command: Sequence[str]) -> int:
    """Run `python command` again and again until it is stopped by a signal or ends well; its exit code.

    A worker that fails, as with code that can not be imported, is started again when a file has changed.
    """
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: stopped.append(number))
    while True:
        files = snapshot()
        worker = subprocess.Popen([sys.executable, *command], start_new_session=True)
        changed = None
        while not (changed or stopped or worker.poll() == 0):
            time.sleep(LOOK_SECONDS)
            changed = changed_since(files)
        if changed and not stopped:
            logger.warning("%s changed: the worker starts anew", changed)
        code = _end(worker, stopped)
        if stopped or not changed:
            return code


def snapshot() -> dict[Path, float]:
    """When each file of the imported modules was changed last."""
    return {path: path.stat().st_mtime for path in iter_all_python_module_files() if path.exists()}


def changed_since(files: dict[Path, float]) -> Path | None:
    """A file that is not as it was."""
    return next((p for p, before in files.items() if not p.exists() or p.stat().st_mtime != before), None)


def _end(worker: subprocess.Popen[bytes], stopped: Sequence[int]) -> int:
    """Stop it in good order; a second signal to us is passed on."""
    passed = 0
    while worker.poll() is None:
        while passed < max(1, len(stopped)):
            worker.send_signal(signal.SIGTERM)
            passed += 1
        time.sleep(0.05)
    return worker.returncode
