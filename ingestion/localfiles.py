"""Files on the local disk that documents pass through: the unfinished ones, syncing, and what a disk's errors mean."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files.storage import FileSystemStorage, Storage

from ingestion.errors import BlobMissing, DiskFull, StorageUnavailable

PARTS = "parts"  # where unfinished files lie: on the same file system, so that moving them is one step

RANGE_BYTES = 256 * 1024

log = logging.getLogger(__name__)


def local(storage: Storage, name: str) -> Path | None:
    """The path of a name on a storage with local files; None on one without, whatever its `path()` says."""
    return Path(storage.path(name)) if isinstance(storage, FileSystemStorage) else None


def parts_folder(storage: Storage) -> Path:
    """Where unfinished files of a storage lie on this machine."""
    return local(storage, PARTS) or remote_parts_folder()


def remote_parts_folder() -> Path:
    """The same for a storage without local files: where uploads on their way lie, so that one sweep finds both."""
    uploads = settings.FILE_UPLOAD_TEMP_DIR
    return Path(uploads) if uploads else Path(tempfile.gettempdir()) / f"documents-{PARTS}"


@contextmanager
def part(storage: Storage) -> Iterator[tuple[Path, IO[bytes]]]:
    """An empty file to write to, gone at the end unless it was moved to its place."""
    path = parts_folder(storage) / f"{uuid.uuid4().hex}.part"
    try:
        with storage_errors():
            make_folder(storage, path.parent)
            file = path.open("xb")
        with file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def remove_stale_parts(folder: Path, older_than_seconds: float, *, now: float | None = None) -> int:
    """Remove what killed processes left unfinished; returns how many. What is being written is never that old.

    Also uploads that Django was taking in, where FILE_UPLOAD_TEMP_DIR is the folder of parts.
    """
    before = (time.time() if now is None else now) - older_than_seconds
    removed = 0
    with storage_errors():
        unfinished = [*folder.glob("*.part"), *folder.glob("*.upload*")] if folder.is_dir() else []
        for path in unfinished:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    removed += 1
    return removed


def make_folder(storage: Storage, folder: Path) -> None:
    """Make a folder and those above it, so that they too survive a power cut."""
    if folder.is_dir():
        return
    make_folder(storage, folder.parent)
    mode = getattr(storage, "directory_permissions_mode", None)
    folder.mkdir(exist_ok=True)
    if mode is not None:
        folder.chmod(mode)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Have a folder's entries on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def storage_errors(key: str = "") -> Iterator[None]:
    """Give the storage's own errors their names; errors of whoever supplies the bytes pass by."""
    try:
        yield
    except FileNotFoundError as error:
        if key:
            raise missing(key) from error
        raise StorageUnavailable(f"The document storage does not answer as it should: {error}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull from error
        raise StorageUnavailable(f"The document storage does not answer as it should: {error}") from error


def entries(storage: Storage, folder: str) -> Iterator[tuple[str, int, datetime]]:
    """Name, size and time of what lies in a folder, in the order of the names."""
    if (ask := getattr(storage, "listed", None)) is not None:
        yield from ask(folder)
        return
    place = local(storage, folder)
    if place is None:
        try:
            _, names = storage.listdir(folder)
        except FileNotFoundError:
            return
        for name in sorted(names):
            yield name, storage.size(f"{folder}/{name}"), storage.get_modified_time(f"{folder}/{name}")
        return
    try:
        with os.scandir(place) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        try:
            facts = entry.stat()
        except FileNotFoundError:  # somebody removed it since it was listed
            continue
        yield entry.name, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC)


def read_range(file: IO[bytes], start: int, stop: int) -> Iterator[bytes]:
    """The bytes from `start` to before `stop`, piece by piece; the file is closed at the end."""
    with file:
        file.seek(start)
        while start < stop:
            with storage_errors():
                data = file.read(min(RANGE_BYTES, stop - start))
            if not data:
                raise StorageUnavailable("The stored file is shorter than it should be.")
            start += len(data)
            yield data


def missing(key: str) -> BlobMissing:
    """The blob's bytes are not there."""
    return BlobMissing(f"The stored bytes of this file are not there ({key[:11]}…).")
