"""Mending what `storage_check` finds: from the archive where it still has the bytes; what is lost is marked as such."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from ingestion import inventory, storage
from ingestion.archives import plan_archive, read_entry
from ingestion.blobs import adopt, remove_if_unreferenced
from ingestion.containers import Container
from ingestion.errors import DiskFull, IngestionError, StorageUnavailable
from ingestion.limits import get_limits
from ingestion.models import Blob, Document, IngestFile, Intake, IntakeKind, Outcome
from ingestion.storage_check import Finding, Kind, is_needed

LOST = gettext_noop(
    "blob_missing: the stored bytes are lost or damaged; the text is still searched. Upload the file again."
)
"""The warning on documents whose bytes are gone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where the bytes of a file can be had again: the entry number `index` of an archive."""

    container: Container
    index: int

    @property
    def said(self) -> str:
        """In words."""
        file = self.container.file
        return f"the archive of intake {self.container.intake.pk}" + (f", file {file.pk}" if file else "")


def origin_of(blob_id: int | None) -> Origin | None:
    """An archive that has the blob's bytes, as far as is known, and is there itself (or can be had again)."""
    files = IngestFile.objects.filter(blob=blob_id).select_related("intake__blob", "parent__blob").order_by("pk")
    for file in files[:20] if blob_id is not None else ():
        container = _container(file)
        if container is None:
            continue
        if storage.missing([container.blob.storage_key]) and origin_of(container.blob.pk) is None:
            continue
        first = container.files().order_by("ordinal").values_list("ordinal", flat=True)[0]
        return Origin(container=container, index=file.ordinal - first)
    return None


def _container(file: IngestFile) -> Container | None:
    """The archive that a file came out of, where that is still kept. An e-mail is none."""
    if file.parent is not None:
        kept = file.parent.blob is not None and file.parent.outcome == Outcome.UNPACKED
        return Container(file.intake, file.parent) if kept else None
    kept = file.intake.kind == IntakeKind.ZIP and file.intake.blob is not None
    return Container(file.intake) if kept else None


def mend(finding: Finding) -> tuple[bool, str]:
    """Do what can be done about a finding. Returns whether nothing of it is left, and what was done, in words."""
    if finding.kind is Kind.UNFINISHED:
        inventory.abort(finding.key, finding.upload)
        return True, "the unfinished upload was given up"
    if finding.kind is Kind.ORPHAN:
        return _remove_orphan(finding)
    assert finding.blob_id is not None, "all others have a row"
    if not is_needed(finding.blob_id):
        gone = remove_if_unreferenced(finding.blob_id)
        return gone, "nothing needed it; it was removed" if gone else "somebody began to need it"
    origin = origin_of(finding.blob_id)
    if origin is not None:
        problem = _restore(finding.blob_id, origin)
        if not problem:
            return True, f"brought back from {origin.said}"
        return False, f"{_mark(finding.blob_id)}; {origin.said} could not help: {problem}"
    return False, _mark(finding.blob_id)


def _remove_orphan(finding: Finding) -> tuple[bool, str]:
    """Under a row's lock, as all stored bytes are removed: an upload of the same bytes at this moment loses nothing."""
    sha256 = finding.key.rpartition("/")[2]
    adopt(inventory.Listed(sha256=sha256, size=finding.size, at=timezone.now()))
    blob = Blob.objects.filter(sha256=sha256).first()
    gone = blob is None or remove_if_unreferenced(blob.pk)
    return gone, "removed" if gone else "somebody began to need it"


def _restore(blob_id: int, origin: Origin) -> str:
    """Take the bytes out of the archive again. Returns what went wrong; empty when they are back."""
    archive = origin.container.blob
    if storage.missing([archive.storage_key]):
        further = origin_of(archive.pk)
        problem = _restore(archive.pk, further) if further else "it is missing itself"
        if problem:
            return problem
    try:
        with storage.open(archive.storage_key) as source, transaction.atomic():
            blob = Blob.objects.select_for_update().get(pk=blob_id)  # who stores the same bytes now waits for us
            plan = plan_archive(source, get_limits(), depth=origin.container.depth)
            entry = plan.entries[origin.index]
            digest = hashlib.sha256()
            for piece in read_entry(source, entry):
                digest.update(piece)
            if digest.hexdigest() != blob.sha256:
                return "it has other bytes there"
            storage.delete(blob.storage_key)  # damaged bytes of the right size would be taken for these
            storage.put_stream(read_entry(source, entry), expected=entry.expected)
    except (StorageUnavailable, DiskFull):
        raise  # it is out of reach, and not lost
    except (IngestionError, Blob.DoesNotExist, IndexError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _mark(blob_id: int) -> str:
    """Say on documents that their bytes are lost, and let nobody rely on an archive that is: each in its own lock."""
    marked = 0
    for pk in Document.objects.filter(blob=blob_id).order_by("pk").values_list("pk", flat=True).iterator():
        with transaction.atomic():
            document = Document.objects.select_for_update(no_key=True).filter(pk=pk).first()
            if document is not None and LOST not in document.warnings:
                Document.objects.filter(pk=pk).update(warnings=[*document.warnings, LOST])
                marked += 1
    archives = Intake.objects.filter(blob=blob_id, finished_at__isnull=False).update(blob=None)
    inner = IngestFile.objects.filter(blob=blob_id, outcome=Outcome.UNPACKED, document=None).update(blob=None)
    return f"it is lost: {marked} documents marked, {archives + inner} archives let go"
