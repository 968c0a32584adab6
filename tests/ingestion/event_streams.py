"""A web server of its own for a test, and a client that reads server-sent events as they come."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection

from config.api_client import answers
from config.processes import free_port

NAME = "served-by-a-test"
"""What the sessions of such a server are called in the database."""


@dataclass
class Server:
    """A running web server."""

    port: int
    process: subprocess.Popen[bytes]
    log: Any = None

    def get(
        self, path: str, headers: dict[str, str], *, timeout: float = 20, method: str = "GET"
    ) -> http.client.HTTPResponse:
        """The answer to GET /api/v1/`path`, its body not read yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        connection.request(method, f"/api/v1/{path}", headers=headers)
        return connection.getresponse()

    def refusal(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, Any], http.client.HTTPResponse]:
        """Status, problem and answer of a request that is refused."""
        with self.get(path, headers) as answer:
            body = answer.read()
            assert answer.headers["Content-Type"] == "application/problem+json", body
            return answer.status, json.loads(body), answer

    def said(self) -> str:
        """What it wrote to its log."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


def uvicorn(port: int) -> list[str]:
    """The command that serves the project by ASGI."""
    return [
        sys.executable, "-m", "uvicorn", "config.asgi:application", "--host", "127.0.0.1", "--port", str(port),
        "--log-level", "warning",
    ]  # fmt: skip


def gunicorn_asgi(port: int) -> list[str]:
    """The same with gunicorn's own worker for ASGI, the server that the documentation names."""
    return [
        sys.executable, "-m", "gunicorn", "config.asgi:application", "--worker-class", "asgi",
        "--bind", f"127.0.0.1:{port}", "--no-control-socket", "--log-level", "warning",
    ]  # fmt: skip


@contextmanager
def serving(command: Any, root: Path, env: dict[str, str]) -> Iterator[Server]:
    """The server that `command(port)` starts, once it answers; killed at the end if it still runs."""
    port = free_port()
    with tempfile.TemporaryFile("w+b") as log:
        process = subprocess.Popen(
            command(port),
            cwd=root,
            env=env | {"PGAPPNAME": NAME},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        server = Server(port, process, log)
        try:
            deadline = time.monotonic() + 60
            while not answers(f"http://127.0.0.1:{port}"):
                assert process.poll() is None, f"the server did not start:\n{server.said()}"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)
            yield server
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def sessions() -> int:
    """How many connections to the database the servers that `serving` has started hold."""
    look = "select count(*) from pg_stat_activity where datname = current_database() and application_name = %s"
    with connection.cursor() as cursor:
        return int(cursor.execute(look, [NAME]).fetchone()[0])


@dataclass(frozen=True)
class Event:
    """One event: its name, id and data."""

    name: str
    id: str
    data: Any


@dataclass
class Listener:
    """An open stream. `comments` counts the heartbeats, `retry` is the server's hint."""

    answer: http.client.HTTPResponse
    comments: int = 0
    retry: int | None = None
    parts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def on(cls, server: Server, path: str, headers: dict[str, str], *, timeout: float = 20) -> Listener:
        """Open one; it must be accepted."""
        answer = server.get(path, {"Accept": "text/event-stream", **headers}, timeout=timeout)
        assert answer.status == 200, answer.read()
        return cls(answer)

    @property
    def socket(self) -> socket.socket:
        """The connection itself."""
        return self.answer.fp.raw._sock

    def next(self) -> Event | None:
        """The next event; None when the stream is over. TimeoutError when nothing comes."""
        while line := self.answer.readline():
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                self.comments += 1
            elif text.startswith("retry: "):
                self.retry = int(text.removeprefix("retry: "))
            elif text:
                name, _, value = text.partition(": ")
                self.parts[name] = value
            elif self.parts:
                parts, self.parts = self.parts, {}
                return Event(parts["event"], parts.get("id", ""), json.loads(parts["data"]))
        return None

    def rest(self) -> list[Event]:
        """Everything to the end."""
        return list(iter(self.next, None))

    def close(self) -> None:
        """Go away, as a browser does: the connection is reset or closed, and nobody reads on."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.answer.close()
