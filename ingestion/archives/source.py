"""Reading at a position: from a path, an open file or an uploaded file alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol


class SeekableFile(Protocol):
    """What an archive is read from: any binary file that can seek, Django's uploaded files included."""

    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int | None: ...
    def tell(self) -> int: ...


Source = str | os.PathLike[str] | SeekableFile


@contextmanager
def opened(source: Source) -> Iterator[SeekableFile]:
    """Open a path, or lend an open file and put its position back afterwards."""
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            yield file
        return
    position = source.tell()
    try:
        yield source
    finally:
        source.seek(position)


def size_of(file: SeekableFile) -> int:
    """The file's size, asked of the file itself and not of what somebody announced."""
    file.seek(0, os.SEEK_END)
    return file.tell()


def read_at(file: SeekableFile, offset: int, count: int) -> bytes:
    """Up to `count` bytes from `offset`; fewer only where the file ends."""
    if offset < 0:
        return b""
    file.seek(offset)
    data = file.read(count)
    while len(data) < count:  # a raw file may answer with less than was asked for
        more = file.read(count - len(data))
        if not more:
            break
        data += more
    return data
