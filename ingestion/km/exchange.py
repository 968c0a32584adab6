"""One HTTP exchange with a knowledge store: sent, measured, its answer read to a bound, its failure given a name.

Each process has one client with its connections, made after the fork. Redirects are not followed, certificates are
checked, and proxies of the environment are not used: the documents and the token go to the store and nowhere else.
"""

from __future__ import annotations

import json
import os
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
from django.core.exceptions import ImproperlyConfigured

from ingestion.errors import IngestionError, KmBadAnswer
from ingestion.km import calls
from ingestion.km.answers import Answer, error_of, named
from ingestion.km.body import Body, Raw
from ingestion.limits import Limits

ANSWER_BYTES = 4 * 1024 * 1024
"""What is read of an answer at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where a store is and how it is spoken to. The token is in no repr."""

    url: str
    token: str = field(repr=False)
    connect_seconds: int
    read_seconds: int
    parallel: int

    @classmethod
    def from_limits(cls, limits: Limits) -> Target:
        """As the settings say. Raises ImproperlyConfigured for an address that is none."""
        parts = urlsplit(limits.km_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ImproperlyConfigured("INGESTION_KM_URL must be an http or https address, as https://km.example.org.")
        if parts.username or parts.password:
            raise ImproperlyConfigured(
                "INGESTION_KM_URL must hold no password: that is what INGESTION_KM_TOKEN is for."
            )
        if not limits.km_token.isascii() or not limits.km_token.isprintable() or " " in limits.km_token:
            raise ImproperlyConfigured("INGESTION_KM_TOKEN holds a space, a line break or what is no ASCII character.")
        return cls(
            url=limits.km_url.rstrip("/"),
            token=limits.km_token,
            connect_seconds=limits.km_connect_seconds,
            read_seconds=limits.km_read_seconds,
            parallel=limits.km_parallel,
        )


_clients: dict[Target, httpx2.Client] = {}
_lock = threading.Lock()


def _begin_anew() -> None:
    """In the child of a fork: two processes on one connection would mix up their answers."""
    global _clients, _lock
    _clients, _lock = {}, threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)


def client_for(target: Target) -> httpx2.Client:
    """This process's client for a store, made when it is first wanted."""
    with _lock:
        if target not in _clients:
            _clients[target] = httpx2.Client(
                verify=ssl.create_default_context(),
                trust_env=False,
                follow_redirects=False,
                limits=httpx2.Limits(max_connections=target.parallel, max_keepalive_connections=target.parallel),
                timeout=httpx2.Timeout(
                    connect=target.connect_seconds,
                    read=target.read_seconds,
                    write=target.read_seconds,
                    pool=target.read_seconds,
                ),
            )
        return _clients[target]


class _Clock:
    """When what of an exchange happened, as httpx2 tells it."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.at: dict[str, float] = {}

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        self.at.setdefault(event.partition(".")[2], time.perf_counter())

    def between(self, start: str, *ends: str) -> float | None:
        """Seconds from one event to the last of others that came."""
        came = [self.at[end] for end in ends if end in self.at]
        begun = self.began if start == "" else self.at.get(start)
        return max(came) - begun if came and begun is not None else None

    def waited(self) -> float | None:
        """Seconds until there was a connection to use, or to make."""
        first = [
            self.at[event] for event in ("connect_tcp.started", "send_request_headers.started") if event in self.at
        ]
        return min(first) - self.began if first else None


def exchange(
    target: Target,
    verb: str,
    method: str,
    path: str,
    *,
    attempt: int = 1,
    documents: Sequence[int] = (),
    body: Body | Raw | None = None,
    payload: Any = None,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> Answer:
    """One exchange; any answer below 400 but redirects is returned. Raises a `KmError` named for what went wrong.

    `verb` is the protocol's, for `calls`. `seconds` bounds each wait, for questions that are worth no more.
    """
    sent = dict(headers or {}) | {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "docqueue"}
    if target.token:
        sent["Authorization"] = f"Bearer {target.token}"
    content: Any = None
    if body is not None:
        sent |= body.headers
        content = iter(body)
    elif payload is not None:
        sent["Content-Type"] = "application/json"
        content = json.dumps(payload).encode()
    client = client_for(target)  # before the clock: the first one of a process takes long to make
    clock, started_at = _Clock(), datetime.now(UTC)
    status, code = None, ""
    options: dict[str, Any] = {} if seconds is None else {"timeout": seconds}
    try:
        request = client.build_request(
            method, target.url + path, params=params, headers=sent, content=content,
            extensions={"trace": clock}, **options,
        )  # fmt: skip
        with named(method, path):
            response = client.send(request, stream=True)
            try:
                status = response.status_code
                answer = Answer(status=status, headers=response.headers, body=_read(response))
            finally:
                response.close()
        if (error := error_of(answer, method, path)) is not None:
            raise error
    except IngestionError as error:
        code = error.code
        raise
    finally:
        calls.record(
            calls.KMCall(
                method=verb,
                started_at=started_at,
                attempt=attempt,
                status=status,
                code=code,
                document_ids=tuple(documents),
                bytes_sent=body.file_bytes if body is not None and "send_request_body.complete" in clock.at else 0,
                queue_wait_seconds=clock.waited(),
                connect_seconds=clock.between("connect_tcp.started", "connect_tcp.complete", "start_tls.complete"),
                send_seconds=clock.between(
                    "send_request_headers.started", "send_request_headers.complete", "send_request_body.complete"
                ),
                first_byte_seconds=clock.between("", "receive_response_headers.complete"),
                total_seconds=time.perf_counter() - clock.began,
            )
        )
    return answer


def _read(response: httpx2.Response) -> bytes:
    found = bytearray()
    for chunk in response.iter_raw():
        found += chunk
        if len(found) > ANSWER_BYTES:
            raise KmBadAnswer(f"The store's answer is longer than the {ANSWER_BYTES:,} bytes that are read of one.")
    return bytes(found)
