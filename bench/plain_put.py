"""The least that can take a file over HTTP: a WSGI application that writes the body of a PUT to a file and syncs it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

CHUNK_BYTES = 256 * 1024  # as the resumable uploads read


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Write the body to the file PLAIN_PUT_FILE, anew each time."""
    left = int(environ.get("CONTENT_LENGTH") or 0)
    with Path(os.environ["PLAIN_PUT_FILE"]).open("wb") as file:
        while left and (chunk := environ["wsgi.input"].read(min(CHUNK_BYTES, left))):
            file.write(chunk)
            left -= len(chunk)
        file.flush()
        os.fsync(file.fileno())
    start_response("201 Created" if not left else "400 Bad Request", [("Content-Length", "0")])
    return []
