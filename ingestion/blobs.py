"""Stored bytes that nothing refers to any more, removed without taking them away from an upload of the same bytes.

Whoever refers to bytes locks their row first (`save_blobs`) and then, still under the lock, looks whether they are
there. Whoever removes them locks the row, looks for references, deletes the row, then the bytes, and commits last. So
an upload that has found the bytes in storage either has the lock, and they stay, or it waits, finds them gone and
stores them again. A crash between the bytes and the commit leaves a row without bytes, which the next sweep deletes.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, ProtectedError
from django.utils import timezone

from ingestion import inventory, storage
from ingestion.models import Blob, Document, IngestFile, Intake

GRACE_SECONDS = 3600.0
"""How long bytes that nothing refers to are left: an upload of many files has its rows only when all are stored."""
SLICE = 500
REFERRING = (Document, IngestFile, Intake)
SHELVES = 256
"""Bytes lie in as many folders, named by the first two digits of their hash. A round of the sweep looks at one."""

log = logging.getLogger(__name__)


def remove_if_unreferenced(blob_id: int) -> bool:
    """Delete a blob's row and its bytes, unless something refers to it or is just about to. True when it is gone."""
    with transaction.atomic():
        blob = Blob.objects.select_for_update(skip_locked=True).filter(pk=blob_id).first()
        if blob is None:
            return False
        try:
            blob.delete()  # looks for references by statements of its own: it sees all that came before the lock
        except ProtectedError:
            return False
        storage.delete(blob.storage_key)
    return True


def sweep(*, now: datetime | None = None, grace_seconds: float = GRACE_SECONDS, shelf: int | None = None) -> int:
    """Remove what nothing refers to and is older than `grace_seconds`, on one shelf, `SLICE` at most. Returns how many.

    `shelf` (0 to 255) is chosen by the minute where it is not given: each has its turn within some four hours.
    """
    now = now or timezone.now()
    number = int(now.timestamp() // 60) % SHELVES if shelf is None else shelf
    before = now - timedelta(seconds=grace_seconds)
    first, end = f"{number:02x}", f"{number + 1:02x}" if number + 1 < SHELVES else "g"
    _adopt(first, before)
    on_shelf = Blob.objects.filter(sha256__gte=first, sha256__lt=end, created_at__lt=before)
    unused = on_shelf.filter(*(~Exists(model.objects.filter(blob=OuterRef("pk"))) for model in REFERRING))
    return sum(remove_if_unreferenced(pk) for pk in unused.values_list("pk", flat=True)[:SLICE])


def _adopt(folder: str, before: datetime) -> None:
    """Make rows for old files that no row knows, so that they go as all others do: under a row's lock."""
    kept = list(inventory.listed(folder))
    known = set(Blob.objects.filter(sha256__in=[each.sha256 for each in kept]).values_list("sha256", flat=True))
    for each in [each for each in kept if each.sha256 not in known and each.at < before][:SLICE]:
        log.warning("stored document %s is known to no row and will be removed", each.sha256)
        adopt(each)


def adopt(found: inventory.Listed) -> None:
    """Make a row for bytes that no row knows; it is as old as they are."""
    key = storage.key_for(found.sha256)
    row = Blob(sha256=found.sha256, size=found.size, storage_key=key, created_at=found.at)
    Blob.objects.bulk_create([row], ignore_conflicts=True)
