"""Appending to an unfinished upload: one request has the right to, until it ends or another takes it over."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from django.utils.translation import gettext as _

from ingestion.limits import get_limits
from ingestion.resumable.errors import OffsetMismatch, UploadGone, UploadLocked, WriterReplaced
from ingestion.resumable.files import path_of
from ingestion.resumable.locking import (
    FINISHING,
    WRITER,
    check_still_there,
    cut_at,
    disk_errors,
    is_at,
    kept_by,
    mark_of,
    opened,
    recover,
    step,
    sync_folder,
    take,
    write_mark,
)

log = logging.getLogger(__name__)


class Writing:
    """The right to write to one upload, for as long as nobody has taken it over."""

    def __init__(self, path: Path, data: int, writer: int, start: int) -> None:
        self.path = path
        self.start = self.end = start
        self._data, self._writer = data, writer

    def write(self, chunk: bytes) -> None:
        """Append. Raises WriterReplaced or UploadGone when the right was lost, DiskFull; then nothing is written."""
        with step(self._data):
            self._check()
            view = memoryview(chunk)
            with disk_errors():
                while view:
                    done = os.write(self._data, view)
                    self.end += done
                    view = view[done:]

    def sync(self) -> None:
        """Have what was written survive a power cut."""
        with disk_errors():
            os.fsync(self._data)

    def keep(self) -> None:
        """Let the bytes of this PATCH count from now on, whatever happens."""
        self.sync()
        self._set_mark(b"")

    def drop(self) -> None:
        """Cut off what this PATCH has written."""
        with step(self._data):
            self._check()
            os.ftruncate(self._data, self.start)
            self.end = self.start
        self.keep()

    def begin_finishing(self) -> None:
        """From now on nobody else may write or take over for as long as this process lives."""
        self._set_mark(FINISHING)

    def remove(self) -> None:
        """Delete the files. It is over then."""
        with step(self._data):
            self._check()
            self.path.unlink()
            self.path.with_suffix(WRITER).unlink()

    def close(self) -> None:
        """Let go. What counts then is what the mark says."""
        with step(self._data), contextlib.suppress(UploadGone, WriterReplaced):
            self._check()
            recover(self._data, self._writer)

    def _set_mark(self, mark: bytes) -> None:
        with step(self._data):
            self._check()
            write_mark(self._writer, mark)

    def _check(self) -> None:
        check_still_there(self.path, self._data)
        if not is_at(self.path.with_suffix(WRITER), self._writer):
            raise WriterReplaced


@contextmanager
def writing(upload: UUID, at: int, *, provisional: bool = False) -> Iterator[Writing]:
    """The right to append from offset `at` on. `provisional`: what is written counts only after `keep()`.

    Raises UploadLocked when somebody else is writing, OffsetMismatch, and UploadGone.
    """
    path = path_of(upload)
    with opened(path) as data:
        writer = None
        try:
            with step(data):
                check_still_there(path, data)
                writer = _claim(path, data)
                size = os.fstat(data).st_size
                if size != at:
                    raise OffsetMismatch(
                        _("%(here)s bytes are here; the request begins at %(at)s.")
                        % {"here": f"{size:,}", "at": f"{at:,}"}
                    )
                write_mark(writer, cut_at(size) if provisional else b"")
                if provisional:
                    sync_folder(path.parent)  # a mark that a power cut takes away would let the bytes count
            held = Writing(path, data, writer, at)
            try:
                yield held
            finally:
                held.close()
        finally:
            if writer is not None:
                os.close(writer)


def _claim(path: Path, data: int) -> int:
    """Lock the writer's file, as its owner has ended or fallen silent. Under the lock on the bytes."""
    name = path.with_suffix(WRITER)
    writer = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if take(writer):
            recover(data, writer)
            os.utime(name)
            return writer
        mark = mark_of(writer)
        silent = time.time() - max(os.fstat(data).st_mtime, os.fstat(writer).st_mtime)
        if mark == FINISHING or silent < get_limits().resumable_takeover_seconds:
            raise UploadLocked
        kept = kept_by(mark)
        if kept is not None:
            os.ftruncate(data, kept)
            os.fsync(data)
        log.info("a request that had been silent for %.0f s was given up; another one writes to its upload", silent)
    except BaseException:
        os.close(writer)
        raise
    os.close(writer)
    name.unlink()
    new = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(new, fcntl.LOCK_EX)  # nobody else comes here: the bytes are locked
    return new
