"""The bytes of a request as they come from the network, so that what is here counts when the rest never comes.

Under WSGI nothing stands between: each chunk is read when it is written. Under ASGI Django takes the whole body in
first, to a file where it is large, and the chunks are read from there.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from typing import Protocol

from django.http import HttpRequest
from django.utils.translation import gettext as _

from ingestion.limits import get_limits
from ingestion.resumable.errors import BodyBroken, ResumableError

CHUNK_BYTES = 256 * 1024
"""What is lost at most of what had arrived when the server is killed."""

SILENT_SECONDS = 60.0
"""How long a client may send nothing before its request is given up, where the server lets us say so (gunicorn)."""


DISCARD_SECONDS = 10.0
"""How long the rest of a refused body is read at most."""


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes: ...


def announced(request: HttpRequest) -> int | None:
    """The size of the body as its headers say; None when it comes in chunks of which nobody knows how many."""
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        return None
    given = request.META.get("CONTENT_LENGTH") or "0"
    if not given.isascii() or not given.isdigit():
        raise ResumableError(_("%(header)s must be a number of bytes.") % {"header": "Content-Length"})
    return int(given)


def chunks(request: HttpRequest) -> Generator[bytes, None, None]:
    """The body. Raises BodyBroken, after all that came, when it ends too early or falls silent."""
    size, source, came = announced(request), _source(request), 0
    with _patience(request, SILENT_SECONDS):
        while True:
            try:
                chunk = source.read(CHUNK_BYTES)
            except OSError as error:
                raise BodyBroken from error
            if not chunk:
                break
            came += len(chunk)
            yield chunk
    if size is not None and came < size:
        raise BodyBroken


def discard(request: HttpRequest) -> None:
    """Read what is left of a refused body, within bounds: most clients hear a refusal only when they have sent all."""
    size = announced(request)
    if size is not None and size > get_limits().max_patch_bytes:
        return
    until = time.monotonic() + DISCARD_SECONDS
    source, left = _source(request), get_limits().max_patch_bytes
    with _patience(request, DISCARD_SECONDS), contextlib.suppress(OSError):  # whoever has gone hears nothing anyway
        while left > 0 and time.monotonic() < until and (chunk := source.read(CHUNK_BYTES)):
            left -= len(chunk)


def _source(request: HttpRequest) -> Readable:
    """Django's own stream gives nothing of a body without a length; the server's knows where such a one ends."""
    whole = announced(request) is not None or not request.META.get("wsgi.input_terminated")
    return request if whole else request.META["wsgi.input"]


@contextlib.contextmanager
def _patience(request: HttpRequest, seconds: float) -> Iterator[None]:
    """Have a read from a client that has vanished without a word end some time, and its thread be free again."""
    connection = request.META.get("gunicorn.socket")
    if connection is None:
        yield
        return
    before = connection.gettimeout()
    connection.settimeout(seconds)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # it is closed
            connection.settimeout(before)
