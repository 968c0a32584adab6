"""Files found inside of a document, as an e-mail's attachments: each becomes a file of the same intake.

They are stored before the document is completed and enter the queue in the transaction that completes it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Value
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext as _

from ingestion import storage
from ingestion.archives import printable, safe_name
from ingestion.containers import Container, room_for
from ingestion.errors import ExtractedTooLarge, TooManyEntries
from ingestion.extract import Attachment
from ingestion.intakes import enqueue_files, save_blobs
from ingestion.limits import SKIP, Limits, get_limits
from ingestion.models import IngestFile, Intake, Outcome, Stage
from ingestion.progress import Report
from ingestion.storage import StoredBlob
from ingestion.tags import tags_for
from ingestion.unsupported import unsupported_type


@dataclass(frozen=True, kw_only=True)
class Found:
    """An attachment on its way. `stored` is None where it is skipped, for the reason in `message`."""

    name: str
    size: int
    stored: StoredBlob | None = None
    message: str = ""


def not_taken(file: IngestFile | None, attachments: Sequence[Attachment], limits: Limits) -> str:
    """Why the attachments do not become files, as a warning; empty where they do."""
    if file is None:
        return "attachments_not_read: the document does not belong to an upload"
    if file.depth + 1 > limits.max_archive_depth:
        return "attachments_not_read: they lie in too many archives and e-mails (limit max_archive_depth)"
    try:
        room_for(file.intake, len(attachments), 0, archive=file)
    except (TooManyEntries, ExtractedTooLarge) as error:
        return f"attachments_not_read: {error}"
    return ""


def store(attachments: Iterable[Attachment], report: Report) -> list[Found]:
    """Store what becomes a file. `report` is told before each. Raises what `storage.put_stream` raises."""
    limits = get_limits()
    found = []
    for attachment in attachments:
        report(Stage.INDEXING, 60, printable(attachment.name))
        if attachment.inline:
            found.append(Found(name=attachment.name, size=0, message=_("a picture in the text")))
            continue
        content = attachment.read()
        kind = unsupported_type(io.BytesIO(content), attachment.name, limits) if limits.on_unsupported == SKIP else None
        if kind is not None:
            message = _("files of type %(type)s are skipped") % {"type": kind}
            found.append(Found(name=attachment.name, size=len(content), message=message))
        else:
            stored = storage.put_stream(iter([content]), expected=len(content))
            found.append(Found(name=attachment.name, size=len(content), stored=stored))
    return found


def enqueue(file: IngestFile, found: Sequence[Found]) -> None:
    """Make rows, documents and items for what was found in `file` and is not there yet, in the caller's transaction.

    Takes the intake's lock: nothing of a file may be locked before.
    """
    intake = Intake.objects.select_for_update(no_key=True).get(pk=file.intake_id)
    container = Container(intake, file)
    known = set(container.files().values_list("source_path", "blob__sha256"))
    blobs = save_blobs([one.stored for one in found if one.stored is not None])
    ordinal = room_for(intake, 0, 0, archive=None)
    rows: list[IngestFile] = []
    for one in found:
        path = container.path_of(printable(one.name))
        if (path, one.stored.sha256 if one.stored else None) in known:
            continue
        row = IngestFile(
            intake=intake,
            parent=file,
            ordinal=ordinal + len(rows),
            depth=container.depth,
            source_path=path,
            safe_name=safe_name(one.name),
            tags=tags_for(intake, path),
            size=one.size,
            blob_id=blobs[one.stored.sha256] if one.stored else None,
        )
        if one.stored is None:
            row.stage, row.outcome, row.percent, row.message = Stage.COMPLETED, Outcome.SKIPPED, 100, one.message
            row.finished_at = timezone.now()
        rows.append(row)
    enqueue_files(intake, [row for row in rows if row.blob_id is not None])
    IngestFile.objects.bulk_create(rows)
    Intake.objects.filter(pk=intake.pk).update(planned_files=Greatest("planned_files", Value(ordinal + len(rows))))
