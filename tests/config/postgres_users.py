"""Helpers: processes that use an embedded server of their own folder, and waiting for what becomes of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg

from config.postgres_place import locate
from config.postgres_server import Server

ROOT = Path(__file__).resolve().parent.parent.parent
USE = "from config import embedded_postgres as e; e.ensure_running()\nprint('ready', flush=True)\ninput()"


class User:
    """A process that uses the server from its start until it is told to leave, or killed."""

    def __init__(self, home: Path, code: str = USE, **variables: str) -> None:
        env = dict(os.environ) | {"EMBEDDED_POSTGRES_DIR": str(home), "PYTHONPATH": str(ROOT)} | variables
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], env=env, cwd="/", text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def wait_ready(self) -> User:
        assert self.process.stdout
        assert self.process.stderr
        line = self.process.stdout.readline()
        assert line == "ready\n", self.process.stderr.read()
        return self

    def leave(self) -> None:
        _, said = self.process.communicate("\n", timeout=20)
        assert self.process.returncode == 0, said

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)


def postmaster(home: Path) -> psutil.Process | None:
    """The server's process; None when there is none."""
    server = Server(locate(home))
    return server.process if server.adopt() else None


def keeper_pid(home: Path) -> int:
    return int(locate(home).keeper_lock.read_text())


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until the condition holds; fail when it does not within the time."""
    deadline = time.monotonic() + seconds
    pause = 0.02
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(pause)


def connect(home: Path, **options: object) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=str(locate(home).socket_dir), user="docqueue", dbname="docqueue", autocommit=True, **options
    )
