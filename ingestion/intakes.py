"""Taking an upload in: everything that can be refused is refused first, then bytes, then rows and items in one go.

The answer is given when the bytes are safely stored and the transaction has committed; before that nothing of a
refused upload remains.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from django.db import IntegrityError, transaction
from django.utils import timezone

from docqueue import correlation
from docqueue.service import DocumentQueueService, NewItem, Rules
from docqueue.validation import priority as checked_priority
from ingestion import mismatch, storage, unsupported
from ingestion.archives import is_encrypted_7z, plan_archive, printable, safe_name
from ingestion.errors import (
    BlobMissing,
    EmptyFile,
    EncryptedArchive,
    TooLarge,
    TooManyFiles,
    UnsupportedArchive,
    ValidationFailed,
)
from ingestion.finished_files import LocalFile, put_file
from ingestion.limits import REJECT_ARCHIVE, Limits, get_limits
from ingestion.models import Blob, Document, IngestFile, Intake, IntakeKind
from ingestion.sending import sends_for
from ingestion.sniff import is_text, sniff
from ingestion.storage import StoredBlob
from ingestion.tags import FILE_TAGS, clean_file_tags, clean_tags, tags_for

if TYPE_CHECKING:
    from collections.abc import Iterator

UNPACK, INGEST = "intake.unpack", "document.ingest"
LARGE_BYTES, SLOW_BYTES_A_SECOND, LEAST_SECONDS = 64 * 1024 * 1024, 2 * 1024 * 1024, 300
"""A larger file has time to come from a bucket, and to go to a knowledge store, over a slow line besides."""
ARCHIVES = frozenset({"7z", "rar", "tar", "gzip", "bzip2", "xz", "zstd"})
"""Types that hold other files and that only a zip can do for."""


class Upload(Protocol):
    """A file as a request brings it (Django's UploadedFile): read in chunks, able to seek, of a known size."""

    name: str | None
    size: int | None

    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int | None: ...
    def tell(self) -> int: ...
    def chunks(self) -> Iterator[bytes]: ...


class KeyReused(ValidationFailed):
    """This Idempotency-Key was used before, for other files."""

    code = "idempotency_key_reused"
    status = 409
    hint = "Send a new key with each new upload; repeat a key only to repeat the same upload."


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """An upload that was taken in. `created` is False when the idempotency key named an earlier one.

    `files` has the rows of plain files just made; those of a zip are made when it is unpacked.
    """

    intake: Intake
    created: bool = True
    files: Sequence[IngestFile] = ()


def accept_upload(
    owner_id: int,
    uploads: Sequence[Upload],
    *,
    tags: Sequence[str] = (),
    file_tags: str | Mapping[str, Any] = "",
    priority: int | str = 0,
    client_key: str | None = None,
) -> Accepted:
    """Take in one upload: one zip, or any number of files. Raises an `IngestionError` or `InvalidItem` otherwise.

    Bytes are stored and synced, rows and queue items written in one transaction; with too little room on the disk
    nothing is (`DiskLow`). `file_tags` gives patterns of paths with the tags of the files that they match. With a
    `client_key` that this owner used before, that upload is returned and nothing is stored again.
    """
    limits = get_limits()
    _refuse(uploads, limits)
    number, labels, patterns = checked_priority(priority_of(priority)), clean_tags(tags), clean_file_tags(file_tags)
    digest = _digest([(upload.name, upload.size) for upload in uploads])
    if client_key is not None:
        refuse_key(client_key)
        earlier = _earlier(owner_id, client_key, digest)
        if earlier is not None:
            return Accepted(intake=earlier, created=False)
    planned = _planned_files(uploads[0], limits) if len(uploads) == 1 else None
    storage.ensure_room(sum(upload.size or 0 for upload in uploads if not isinstance(upload, LocalFile)))
    intake = Intake(
        owner_id=owner_id,
        kind=IntakeKind.FILES if planned is None else IntakeKind.ZIP,
        filename=_label(uploads[0])[:255] if len(uploads) == 1 else "",
        planned_files=len(uploads) if planned is None else planned,
        tags=labels,
        options={FILE_TAGS: patterns} if patterns else {},
        priority=number,
        client_key=client_key,
        client_digest=digest,
        correlation_id=str(correlation.current().get("correlation_id", ""))[:200],
    )
    try:
        try:
            files = _store_and_write(intake, uploads)
        except BlobMissing:
            # Bytes that were in storage already were deleted before they had a row: now they are stored anew.
            files = _store_and_write(intake, uploads)
    except IntegrityError:
        earlier = _earlier(owner_id, client_key, digest) if client_key is not None else None
        if earlier is None:
            raise
        return Accepted(intake=earlier, created=False)
    return Accepted(intake=intake, files=files)


def _refuse(uploads: Sequence[Upload], limits: Limits) -> None:
    if not uploads:
        raise EmptyFile("The upload holds no file.", hint="Send at least one file in the form field 'file'.")
    if len(uploads) > limits.max_files_per_request:
        raise TooManyFiles(
            f"{len(uploads):,} files were sent; one request takes at most {limits.max_files_per_request:,} "
            "(MAX_FILES_PER_REQUEST)."
        )
    sizes = [upload.size or 0 for upload in uploads]
    if not any(sizes):
        raise EmptyFile
    for most, found, name in (
        (limits.max_upload_bytes, sum(sizes), "MAX_UPLOAD_BYTES"),
        (limits.max_file_bytes, max(sizes) if len(sizes) > 1 else 0, "MAX_FILE_BYTES"),
    ):
        if found > most:
            raise TooLarge(f"{found:,} bytes were sent; at most {most:,} are accepted ({name}).")


def _planned_files(upload: Upload, limits: Limits) -> int | None:
    """How many entries an archive has, once it has passed the guard; None for any other file."""
    named_zip = _label(upload).lower().endswith(".zip")
    if not named_zip and is_text(upload):
        return None  # what kind of text it is, is found out later, by the worker
    detected = sniff(upload, _label(upload))
    if is_encrypted_7z(upload):
        raise EncryptedArchive
    if detected.type in ARCHIVES:
        raise UnsupportedArchive(f"Archives of the kind {detected.type} are not supported.")
    if named_zip:
        mismatch.refuse(detected, _label(upload), limits)
    if detected.type != "zip" and not (named_zip and detected.type in mismatch.HAVE_ERRORS_OF_THEIR_OWN):
        return None
    plan = plan_archive(upload, limits)
    if limits.on_unsupported == REJECT_ARCHIVE:
        unsupported.refuse(upload, plan, limits)
    return len(plan.entries)


def _store_and_write(intake: Intake, uploads: Sequence[Upload]) -> list[IngestFile]:
    stored = [_store(upload) for upload in uploads]
    intake.size = sum(blob.size for blob in stored)
    with transaction.atomic():
        return _write(intake, uploads, stored)


def _store(upload: Upload) -> StoredBlob:
    if isinstance(upload, LocalFile):
        return put_file(upload)
    return storage.put_stream(upload.chunks(), expected=upload.size or 0)


def _write(intake: Intake, uploads: Sequence[Upload], stored: Sequence[StoredBlob]) -> list[IngestFile]:
    """Rows and queue items of one upload, inside the caller's transaction. Returns the rows of plain files."""
    blobs = save_blobs(stored)
    if intake.kind == IntakeKind.ZIP:
        intake.blob_id = blobs[stored[0].sha256]
        intake.save(force_insert=True)
        intake.item_id = enqueue_unpacking(intake)
        Intake.objects.filter(pk=intake.pk).update(item_id=intake.item_id)
        return []
    intake.unpacked_at = timezone.now()
    intake.save(force_insert=True)
    files = [
        IngestFile(
            intake=intake,
            ordinal=ordinal,
            source_path=_label(upload)[:1024],
            safe_name=safe_name(_label(upload)),
            tags=tags_for(intake, _label(upload)),
            size=blob.size,
            blob_id=blobs[blob.sha256],
        )
        for ordinal, (upload, blob) in enumerate(zip(uploads, stored, strict=True))
    ]
    enqueue_files(intake, files)
    return IngestFile.objects.bulk_create(files)


def save_blobs(stored: Sequence[StoredBlob]) -> dict[str, int]:
    """Rows for stored bytes, each content once: ids by sha256. Locked in one order, so that no two uploads deadlock.

    Raises BlobMissing when bytes were removed before their row was locked (`ingestion/blobs.py`): store them again.
    """
    unique = {blob.sha256: blob for blob in stored}
    rows = [Blob(sha256=sha, size=unique[sha].size, storage_key=unique[sha].key) for sha in sorted(unique)]
    saved = Blob.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["sha256"], update_fields=["storage_key"]
    )
    gone = storage.missing(blob.storage_key for blob in saved)
    if gone:
        raise BlobMissing(f"The stored bytes of {min(gone)[:12]} were removed a moment ago.")
    return {blob.sha256: blob.pk for blob in saved}


def seconds_for(size: int) -> float | None:
    """How long processing a file of so many bytes may take; None: as long as the handler says."""
    return (
        None
        if size <= LARGE_BYTES
        else float(LEAST_SECONDS + size // LARGE_BYTES * (LARGE_BYTES // SLOW_BYTES_A_SECOND))
    )


def enqueue_files(intake: Intake, files: Sequence[IngestFile]) -> None:
    """Make a document and a queue item for each file that has its bytes; sets both on the (unsaved) files."""
    documents = Document.objects.bulk_create(
        Document(owner_id=intake.owner_id, title=file.safe_name[:255], blob_id=file.blob_id or 0, tags=file.tags)
        for file in files  # each has its blob: enqueue_files() is called with stored ones only
    )
    service = DocumentQueueService()
    sends = sends_for(intake, files, documents)
    after = {document.pk: Rules(after=[item], if_parent_fails="run") for item, sent in sends for document in sent}
    with correlation.bind(intake=str(intake.pk)):
        if len(documents) == 1:
            seconds = seconds_for(files[0].size)
            ids = [service.enqueue(documents[0].pk, INGEST, intake.priority, timeout_seconds=seconds).id]
        else:
            made = service.enqueue_many(
                [
                    *(item for item, _ in sends),
                    *(
                        NewItem(
                            document_id=document.pk,
                            operation=INGEST,
                            priority=intake.priority,
                            timeout_seconds=seconds_for(file.size),
                            rules=after.get(document.pk),
                        )
                        for document, file in zip(documents, files, strict=True)
                    ),
                ]
            )
            ids = made[len(sends) :]
    for file, document, item_id in zip(files, documents, ids, strict=True):
        file.document, file.item_id = document, item_id


def enqueue_unpacking(intake: Intake, file: IngestFile | None = None, *, priority: int | str | None = None) -> int:
    """Make the queue item that unpacks the intake's archive, or the archive that `file` is. Returns its id."""
    payload = {"intake": intake.pk} if file is None else {"intake": intake.pk, "file": file.pk}
    with correlation.bind(intake=str(intake.pk)):
        wanted = intake.priority if priority is None else priority
        return DocumentQueueService().enqueue(None, UNPACK, wanted, payload=payload).id


def _label(upload: Upload) -> str:
    return printable(upload.name or "unnamed")


def priority_of(priority: int | str) -> int | str:
    """A priority as the queue takes it: a form field brings numbers as text."""
    text = str(priority).strip()
    return int(text) if text.lstrip("+-").isdigit() and text.isascii() and len(text) < 9 else text


def refuse_key(key: str) -> None:
    """Raise ValidationFailed when this can not be an Idempotency-Key."""
    if not key or len(key) > 255 or "\0" in key:
        raise ValidationFailed("Idempotency-Key must be 1 to 255 characters.", code="invalid_idempotency_key")


def earlier_upload(owner_id: int, client_key: str, name: str, size: int) -> Intake | None:
    """The intake that this owner's key stands for, if any. Raises KeyReused when it is of another file than this."""
    return _earlier(owner_id, client_key, _digest([(name, size)]))


def _digest(named: Sequence[tuple[str | None, int | None]]) -> str:
    """Names and sizes: enough to see that a key comes back with another upload."""
    return hashlib.sha256(repr(list(named)).encode("utf-8", "replace")).hexdigest()


def _earlier(owner_id: int, client_key: str, digest: str) -> Intake | None:
    earlier = Intake.objects.filter(owner=owner_id, client_key=client_key).first()
    if earlier is not None and earlier.client_digest != digest:
        raise KeyReused
    return earlier
