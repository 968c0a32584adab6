"""Servers that speak S3, on loopback: moto for what S3 means, localbucket for volume and for being stopped."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from ingestion.s3 import S3Storage

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTONLY",
    "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
}
MIB = 1024 * 1024
PART = 5 * MIB


@contextmanager
def moto_server() -> Iterator[str]:
    """A moto server in threads of this process; yields its address."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def place(endpoint: str, **options: Any) -> dict[str, Any]:
    """The options of a storage in a bucket that nobody else has."""
    own = {"bucket": f"docs-{uuid.uuid4().hex[:12]}", "prefix": "kept", "endpoint_url": endpoint}
    return {**own, "region": "us-east-1", "part_bytes": PART, **options}


def entry(options: dict[str, Any]) -> dict[str, Any]:
    """The entry of STORAGES for these options."""
    return {"BACKEND": "ingestion.s3.S3Storage", "OPTIONS": options}


def with_bucket(options: dict[str, Any]) -> S3Storage:
    """The storage of these options, its bucket made."""
    storage = S3Storage(**options)
    storage.client.create_bucket(Bucket=options["bucket"])
    return storage


@contextmanager
def counted(storage: S3Storage, operation: str = "") -> Iterator[list[str]]:
    """The requests that this storage sends meanwhile, by their operation."""
    sent: list[str] = []

    def note(request: Any, event_name: str, **_: Any) -> None:
        sent.append(event_name.rpartition(".")[2])

    events = storage.client.meta.events
    events.register(f"before-send.s3{operation}", note, unique_id="count")
    try:
        yield sent
    finally:
        events.unregister(f"before-send.s3{operation}", note, unique_id="count")


class Localbucket:
    """localbucket as a process, that keeps its buckets in a folder: it can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [Path(sys.executable).with_name("localbucket"), "--port", str(self.port), str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, "localbucket does not start"
                time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


class Scripted(http.server.ThreadingHTTPServer):
    """A server that answers as the test says: `answer(handler)` writes the whole answer."""

    daemon_threads = True

    def __init__(self, answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_any  # noqa: N815

            def log_message(self, *_: Any) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


def refusal(status: int, code: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    """Answers everything with an error of S3."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/xml")
        handler.send_header("Content-Length", "0" if handler.command == "HEAD" else str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return answer
