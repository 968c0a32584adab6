"""The processes behind `make run` and its kin: one web server and two queue workers, watched and restarted."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from config.api_client import answers
from config.paths import BASE_DIR

HOST = "127.0.0.1"
STOP_SECONDS = 15.0
WEB_PROCESSES = 2
WEB_THREADS = 8
WORKERS = 2
PR_SET_PDEATHSIG = 1


class CanNotRun(Exception):
    """Why it can not start, in words for a person."""


@dataclass
class Child:
    """One process and how to start it again."""

    name: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    started: float = field(default=0.0)


class Processes:
    """Start, watch and stop the children. Each has its own session: a Ctrl-C at the terminal reaches us alone.

    Without a port there is no web server, only the workers.
    """

    def __init__(self, port: int | None, logs: Path) -> None:
        self.port = port
        logs.mkdir(parents=True, exist_ok=True)
        manage = [sys.executable, str(BASE_DIR / "manage.py")]
        self.children = [] if port is None else [Child("web", web_command(port), logs / "web.log")]
        for number in range(1, WORKERS + 1):
            name = f"worker-{number}"
            self.children.append(Child(name, [*manage, "run_queue_worker"], logs / f"{name}.log"))

    @property
    def site(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Start all; returns when the site answers, or `stopped` says so. `CanNotRun` when one ends at once."""
        for child in self.children:
            self._start(child)
        deadline = time.monotonic() + 60
        while self.port is not None and not stopped() and not answers(self.site):
            for child in self.children:
                if child.process and child.process.poll() is not None:
                    raise CanNotRun(f"{child.name} did not start:\n{_tail(child.log)}")
            if time.monotonic() > deadline:
                raise CanNotRun(f"The site does not answer after a minute:\n{_tail(self.children[0].log)}")
            time.sleep(0.05)

    def watch(self, say: Callable[[str], None]) -> None:
        """Start again what has ended; call it about once a second."""
        for child in self.children:
            code = child.process.poll() if child.process else 0
            if code is not None and time.monotonic() - child.started > min(30, 2**child.restarts):
                child.restarts += 1
                say(f"{child.name} ended ({_ending(code)}); starting it again. Its log: {child.log}")
                self._start(child)

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Ask all to stop, wait, end what is left with everything it started; at once when `hurry` says so."""
        running = [c.process for c in self.children if c.process and c.process.poll() is None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(p.poll() is None for p in running) and time.monotonic() < deadline and not hurry():
            time.sleep(0.05)
        for process in running:
            if process.poll() is None:
                self.kill(process)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End a child and all that is in its session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)

    def _start(self, child: Child) -> None:
        child.started = time.monotonic()
        with child.log.open("ab") as log:
            child.process = subprocess.Popen(
                child.command,
                cwd=BASE_DIR,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"LOG_FORMAT": os.environ.get("LOG_FORMAT") or "json"},
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - we are single-threaded
            )


def web_command(port: int) -> list[str]:
    """The command that starts the web server on `port`."""
    return [
        sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"{HOST}:{port}", "--worker-class", "gthread",
        "--workers", str(WEB_PROCESSES), "--threads", str(WEB_THREADS), "--timeout", "120",
        "--graceful-timeout", "5", "--preload", "--no-control-socket", "--log-level", "warning",
    ]  # fmt: skip


def _end_with_parent() -> None:
    """In the child: be asked to stop when the manager dies, however it does (Linux; elsewhere it lives on)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _ending(code: int) -> str:
    return f"by signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"


def check_port(port: int) -> None:
    """Raise `CanNotRun` in plain words when the port is taken or not allowed."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise CanNotRun(
                f"Port {port} needs more rights than you have. Take one over 1023: make run PORT=8001"
            ) from error
        except OSError as error:
            raise CanNotRun(
                f"Port {port} is taken{_taker(port)}. Stop that, or take another port: make run PORT={port + 1}"
            ) from error


def _taker(port: int) -> str:
    try:
        for found in psutil.net_connections("tcp"):
            if found.laddr and found.laddr.port == port and found.status == psutil.CONN_LISTEN and found.pid:
                return f" by process {found.pid} ({psutil.Process(found.pid).name()})"
    except psutil.Error:
        return ""  # the system does not tell everybody
    return ""


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Within the block Ctrl-C, TERM and HUP only fill the list yielded, so that work between them can end in order."""
    seen: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda n, _frame: seen.append(n)) for number in numbers}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
