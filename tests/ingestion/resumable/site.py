"""The web server of `make run` as a process of its own, with files and a user of the test's, to be killed at will."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from config.api_client import answers
from config.processes import free_port, web_command
from tests.ingestion.resumable.tus import Wire


class Site:
    """The server on one port. `start` and `kill` may take turns; what it stores lies in `documents`."""

    def __init__(self, root: Path, env: dict[str, str], token: str, command: list[str] | None = None) -> None:
        self.root, self.env, self.token = root, env, token
        self.port = free_port()
        self.command = command or web_command(self.port)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def documents(self) -> Path:
        return Path(self.env["VAR_DIR"]) / "documents"

    def start(self) -> None:
        null = subprocess.DEVNULL
        command = [word.replace("PORT", str(self.port)) for word in self.command]
        self.process = subprocess.Popen(
            command, cwd=self.root, env=self.env, stdout=null, stderr=null, start_new_session=True
        )
        until(lambda: answers(f"http://127.0.0.1:{self.port}"), "the web server does not answer")

    def kill(self) -> None:
        """SIGKILL to the master and all its workers."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    @contextmanager
    def running(self) -> Iterator[None]:
        """From when it answers to the end of the block."""
        self.start()
        try:
            yield
        finally:
            self.kill()

    def wire(self) -> Wire:
        return Wire(self.port, self.token)

    def path(self, place: str) -> Path:
        """Where the bytes of an upload lie."""
        return self.documents / "resumable" / f"{UUID(place.rpartition('/')[2]).hex}.bytes"

    def size(self, place: str) -> int:
        return self.path(place).stat().st_size


def until(condition: Callable[[], bool], what: str, seconds: float = 30.0, pause: float = 0.01) -> None:
    """Wait for it; fail with `what` when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(pause)
