"""Documents' bytes, kept under the hash of what they are in Django's storage "documents".

The same bytes are kept once, whoever sends them and under whatever name, and a name from outside is never a path.
A blob is there completely or not at all: it is written beside its place, synced to the disk, and then moved there.
Bytes only ever pass through; no file is held in memory. On a storage without local files (S3 and its kind) the
same functions work by way of a temporary file.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.core.files import File
from django.core.files.storage import Storage, storages
from django.db import DatabaseError

from ingestion import localfiles
from ingestion.errors import BlobCorrupt, DiskLow, TooLarge
from ingestion.limits import get_limits
from ingestion.localfiles import local as _local
from ingestion.localfiles import make_folder as _make_folder
from ingestion.localfiles import missing as _missing
from ingestion.localfiles import part as _part
from ingestion.localfiles import parts_folder as _parts_folder
from ingestion.localfiles import storage_errors as _storage_errors
from ingestion.localfiles import sync_folder as _sync_folder

ALIAS = "documents"
CHUNK_BYTES = 1024 * 1024
ROOM_EVERY_BYTES = 64 * 1024 * 1024
"""How often free disk is looked at while bytes are stored."""

DISK_FULL_SQLSTATE = "53100"

log = logging.getLogger(__name__)
KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}")


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


def open(key: str, *, size: int = 0) -> IO[Any]:  # noqa: A001 - storage.open(key) reads as what it does
    """The blob's bytes as a file that can seek; BlobMissing when it is gone.

    From a storage elsewhere its `size` bytes come to this disk as they are read: DiskLow where they have no room.
    """
    _ensure_room_for_copy(size)
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


def missing(keys: Iterable[str]) -> set[str]:
    """Those of the blobs that are not there."""
    wanted, storage = [_checked(key) for key in keys], _storage()
    with _storage_errors():
        if (ask := getattr(storage, "missing", None)) is not None:
            return set(ask(wanted))
        return {key for key in wanted if not storage.exists(key)}


def ranged(key: str, start: int, stop: int) -> Iterator[bytes]:
    """The blob's bytes from `start` to before `stop`, piece by piece; close the iterator to stop early.

    What is missing is found out now (BlobMissing), not when the first piece is asked for.
    """
    storage = _storage()
    with _storage_errors(key):
        if (ask := getattr(storage, "ranged", None)) is not None:
            pieces: Iterator[bytes] = ask(_checked(key), start, stop)
            return pieces
        return localfiles.read_range(storage.open(_checked(key), "rb"), start, stop)


def address(key: str, *, disposition: str, content_type: str) -> str | None:
    """Where the blob can be fetched for a moment by whoever has the address; None: this storage has no such.

    It is answered with these as Content-Disposition and Content-Type.
    """
    ask = getattr(_storage(), "address", None)
    return None if ask is None else str(ask(_checked(key), disposition, content_type))


@contextmanager
def local_path(key: str, *, size: int = 0) -> Iterator[Path]:
    """A path to the blob's bytes for programs that want one: read it, never write it, inside the `with` only.

    From a storage elsewhere they are brought here and their hash is compared: BlobCorrupt where it is another. DiskLow
    where `size` bytes have no room.
    """
    _ensure_room_for_copy(size)
    storage = _storage()
    place = _local(storage, _checked(key))
    if place is not None:
        if not place.is_file():
            raise _missing(key)
        yield place
        return
    with _part(storage) as (part, file):
        if (download := getattr(storage, "download", None)) is not None:
            sha256 = download(key, part)
        else:
            with open(key) as source:
                sha256, _ = _copy(iter(lambda: source.read(CHUNK_BYTES), b""), file, None)
            with _storage_errors():
                file.flush()
        if key != key_for(sha256):
            raise BlobCorrupt(f"The stored bytes of this file are damaged ({key[:11]}…).")
        yield part


def remove_stale_parts(older_than_seconds: float, *, now: float | None = None) -> int:
    """Remove what killed processes left unfinished on this machine; returns how many."""
    return localfiles.remove_stale_parts(_parts_folder(_storage()), older_than_seconds, now=now)


def _storage() -> Storage:
    return storages[ALIAS]


def _ensure_room_for_copy(size: int) -> None:
    if size >= ROOM_EVERY_BYTES and _local(_storage(), "") is None:
        ensure_room(size)


def _checked(key: str) -> str:
    if not KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not the key of a stored document")
    return key


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
    if (publish := getattr(storage, "publish", None)) is not None:
        return bool(publish(key, part, size))
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
