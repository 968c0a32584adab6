"""Comparing the storage with the rows: which bytes are missing, which nobody knows, which are not what they should be.

Both sides are read in the order of their hashes, so nothing is held in memory but a slice of rows and a page of the
listing (or, on a disk, the names in one of its 256 folders). Meanwhile uploads go on: what differs is looked at a
second time before it is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils import timezone

from ingestion import inventory, storage
from ingestion.blobs import GRACE_SECONDS, REFERRING
from ingestion.errors import BlobMissing
from ingestion.models import Blob, Document, IngestFile, Intake

SLICE = 1000
"""Rows that are read at once."""
NAMED = 20
"""Documents and uploads that a finding names; it counts all."""


class Kind(StrEnum):
    """What can be wrong with a blob."""

    MISSING = "missing"
    ORPHAN = "orphan"
    WRONG_SIZE = "wrong_size"
    CORRUPT = "corrupt"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """Who needs a blob: the first ids of each, and how many documents and uploads in all."""

    documents: tuple[int, ...] = ()
    intakes: tuple[int, ...] = ()
    document_count: int = 0
    intake_count: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that is wrong. `key`: where the bytes are, or should be. `found`: how large what is there is."""

    kind: Kind
    key: str
    size: int
    found: int | None = None
    blob_id: int | None = None
    needs: Needs = Needs()
    upload: str = ""


@dataclass(kw_only=True)
class Seen:
    """What was looked at so far. Hashes come in their order, so their first digits say how far that is."""

    rows: int = 0
    stored: int = 0
    bytes: int = 0
    percent: int = 0


Row = tuple[int, str, int]
SEVERAL = 3


def check(
    seen: Seen,
    *,
    verify: bool = False,
    grace_seconds: float = GRACE_SECONDS,
    now: datetime | None = None,
    report: Callable[[Seen], None] | None = None,
) -> Iterator[Finding]:
    """Everything that is wrong, in the order of the hashes. `verify`: read all bytes and compare their hashes.

    Bytes that no row knows are told of when they are older than `grace_seconds`: an upload may be under way. `report`
    is told of each percent. Raises what the storage raises when it does not answer; nothing is changed here.
    """
    before = (now or timezone.now()) - timedelta(seconds=grace_seconds)
    for row, kept in _side_by_side(_rows(), inventory.everything()):
        seen.rows += row is not None
        seen.stored += kept is not None
        seen.bytes += kept.size if kept else 0
        finding = _looked_at(row, kept, before, verify)
        if finding is not None:
            yield finding
        percent = int((row[1] if row else kept.sha256 if kept else "00")[:2], 16) * 100 // 256
        if report is not None and percent > seen.percent:
            seen.percent = percent
            report(seen)
    for key, upload in inventory.unfinished(grace_seconds):
        yield Finding(kind=Kind.UNFINISHED, key=key, size=0, upload=upload)
    seen.percent = 100


def _looked_at(row: Row | None, kept: inventory.Listed | None, before: datetime, verify: bool) -> Finding | None:
    if row is None:
        assert kept is not None, "one of the two is there"
        if kept.at >= before or Blob.objects.filter(sha256=kept.sha256).exists():
            return None
        key = storage.key_for(kept.sha256)
        return Finding(kind=Kind.ORPHAN, key=key, size=kept.size, found=kept.size)
    pk, sha256, size = row
    key = storage.key_for(sha256)
    if kept is None:
        if not storage.missing([key]) or not Blob.objects.filter(pk=pk).exists():
            return None  # it has come, or the row has gone, since the lists were read
        return Finding(kind=Kind.MISSING, key=key, size=size, blob_id=pk, needs=_needs(pk))
    if kept.size != size:
        return Finding(kind=Kind.WRONG_SIZE, key=key, size=size, found=kept.size, blob_id=pk, needs=_needs(pk))
    if verify and not _is_intact(key, sha256, size):
        return Finding(kind=Kind.CORRUPT, key=key, size=size, found=size, blob_id=pk, needs=_needs(pk))
    return None


def _is_intact(key: str, sha256: str, size: int) -> bool:
    digest = hashlib.sha256()
    try:
        for piece in storage.ranged(key, 0, size):
            digest.update(piece)
    except BlobMissing:
        return True  # removed since it was listed; the next look will tell
    return digest.hexdigest() == sha256


def _rows() -> Iterator[Row]:
    """All rows in the order of their hashes."""
    last = ""
    while True:
        rows = Blob.objects.filter(sha256__gt=last).order_by("sha256")
        found = list(rows.values_list("pk", "sha256", "size")[:SLICE])
        yield from found
        if len(found) < SLICE:
            return
        last = found[-1][1]


def _side_by_side(
    rows: Iterator[Row], kept: Iterator[inventory.Listed]
) -> Iterator[tuple[Row | None, inventory.Listed | None]]:
    """Each hash that one of the two has, with what both have of it."""
    row, listed = next(rows, None), next(kept, None)
    while row is not None or listed is not None:
        if listed is None or (row is not None and row[1] < listed.sha256):
            yield row, None
            row = next(rows, None)
        elif row is None or listed.sha256 < row[1]:
            yield None, listed
            listed = next(kept, None)
        else:
            yield row, listed
            row, listed = next(rows, None), next(kept, None)


def _needs(blob_id: int) -> Needs:
    documents = Document.objects.filter(blob=blob_id).order_by("pk")
    intakes = set(Intake.objects.filter(blob=blob_id).values_list("pk", flat=True))
    intakes |= set(IngestFile.objects.filter(blob=blob_id).values_list("intake_id", flat=True)[: SLICE * 10])
    return Needs(
        documents=tuple(documents.values_list("pk", flat=True)[:NAMED]),
        intakes=tuple(sorted(intakes)[:NAMED]),
        document_count=documents.count(),
        intake_count=len(intakes),
    )


def is_empty() -> bool:
    """Whether nothing at all is stored of what several rows tell of: then it is out of sight rather than lost."""
    return len(Blob.objects.values_list("pk")[:SEVERAL]) == SEVERAL and next(iter(inventory.everything()), None) is None


def is_needed(blob_id: int) -> bool:
    """Whether anything refers to the blob."""
    return any(model.objects.filter(blob=blob_id).exists() for model in REFERRING)
