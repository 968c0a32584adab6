"""The bytes of unfinished uploads, one file each. How many lie in it is how far the upload is; no row is asked."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages

from ingestion.limits import get_limits
from ingestion.resumable.errors import UploadGone, UploadLocked
from ingestion.resumable.locking import (
    BYTES,
    FINISHING,
    WRITER,
    check_still_there,
    disk_errors,
    kept_by,
    mark_of,
    opened,
    recover,
    step,
    sync_folder,
    take,
    writer_file,
)
from ingestion.storage import ALIAS


def folder() -> Path:
    """Where unfinished uploads lie: RESUMABLE_FOLDER, else beside the documents, so that a finished one need not move.

    Web processes and workers must see the same one.
    """
    given = get_limits().resumable_folder
    if given:
        return Path(given)
    storage = storages[ALIAS]
    if isinstance(storage, FileSystemStorage):
        return Path(storage.path("resumable"))
    if settings.FILE_UPLOAD_TEMP_DIR:
        return Path(settings.FILE_UPLOAD_TEMP_DIR).parent / "resumable"
    return Path(tempfile.gettempdir()) / "docqueue-resumable"


def path_of(upload: UUID) -> Path:
    """Where the bytes of an upload lie, if they do."""
    return folder() / f"{upload.hex}{BYTES}"


def create(upload: UUID) -> None:
    """Make the file of an upload, empty and there also after a power cut."""
    path = path_of(upload)
    with disk_errors():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        sync_folder(path.parent)


def size_of(upload: UUID) -> int | None:
    """How many bytes lie in the file, those of a running PATCH included; None where there is no file."""
    with contextlib.suppress(FileNotFoundError):
        return path_of(upload).stat().st_size
    return None


def offset(upload: UUID) -> int:
    """How many bytes of the upload are here to stay. Raises UploadGone."""
    path = path_of(upload)
    with opened(path) as data, step(data):
        check_still_there(path, data)
        with writer_file(path) as writer:
            if take(writer):
                recover(data, writer)
            kept = kept_by(mark_of(writer))
            size = os.fstat(data).st_size
    return size if kept is None else min(kept, size)


def remove(upload: UUID, *, idle: bool = False) -> None:
    """Delete the files; a request that is writing notices. Nothing where there are none.

    Raises UploadLocked when the upload is just being taken in, or, with `idle`, when anybody is writing to it.
    """
    path = path_of(upload)
    try:
        with opened(path) as data, step(data):
            check_still_there(path, data)
            with writer_file(path) as writer:
                if not take(writer) and (idle or mark_of(writer) == FINISHING):
                    raise UploadLocked
                path.unlink()
                path.with_suffix(WRITER).unlink(missing_ok=True)
    except UploadGone:
        path.with_suffix(WRITER).unlink(missing_ok=True)
