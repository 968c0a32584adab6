"""Documents' bytes, kept under the hash of what they are in Django's storage "documents".

The same bytes are kept once, whoever sends them and under whatever name, and a name from outside is never a path.
A blob is there completely or not at all: it is written beside its place, synced to the disk, and then moved there.
Bytes only ever pass through; no file is held in memory. On a storage without local files (S3 and its kind) the
same functions work by way of a temporary file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.db import DatabaseError

from ingestion.errors import BlobMissing, DiskFull, DiskLow, StorageUnavailable, TooLarge
from ingestion.limits import get_limits

ALIAS = "documents"
PARTS = "parts"  # where unfinished files lie: on the same file system, so that moving them is one step
CHUNK_BYTES = 1024 * 1024
ROOM_EVERY_BYTES = 64 * 1024 * 1024
"""How often free disk is looked at while bytes are stored."""

DISK_FULL_SQLSTATE = "53100"

log = logging.getLogger(__name__)
_KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredBlob:
    """Bytes that are safe on disk. `created` is False when the same bytes were there before."""

    sha256: str
    size: int
    key: str
    created: bool


def put_stream(chunks: Iterable[bytes], *, max_bytes: int | None = None, expected: int = 0) -> StoredBlob:
    """Store what the iterator yields and return where. When this returns, a power cut can not undo it.

    Raises TooLarge beyond `max_bytes` (default: the largest size that the limits allow), DiskLow when the `expected`
    bytes, or what came instead, would leave less room than is kept free, DiskFull or StorageUnavailable when the
    storage fails, and whatever the iterator raises; nothing is left behind then.
    """
    ensure_room(expected)
    storage = _storage()
    if max_bytes is None:
        limits = get_limits()
        max_bytes = max(limits.max_upload_bytes, limits.max_file_bytes)
    with _part(storage) as (part, file):
        sha256, size = _copy(_while_there_is_room(chunks), file, max_bytes)
        key = key_for(sha256)
        with _storage_errors():
            file.flush()
            created = _publish(storage, part, file, key, size)
    return StoredBlob(sha256=sha256, size=size, key=key, created=created)


def publish_file(path: Path, sha256: str, size: int) -> StoredBlob:
    """Store a finished file under its hash by a second name (hard link); OSError where the disk makes none."""
    storage, key = _storage(), key_for(sha256)
    part = path
    if _local(storage, key) is not None:
        part = _parts_folder(storage) / f"{uuid.uuid4().hex}.part"
        with _storage_errors():
            _make_folder(storage, part.parent)
        os.link(path, part)
    try:
        with path.open("rb") as file, _storage_errors():
            created = _publish(storage, part, file, key, size)
    finally:
        if part != path:
            part.unlink(missing_ok=True)
    return StoredBlob(sha256=sha256, size=size, key=key, created=created)


def is_disk_full(error: DatabaseError) -> bool:
    """Whether it is the database's disk that has no room left."""
    return getattr(error.__cause__, "sqlstate", None) == DISK_FULL_SQLSTATE


def ensure_room(needed: int = 0) -> None:
    """Raise DiskLow unless the disk still has its reserve free once `needed` more bytes are stored."""
    folder, reserve = _parts_folder(_storage()), get_limits().disk_reserve_bytes
    with _storage_errors():
        while not folder.is_dir():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
    if free - needed < reserve:
        raise DiskLow(
            f"{free:,} bytes are free on the disk, {needed:,} more are to be stored, and {reserve:,} are kept free "
            "(DISK_RESERVE_BYTES)."
        )


def key_for(sha256: str) -> str:
    """Where the bytes with this hash are kept, if they are."""
    return f"{sha256[:2]}/{sha256}"


def open(key: str) -> IO[Any]:  # noqa: A001 - storage.open(key) reads as what it does
    """The blob's bytes as a file that can seek; BlobMissing when it is gone."""
    with _storage_errors(key):
        return _storage().open(_checked(key), "rb")


def exists(key: str) -> bool:
    """Is the blob there?"""
    with _storage_errors():
        return _storage().exists(_checked(key))


def delete(key: str) -> None:
    """Remove the blob; removing one that is gone is no error."""
    with _storage_errors():
        _storage().delete(_checked(key))


def kept_in(folder: str) -> list[str]:
    """The hashes of all blobs whose hash begins with these two digits. What else lies there is named in the log."""
    with _storage_errors():
        try:
            _, names = _storage().listdir(folder)
        except FileNotFoundError:
            return []
    strangers = [name for name in names if not _KEY.fullmatch(f"{folder}/{name}")]
    if strangers:
        log.warning("%d files in the document storage are none of its own, the first: %r", len(strangers), strangers[0])
    return [name for name in names if name not in set(strangers)]


def size_and_time(key: str) -> tuple[int, datetime]:
    """How large the blob is and when it was stored; BlobMissing when it is gone."""
    with _storage_errors(key):
        storage = _storage()
        return storage.size(_checked(key)), storage.get_modified_time(key)


@contextmanager
def local_path(key: str) -> Iterator[Path]:
    """A path to the blob's bytes for programs that want one: read it, never write it, inside the `with` only."""
    storage = _storage()
    place = _local(storage, _checked(key))
    if place is not None:
        if not place.is_file():
            raise _missing(key)
        yield place
        return
    with open(key) as source, _part(storage) as (part, file):
        _copy(iter(lambda: source.read(CHUNK_BYTES), b""), file, None)
        with _storage_errors():
            file.flush()
        yield part


def remove_stale_parts(older_than_seconds: float, *, now: float | None = None) -> int:
    """Remove what killed processes left unfinished; returns how many. What is being written is never that old.

    Also uploads that Django was taking in, where FILE_UPLOAD_TEMP_DIR is the folder of parts.
    """
    before = (time.time() if now is None else now) - older_than_seconds
    removed = 0
    with _storage_errors():
        folder = _parts_folder(_storage())
        unfinished = [*folder.glob("*.part"), *folder.glob("*.upload*")] if folder.is_dir() else []
        for part in unfinished:
            with contextlib.suppress(FileNotFoundError):
                if part.stat().st_mtime < before:
                    part.unlink()
                    removed += 1
    return removed


def _storage() -> Storage:
    return storages[ALIAS]


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not the key of a stored document")
    return key


def _missing(key: str) -> BlobMissing:
    return BlobMissing(f"The stored bytes of this file are not there ({key[:11]}…).")


def _local(storage: Storage, name: str) -> Path | None:
    """The path of a name on a storage with local files; None on one without, whatever its `path()` says."""
    return Path(storage.path(name)) if isinstance(storage, FileSystemStorage) else None


def _parts_folder(storage: Storage) -> Path:
    return _local(storage, PARTS) or Path(tempfile.gettempdir()) / f"{ALIAS}-{PARTS}"


@contextmanager
def _part(storage: Storage) -> Iterator[tuple[Path, IO[bytes]]]:
    """An empty file to write to, gone at the end unless it was moved to its place."""
    path = _parts_folder(storage) / f"{uuid.uuid4().hex}.part"
    try:
        with _storage_errors():
            _make_folder(storage, path.parent)
            file = path.open("xb")
        with file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def _copy(chunks: Iterable[bytes], file: IO[bytes], max_bytes: int | None) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if max_bytes is not None and size > max_bytes:
            raise TooLarge(f"The file is larger than the {max_bytes:,} bytes accepted.")
        digest.update(chunk)
        with _storage_errors():
            file.write(chunk)
    return digest.hexdigest(), size


def _while_there_is_room(chunks: Iterable[bytes]) -> Iterator[bytes]:
    since = 0
    for chunk in chunks:
        since += len(chunk)
        if since >= ROOM_EVERY_BYTES:
            ensure_room()
            since = 0
        yield chunk


def _publish(storage: Storage, part: Path, file: IO[bytes], key: str, size: int) -> bool:
    """Bring a written part to its place; False when the same bytes are there already."""
    place = _local(storage, key)
    if place is None:
        return _save(storage, part, key, size)
    if place.is_file():
        if place.stat().st_size == size:
            _sync_folder(place.parent)  # whoever moved it there may not have come to this yet
            return False
        log.warning("stored document %s had the wrong size and was replaced", key)
    mode = getattr(storage, "file_permissions_mode", None)
    if mode is not None:
        part.chmod(mode)
    os.fsync(file.fileno())
    _make_folder(storage, place.parent)
    part.replace(place)
    _sync_folder(place.parent)
    return True


def _save(storage: Storage, part: Path, key: str, size: int) -> bool:
    if storage.exists(key):
        if storage.size(key) == size:
            return False
        log.warning("stored document %s had the wrong size and was replaced", key)
        storage.delete(key)
    with part.open("rb") as content:
        name = storage.save(key, File(content))
    if name != key:  # somebody else saved the same bytes meanwhile, and the storage evaded the name
        storage.delete(name)
        return False
    return True


def _make_folder(storage: Storage, folder: Path) -> None:
    """Make a folder and those above it, so that they too survive a power cut."""
    if folder.is_dir():
        return
    _make_folder(storage, folder.parent)
    mode = getattr(storage, "directory_permissions_mode", None)
    folder.mkdir(exist_ok=True)
    if mode is not None:
        folder.chmod(mode)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _storage_errors(key: str = "") -> Iterator[None]:
    """Give the storage's own errors their names; errors of whoever supplies the bytes pass by."""
    try:
        yield
    except FileNotFoundError as error:
        if key:
            raise _missing(key) from error
        raise StorageUnavailable(f"The document storage does not answer as it should: {error}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull from error
        raise StorageUnavailable(f"The document storage does not answer as it should: {error}") from error
