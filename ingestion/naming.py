"""The folders of uploaded files. A browser that sends a folder drops them from the names, or Django does; so they are
sent beside the files, in fields of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ingestion.archives import printable
from ingestion.archives.names import name_problem, refuse_unsafe
from ingestion.errors import BadName, EntryName, InvalidPaths, UnsafePath
from ingestion.intakes import Upload
from ingestion.limits import get_limits


@dataclass(kw_only=True)
class Placed:
    """An uploaded file under a name with its folders: a label for people, that is never opened."""

    name: str | None
    size: int | None
    file: Upload

    def read(self, size: int, /) -> bytes:
        """As a file does."""
        return self.file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int | None:
        """As a file does."""
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """As a file does."""
        return self.file.tell()

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, piece by piece."""
        return self.file.chunks()


def placed(uploads: Sequence[Any], paths: Sequence[str]) -> Sequence[Upload]:
    """The uploads (what a form brings) under the paths that were sent with them; without any, as they are.

    Raises `InvalidPaths` when there is not one for each, `BadName` when one leads out of its folder, is too long or
    too deep.
    """
    if not paths:
        return uploads
    if len(paths) != len(uploads):
        raise InvalidPaths(f"{len(uploads):,} files came with {len(paths):,} paths.")
    return [
        Placed(name=_checked(path), size=upload.size, file=upload) for upload, path in zip(uploads, paths, strict=True)
    ]


def _checked(path: str) -> str:
    try:
        refuse_unsafe(path)
    except UnsafePath as error:
        raise BadName(f"The path leads out of its folder: {printable(path)[:200]}") from error
    problem: EntryName | None = name_problem(path.encode("utf-8", "replace"), path, get_limits())
    if problem is not None:
        raise BadName(str(problem))
    if not path.strip("/ "):
        raise BadName("A path is empty.")
    return path
