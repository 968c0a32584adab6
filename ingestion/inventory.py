"""What lies in the storage of documents, as the storage itself lists it: for those who look after it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.files.storage import Storage, storages

from ingestion.localfiles import entries, storage_errors
from ingestion.storage import ALIAS, KEY

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A blob as the storage lists it."""

    sha256: str
    size: int
    at: datetime


def listed(folder: str) -> Iterator[Listed]:
    """All blobs whose hash begins with these two digits, in its order. What else lies there is named in the log."""
    storage = _backend()
    with storage_errors():
        yield from _own((f"{folder}/{name}", *facts) for name, *facts in entries(storage, folder))


def everything() -> Iterator[Listed]:
    """All blobs in the order of their hashes."""
    if (ask := getattr(_backend(), "walk", None)) is not None:
        yield from _own(ask())
        return
    for number in range(256):
        yield from listed(f"{number:02x}")


def _own(entries: Iterable[Any]) -> Iterator[Listed]:
    """Those of the names, with size and time, that are blobs. The first that is none is named in the log."""
    strangers = 0
    for name, size, at in entries:
        if KEY.fullmatch(name):
            yield Listed(sha256=name[3:], size=size, at=at)
        elif (strangers := strangers + 1) == 1:
            log.warning("files in the document storage are none of its own, the first: %r", name)


def unfinished(older_than_seconds: float) -> Iterator[tuple[str, str]]:
    """Name and id of each upload in parts that the storage still waits for; only S3 has such."""
    if (ask := getattr(_backend(), "unfinished", None)) is not None:
        yield from ((key, upload) for key, upload, _ in ask(older_than_seconds))


def abort(key: str, upload: str) -> None:
    """Have the storage give up such an upload."""
    _backend().abort(key, upload)  # type: ignore[attr-defined] # only who lists them has them


def _backend() -> Storage:
    return storages[ALIAS]
