"""What crashes and absent clients leave: uploads to take in, expired ones, files without a row, rows without a file."""

from __future__ import annotations

import contextlib
import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from ingestion.resumable import files, sessions
from ingestion.resumable.errors import UploadGone, UploadLocked
from ingestion.resumable.locking import BYTES, WRITER
from ingestion.resumable.models import UploadSession

GRACE_SECONDS = 3600.0
"""How long a file may be without its row, and a row without its file: while an upload begins, it is for a moment."""

log = logging.getLogger(__name__)


def sweep(*, now: datetime | None = None, grace_seconds: float = GRACE_SECONDS) -> int:
    """Finish and remove what nobody does any more. Returns how many uploads that were. Safe beside itself."""
    now = now or timezone.now()
    before = now - timedelta(seconds=grace_seconds)
    return _finish_complete(now) + _end_expired(now) + _remove_strays(before) + _forget_lost(before)


def _finish_complete(now: datetime) -> int:
    """Take in uploads whose last byte came just before a crash."""
    done = 0
    for session, size in sessions.unfinished():
        if size < session.length or session.expires_at <= now:
            continue
        try:
            sessions.finish(session)
        except (UploadLocked, UploadGone):
            continue  # somebody is at it, or has done it
        except Exception:
            log.exception("the resumable upload %s is complete and can not be taken in", session)
            continue
        done += 1
    return done


def _end_expired(now: datetime) -> int:
    done = 0
    for pk in list(UploadSession.objects.filter(expires_at__lte=now).values_list("pk", flat=True)):
        with transaction.atomic():  # a piece that comes now gives it time again: before this lock, or not at all
            session = UploadSession.objects.select_for_update().filter(pk=pk, expires_at__lte=now).first()
            if session is None:
                continue
            try:
                files.remove(session.pk, idle=True)
            except UploadLocked:
                continue
            session.delete()
        done += 1
    return done


def _remove_strays(before: datetime) -> int:
    """Files that no open upload has: of a creation or an end that was killed half-way."""
    place = files.folder()
    paths = [*place.glob(f"*{BYTES}"), *place.glob(f"*{WRITER}")] if place.is_dir() else []
    old: dict[UUID, None] = {}
    for path in paths:
        try:
            if path.stat().st_mtime < before.timestamp():
                old[UUID(hex=path.stem)] = None
        except FileNotFoundError:
            continue
        except ValueError:
            log.warning("%r in the folder of resumable uploads is none of its files", path.name)
    known = set(UploadSession.objects.filter(pk__in=old, intake_id=None).values_list("pk", flat=True))
    done = 0
    for upload in old:
        if upload not in known:
            with contextlib.suppress(UploadLocked):
                files.remove(upload, idle=True)
                done += 1
    return done


def _forget_lost(before: datetime) -> int:
    """Rows of open uploads whose files were lost. Where the folder itself is not to be seen, nothing is judged."""
    if not files.folder().is_dir():
        return 0
    lost = [
        session.pk
        for session in UploadSession.objects.filter(intake_id=None, created_at__lt=before)
        if files.size_of(session.pk) is None
    ]
    return UploadSession.objects.filter(pk__in=lost, intake_id=None).delete()[0]
