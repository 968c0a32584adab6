"""Uploads that lie on this machine already: their bytes become a document's without being copied."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from ingestion import storage
from ingestion.storage import CHUNK_BYTES, StoredBlob

NO_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS})
"""What a file system says that gives no second name to this file."""


class LocalFile:
    """A finished file as an upload, open for reading in a `with`. Nobody writes to it any more.

    `sha256`: its hash, where that is known; otherwise the file is read for it.
    """

    def __init__(self, path: Path, name: str, sha256: str | None = None) -> None:
        self.path, self.sha256 = path, sha256
        self._file = path.open("rb")
        self.name: str | None = name
        self.size: int | None = path.stat().st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes from where we are."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go there."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where we are."""
        return self._file.tell()

    def chunks(self) -> Iterator[bytes]:
        """All of it, from the start."""
        self.seek(0)
        return iter(lambda: self._file.read(CHUNK_BYTES), b"")


def put_file(file: LocalFile) -> StoredBlob:
    """Store a finished file and return where. On the documents' own file system it is not copied but linked.

    The file keeps its own name too, for whoever must begin again after a crash; nobody may write to it any more.
    Raises what `storage.put_stream` does.
    """
    size = file.path.stat().st_size
    os.utime(file.path)  # in the storage it is new, however long ago its bytes came: it is not to be swept
    try:
        return storage.publish_file(file.path, file.sha256 or _hash(file), size)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
    return storage.put_stream(file.chunks(), expected=size)


def _hash(file: LocalFile) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return digest.hexdigest()
