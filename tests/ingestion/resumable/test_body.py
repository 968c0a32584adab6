"""Reading a body as it comes: what ends it, and that nobody waits for a silent client for ever."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from django.test import RequestFactory

from ingestion.resumable import body
from ingestion.resumable.errors import BodyBroken, ResumableError


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a connection: the client's and the server's."""
    client, server = socket.socketpair()
    with client, server:
        yield client, server


def request_on(server: socket.socket, size: int):
    request = RequestFactory().patch("/", CONTENT_LENGTH=str(size))
    request.META["gunicorn.socket"] = server
    request.META["CONTENT_LENGTH"] = str(size)
    request._stream = server.makefile("rb", buffering=0)
    return request


def test_what_came_before_the_end_is_given_and_then_the_end_is_told(pair):
    client, server = pair
    client.sendall(b"some words")
    client.close()
    came = body.chunks(request_on(server, 100))
    assert next(came) == b"some words"
    with pytest.raises(BodyBroken):
        next(came)


def test_a_client_that_falls_silent_is_given_up(pair, monkeypatch):
    client, server = pair
    monkeypatch.setattr(body, "SILENT_SECONDS", 0.05)
    client.sendall(b"some words")
    came = body.chunks(request_on(server, 100))
    assert next(came) == b"some words"
    with pytest.raises(BodyBroken):
        next(came)
    assert server.gettimeout() is None, "the next request on the connection may wait as long as the server likes"


def test_the_rest_of_a_refused_body_is_read_for_a_moment_only(pair, monkeypatch):
    client, server = pair
    monkeypatch.setattr(body, "DISCARD_SECONDS", 0.05)
    client.sendall(b"some words")
    body.discard(request_on(server, 100))
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(10)


def test_a_refused_body_above_the_limit_is_not_read_at_all(pair, settings):
    client, server = pair
    settings.INGESTION = {"MAX_PATCH_BYTES": 5}
    client.sendall(b"some words")
    body.discard(request_on(server, 10))
    assert server.recv(10) == b"some words"


def test_a_length_that_is_no_number_is_refused():
    request = RequestFactory().patch("/")
    request.META["CONTENT_LENGTH"] = "ten"
    with pytest.raises(ResumableError, match="Content-Length"):
        body.announced(request)
