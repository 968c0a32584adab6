"""Letting go of archives that are not needed any more: all that was in them is stored on its own by then.

An archive is kept until each of its entries has ended, then for `keep_archives_days`, and for as long as an entry has
failed while it was unzipped for a reason that can pass (the storage was away …): only the archive has its bytes.
Whoever has an archive read again locks the intake first, and so does this: one of them comes first, and the other
finds an intake that is at work, or no archive.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ingestion.blobs import remove_if_unreferenced
from ingestion.errors import StorageUnavailable, error_classes
from ingestion.limits import get_limits
from ingestion.models import IngestFile, Intake, IntakeKind, Outcome, Stage

FOR_EVER = -1
SLICE = 200
ROUND_SECONDS = 1.0
"""How long one round of the duty goes on."""
WAITING = Q(kind=IntakeKind.ZIP, blob__isnull=False, finished_at__isnull=False, deleted_at=None)
"""Uploads whose archive is kept though they have ended: as the index `ingestion_intake_archive` has them."""

log = logging.getLogger(__name__)


class _Reached(threading.local):
    """Up to where this process has looked: those whose archive is still needed are not looked at in every round."""

    at: tuple[datetime, int] | None = None


_reached = _Reached()


def let_go(*, now: datetime | None = None) -> int:
    """Let go of the archives whose time has come, for a moment. Returns how many; the next round goes on from there."""
    days = get_limits().keep_archives_days
    if days == FOR_EVER:
        return 0
    before = (now or timezone.now()) - timedelta(days=days)
    deadline, gone = time.monotonic() + ROUND_SECONDS, 0
    while time.monotonic() < deadline:
        found = _next(before)
        gone += sum(_let_go(pk, before) for _, pk in found)
        _reached.at = found[-1] if len(found) == SLICE else None
        if _reached.at is None:
            break
    return gone


def _next(before: datetime) -> list[tuple[datetime, int]]:
    """The next uploads by the time of their end."""
    rows = Intake.objects.filter(WAITING, finished_at__lte=before).order_by("finished_at", "pk")
    if _reached.at is not None:
        at, pk = _reached.at
        rows = rows.filter(finished_at__gte=at).exclude(finished_at=at, pk__lte=pk)
    return [(at, pk) for at, pk in rows.values_list("finished_at", "pk")[:SLICE] if at is not None]


def _let_go(intake_id: int, before: datetime) -> bool:
    with transaction.atomic():
        rows = Intake.objects.select_for_update(no_key=True, skip_locked=True)
        intake = rows.filter(WAITING, pk=intake_id, finished_at__lte=before).first()
        if intake is None or still_needed(intake):
            return False
        unused = drop_archives(intake)
    log.info("the archive of intake %s was let go", intake_id)
    for blob_id in unused:
        try:
            remove_if_unreferenced(blob_id)
        except StorageUnavailable:
            log.warning("the bytes of blob %s could not be removed now; the sweep will", blob_id, exc_info=True)
    return True


def drop_archives(intake: Intake) -> set[int]:
    """Let a locked intake, and the archives among its files that were unpacked, have no bytes. Returns their blobs."""
    inner = IngestFile.objects.filter(intake=intake.pk, outcome=Outcome.UNPACKED, document=None, blob__isnull=False)
    unused = {intake.blob_id, *inner.values_list("blob_id", flat=True)}
    inner.update(blob=None)
    Intake.objects.filter(pk=intake.pk).update(blob=None)
    return {blob_id for blob_id in unused if blob_id is not None}


def still_needed(intake: Intake) -> bool:
    """Whether something of an upload has not ended, or has failed so that only its archive can help, another time."""
    if intake.error_code and intake.error_code not in _final():
        return True
    if not intake.counts.get("failed") and intake.counts:
        return False
    files = IngestFile.objects.filter(intake=intake.pk)
    unread = Q(outcome=Outcome.FAILED, stage=Stage.UNZIP_FAILED, document=None) & ~Q(error_code__in=_final())
    return files.filter(Q(outcome="") | unread).exists()


def _final() -> frozenset[str]:
    """The codes of what another try does not help."""
    return frozenset(error.code for error in error_classes() if not error.retryable)
