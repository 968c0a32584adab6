"""Who may write to an unfinished upload, also when processes die and clients vanish.

Each upload has two files. `<id>.bytes` grows; a lock on it (flock) is held for single steps. `<id>.writer` is locked by
the one request that may write for as long as it runs, so the system lets go of it when that process dies, however it
does. A request whose client has vanished holds it, too: after a while of silence a newcomer puts a new `<id>.writer`
in its place, and the old request finds at its next step that the file which it has locked is no longer the one with
that name. No clock decides who writes, only who may ask to.

In `<id>.writer` stands what must become of the bytes if its holder dies: nothing (they count), a number (the PATCH has
a checksum: cut them off there) or FINISHING (all bytes are here and being taken in: let it).
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion.errors import DiskFull, StorageUnavailable
from ingestion.resumable.errors import UploadGone

FINISHING = b"finishing"
BYTES, WRITER = ".bytes", ".writer"


def recover(data: int, writer: int) -> None:
    """Do with the bytes what the mark of a writer that has ended says."""
    kept = kept_by(mark_of(writer))
    if kept is not None and os.fstat(data).st_size > kept:
        os.ftruncate(data, kept)
        os.fsync(data)
    write_mark(writer, b"")


def mark_of(writer: int) -> bytes:
    """What stands in a writer's file."""
    return os.pread(writer, 64, 0)


def cut_at(size: int) -> bytes:
    """The mark of a PATCH whose bytes count only when all are here."""
    return b"%d\n" % size  # the end of the line tells a mark from half of one


def kept_by(mark: bytes) -> int | None:
    """How many bytes count while a mark stands; None: all."""
    return int(mark) if mark.endswith(b"\n") and mark[:-1].isdigit() else None


def write_mark(writer: int, mark: bytes) -> None:
    """Have it stand there also after a power cut."""
    if mark == mark_of(writer):
        return
    with disk_errors():
        os.ftruncate(writer, 0)
        os.pwrite(writer, mark, 0)
        os.fsync(writer)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """The file of bytes, open to append. Raises UploadGone."""
    try:
        data = os.open(path, os.O_RDWR | os.O_APPEND)
    except FileNotFoundError as error:
        raise UploadGone from error
    try:
        yield data
    finally:
        os.close(data)


@contextmanager
def writer_file(path: Path) -> Iterator[int]:
    """The writer's file beside it, made where there is none."""
    writer = os.open(path.with_suffix(WRITER), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield writer
    finally:
        os.close(writer)


@contextmanager
def step(data: int) -> Iterator[None]:
    """Alone with the upload, for a moment."""
    fcntl.flock(data, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(data, fcntl.LOCK_UN)


def take(writer: int) -> bool:
    """Lock a writer's file for as long as it is open; False when another process, or thread, has."""
    try:
        fcntl.flock(writer, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(path: Path, descriptor: int) -> bool:
    """Whether the open file is still the one with that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def check_still_there(path: Path, data: int) -> None:
    """Raise UploadGone when the open file is no longer the upload's."""
    if not is_at(path, data):
        raise UploadGone


def sync_folder(place: Path) -> None:
    """Have new names in a folder survive a power cut."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Give errors of the disk their names."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull from error
        raise StorageUnavailable(f"The folder of resumable uploads does not answer as it should: {error}") from error
