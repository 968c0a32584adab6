"""What can be done with a resumable upload: begin, append, ask, end; and taking it in when its last byte is there.

It is taken in by `accept_upload`, as any upload, under a key of its own: whoever crashes between the last byte and the
answer, it becomes one intake. Whoever looks next (a PATCH, a HEAD, the duty) finishes what a crash left open.
"""

from __future__ import annotations

import hmac
import logging
import shutil
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from docqueue.exceptions import DocqueueError
from docqueue.validation import priority as checked_priority
from ingestion.errors import DiskLow, EmptyFile, IngestionError, TooLarge
from ingestion.finished_files import LocalFile
from ingestion.intakes import KeyReused, accept_upload, earlier_upload, priority_of, refuse_key
from ingestion.limits import get_limits
from ingestion.models import Intake
from ingestion.resumable import files
from ingestion.resumable.errors import (
    ChecksumMismatch,
    OffsetMismatch,
    PatchTooLarge,
    TooManyOpenUploads,
    UploadExpired,
    UploadGone,
)
from ingestion.resumable.hashing import Hasher, hash_of, hashing
from ingestion.resumable.models import UploadSession
from ingestion.resumable.protocol import Checksum, Creation
from ingestion.resumable.writing import Writing, writing
from ingestion.tags import clean_file_tags, clean_tags

log = logging.getLogger(__name__)


def begin(owner_id: int, wanted: Creation, *, client_key: str | None = None) -> UploadSession:
    """A new upload of this owner, or the one that the same `client_key` began. Nothing has been sent yet.

    Raises what an upload of that size and with these tags is refused with: TooLarge, EmptyFile, InvalidTags,
    InvalidPriority, DiskLow (counting what other open uploads have still to bring), TooManyOpenUploads, KeyReused.
    """
    limits = get_limits()
    if wanted.length == 0:
        raise EmptyFile
    if wanted.length > limits.max_upload_bytes:
        raise TooLarge(
            _("The file has %(size)s bytes; at most %(most)s are accepted (MAX_UPLOAD_BYTES).")
            % {"size": f"{wanted.length:,}", "most": f"{limits.max_upload_bytes:,}"}
        )
    session = UploadSession(
        owner_id=owner_id,
        length=wanted.length,
        name=wanted.name,
        metadata=wanted.metadata,
        tags=clean_tags([wanted.tags]),
        file_tags=clean_file_tags(wanted.file_tags),
        priority=checked_priority(priority_of(wanted.priority or 0)),
        client_key=client_key,
        expires_at=_expiry(),
    )
    if client_key is not None:
        refuse_key(client_key)
        earlier = _earlier(session)
        if earlier is not None:
            return earlier
        intake = earlier_upload(owner_id, client_key, session.name, session.length)
        session.intake_id = None if intake is None else intake.pk
    return _saved(session, limits.max_open_uploads)


def _saved(session: UploadSession, most: int) -> UploadSession:
    """The session with its row and its file; or, when another request was quicker with the same key, that one's."""
    if session.intake_id is None:
        # What the open uploads have still to bring was promised to them.
        _ensure_room(session.length + sum(open_one.length - size for open_one, size in unfinished()))
        files.create(session.pk)
    try:
        with transaction.atomic():
            # One after the other for each user, so that the count is right.
            get_user_model().objects.select_for_update(no_key=True).get(pk=session.owner_id)
            if session.intake_id is None and _open().filter(owner=session.owner_id).count() >= most:
                raise TooManyOpenUploads(
                    _("%(most)s uploads have begun and not ended (MAX_OPEN_UPLOADS).") % {"most": f"{most:,}"}
                )
            session.save(force_insert=True)
    except IntegrityError:
        files.remove(session.pk)
        earlier = None if session.client_key is None else _earlier(session)
        if earlier is None:
            raise
        return earlier
    except BaseException:
        files.remove(session.pk)
        raise
    return session


def _earlier(session: UploadSession) -> UploadSession | None:
    """The upload that the same key began and that can still go on."""
    earlier = UploadSession.objects.filter(owner=session.owner_id, client_key=session.client_key).first()
    if earlier is None:
        return None
    if earlier.expires_at <= timezone.now() or not _is_there(earlier):
        end(earlier)
        return None
    if (earlier.name, earlier.length) != (session.name, session.length):
        raise KeyReused
    return earlier


def _is_there(session: UploadSession) -> bool:
    """Whether its bytes are here, or the intake that they have become."""
    if session.intake_id is None:
        return files.size_of(session.pk) is not None
    return Intake.objects.filter(pk=session.intake_id).exists()


def of_owner(owner_id: int, upload: UUID) -> UploadSession | None:
    """This owner's upload. Raises UploadExpired when its time is over."""
    session = UploadSession.objects.filter(pk=upload, owner=owner_id).first()
    if session is not None and session.intake_id is None and session.expires_at <= timezone.now():
        raise UploadExpired
    return session


def offset(session: UploadSession) -> int:
    """How many bytes are here. With the last one the upload is taken in, if it is not yet (`finish`)."""
    if session.intake_id is not None:
        return session.length
    try:
        found = files.offset(session.pk)
        if found >= session.length:
            finish(session)
    except UploadGone:
        if not _finished_meanwhile(session):
            raise
        return session.length
    return found


def append(
    session: UploadSession, at: int, chunks: Iterable[bytes], *, announced: int | None, checksum: Checksum | None = None
) -> int:
    """Write a PATCH's bytes as they come and return the new offset; with the last byte the upload is taken in.

    Raises PatchTooLarge (before anything is read when so many bytes are `announced`), OffsetMismatch, UploadLocked,
    ChecksumMismatch (nothing of the PATCH stays), DiskLow, and whatever the chunks raise: what came before stays.
    """
    most, left = get_limits().max_patch_bytes, session.length - at
    if announced is not None:
        _refuse_size(announced, most)
    if session.intake_id is not None:
        if left or announced:
            raise OffsetMismatch(_("All bytes of this upload are here."))
        return session.length
    try:
        with writing(session.pk, at, provisional=checksum is not None) as held:
            _refuse_size(announced or 0, most, left)  # now that the offset is known to be right
            _renew(session)
            _ensure_room(announced or 0)
            with hashing(session.pk, at) as hasher:
                _write(held, chunks, most, left, checksum, hasher)
            if held.end >= session.length:
                _take_in(session, held)
            return held.end
    except UploadGone:
        if not _finished_meanwhile(session):
            raise
        raise OffsetMismatch(_("All bytes of this upload are here.")) from None


def _write(
    held: Writing, chunks: Iterable[bytes], most: int, left: int, checksum: Checksum | None, hasher: Hasher
) -> None:
    digest = None if checksum is None else checksum.digest()
    sent = 0
    try:
        for chunk in chunks:
            sent += len(chunk)
            try:
                _refuse_size(sent, most, left)
            except PatchTooLarge:
                held.drop()
                raise
            if digest is not None:
                digest.update(chunk)
            held.write(chunk)
            hasher.feed(chunk)
    finally:
        held.sync()
    if checksum is not None and digest is not None:
        if not hmac.compare_digest(digest.digest(), checksum.expected):
            held.drop()
            raise ChecksumMismatch
        held.keep()


def _refuse_size(sent: int, most: int, left: int | None = None) -> None:
    if sent > most:
        raise PatchTooLarge(
            _("The PATCH has %(sent)s bytes or more; at most %(most)s are accepted (MAX_PATCH_BYTES).")
            % {"sent": f"{sent:,}", "most": f"{most:,}"}
        )
    if left is not None and sent > left:
        raise PatchTooLarge(_("The PATCH brings more bytes than Upload-Length has said."), code="beyond_upload_length")


def finish(session: UploadSession) -> None:
    """Take in an upload whose bytes are all here; nothing when it was taken in already.

    Raises UploadLocked while another process is at it, and what `accept_upload` does. A refusal for good ends the
    upload; after one that may pass (too little room on the disk) it waits for the next call.
    """
    with writing(session.pk, session.length) as held:
        _take_in(session, held)


def _take_in(session: UploadSession, held: Writing) -> None:
    held.begin_finishing()
    try:
        with LocalFile(held.path, session.name, hash_of(session.pk, session.length)) as upload:
            accepted = accept_upload(
                session.owner_id,
                [upload],
                tags=session.tags,
                file_tags=session.file_tags,
                priority=session.priority,
                client_key=session.intake_key,
            )
    except (IngestionError, DocqueueError) as error:
        if not error.retryable:
            session.delete()
            held.remove()
        raise
    session.intake_id, session.expires_at = accepted.intake.pk, _expiry()
    UploadSession.objects.filter(pk=session.pk).update(intake_id=session.intake_id, expires_at=session.expires_at)
    held.remove()


def end(session: UploadSession) -> None:
    """Forget an upload, and its bytes unless they were taken in. Raises UploadLocked while it is being taken in."""
    if session.intake_id is None:
        files.remove(session.pk)
    session.delete()


def unfinished() -> list[tuple[UploadSession, int]]:
    """Every open upload, with the bytes that lie on the disk."""
    return [(session, files.size_of(session.pk) or 0) for session in _open()]


def _open() -> QuerySet[UploadSession]:
    return UploadSession.objects.filter(intake_id=None)


def _expiry() -> datetime:
    return timezone.now() + timedelta(hours=get_limits().resumable_hours)


def _renew(session: UploadSession) -> None:
    session.expires_at = _expiry()
    if not _open().filter(pk=session.pk).update(expires_at=session.expires_at):
        raise UploadGone


def _finished_meanwhile(session: UploadSession) -> bool:
    """Whether another request has taken the upload in since its row was read. The session knows its intake then."""
    now = UploadSession.objects.filter(pk=session.pk).first()
    if now is None or now.intake_id is None:
        return False
    session.intake_id, session.expires_at = now.intake_id, now.expires_at
    return True


def _ensure_room(needed: int) -> None:
    """Raise DiskLow unless the disk of unfinished uploads has its reserve free with so many more bytes on it."""
    place = files.folder()
    while not place.is_dir():
        place = place.parent
    free, reserve = shutil.disk_usage(place).free, get_limits().disk_reserve_bytes
    if free - needed < reserve:
        raise DiskLow(
            _(
                "%(free)s bytes are free on the disk, %(needed)s more are to come with what open uploads have still to "
                "bring, and %(reserve)s are kept free (DISK_RESERVE_BYTES)."
            )
            % {"free": f"{free:,}", "needed": f"{needed:,}", "reserve": f"{reserve:,}"}
        )
