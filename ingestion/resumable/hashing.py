"""The hash that a finished upload is stored under, made while its bytes arrive: the last answer need not wait for it.

A thread beside the request hashes, as the processor has mostly nothing to do while the network brings bytes. What has
been hashed is remembered in this process from one PATCH to the next. Nothing depends on that: where a PATCH went to
another process, or broke off, the file is read again at the end. Bytes that count are never changed, so a hash of the
first of them stays right.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

REMEMBERED = 256
"""Uploads of which one process knows the hash so far; each takes some hundred bytes."""
WAITING_CHUNKS = 16

_lock = threading.Lock()
_known: OrderedDict[UUID, tuple[int, hashlib._Hash]] = OrderedDict()


class Hasher:
    """Hashes the chunks of one PATCH in a thread. Without a hash of all that lies before it does nothing."""

    def __init__(self, digest: hashlib._Hash | None) -> None:
        self.digest, self.size = digest, 0
        self._chunks: queue.Queue[bytes] = queue.Queue(WAITING_CHUNKS)
        self._thread = threading.Thread(target=self._work, daemon=True)
        if digest is not None:
            self._thread.start()

    def feed(self, chunk: bytes) -> None:
        """Hash this next; waits while there is much to do already."""
        if self.digest is not None and chunk:
            self.size += len(chunk)
            self._chunks.put(chunk)

    def stop(self) -> None:
        """Return when all that was fed is hashed."""
        if self.digest is not None:
            self._chunks.put(b"")
            self._thread.join()

    def _work(self) -> None:
        assert self.digest is not None, "the thread is started only then"
        while chunk := self._chunks.get():
            self.digest.update(chunk)


@contextmanager
def hashing(upload: UUID, at: int) -> Iterator[Hasher]:
    """Hash what a PATCH appends from `at` on. It is remembered when the block ends well: when the bytes count."""
    before = _taken(upload, at)
    hasher = Hasher(before if before is not None or at else hashlib.sha256())
    try:
        yield hasher
    finally:
        hasher.stop()
    if hasher.digest is not None:
        _remember(upload, at + hasher.size, hasher.digest)


def hash_of(upload: UUID, size: int) -> str | None:
    """The hash of the first `size` bytes, if this process happens to know it. It is forgotten then."""
    digest = _taken(upload, size)
    return None if digest is None else digest.hexdigest()


def _taken(upload: UUID, at: int) -> hashlib._Hash | None:
    with _lock:
        size, digest = _known.pop(upload, (0, None))
    return digest if size == at else None


def _remember(upload: UUID, at: int, digest: hashlib._Hash) -> None:
    with _lock:
        _known[upload] = (at, digest)
        while len(_known) > REMEMBERED:
            _known.popitem(last=False)
