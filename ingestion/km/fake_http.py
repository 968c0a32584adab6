"""The connection under a fake knowledge store: bodies read as they come, answers written, hanging up."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from ingestion.km.fake_moods import Mood
from ingestion.km.fake_parts import Cut
from ingestion.km.fake_shelf import Refused

JSON_BYTES = 1024 * 1024


class Connection(BaseHTTPRequestHandler):
    """One connection. `wait` lets time go by; `mood` is that of the request, `entry` what the log will say of it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "FakeKM"
    wait: Callable[[float], None]

    def setup(self) -> None:
        """Nothing is known of the first request yet."""
        super().setup()
        self.left = self.announced = 0
        self.speed: float | None = None
        self.mood: Mood | None = None
        self.entry: dict[str, Any] = {}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The log is kept elsewhere."""

    def json(self) -> dict[str, Any]:
        """The request's body, a JSON object. Raises Refused."""
        if self.left > JSON_BYTES:
            raise Refused(413, "too_large", "the question is too long")
        try:
            found = json.loads(b"".join(self.pieces(0)) or b"null")
        except ValueError as error:
            raise Refused(400, "invalid_json", str(error)) from error
        if not isinstance(found, dict):
            raise Refused(400, "invalid_json", "the body must be a JSON object")
        return found

    def pieces(self, leave: int) -> Iterator[bytes]:
        """The request's body as it comes, but for its last `leave` bytes; in a slow mood slowly."""
        while self.left > leave:
            wanted = min(self.left - leave, 256 * 1024)
            if self.speed:
                wanted = max(1, min(wanted, int(self.speed / 10)))
                self.wait(wanted / self.speed)
            piece = self.rfile.read1(wanted)
            if not piece:
                raise Cut
            self.left -= len(piece)
            yield piece

    def refuse(self, status: int, code: str, detail: str) -> None:
        """Answer with a problem, when all of the request has been read."""
        with contextlib.suppress(Cut, OSError):
            for _ in self.pieces(0):  # so that the client comes to read the answer
                pass
            problem = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail}
            headers = self.mood.headers() if self.mood is not None else {}
            self.send(status, "application/problem+json", json.dumps(problem).encode(), headers)

    def say(self, status: int, said: Any) -> None:
        """Answer with JSON, or with nothing at all; as the mood wants it."""
        if self.mood is not None and self.mood.kind == "cut":
            self.hang_up()
        if self.mood is not None and self.mood.delay_seconds:
            self.wait(self.mood.delay_seconds)
        for _ in self.pieces(0):
            pass
        self.send(status, "application/json", b"" if said is None else json.dumps(said).encode())

    def send(self, status: int, content_type: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Write an answer."""
        self.entry |= {"status": status, "bytes": self.announced - self.left}
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and body:
            self.wfile.write(body)

    def hang_up(self) -> None:
        """End the connection as a crash does: with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        raise Cut
