"""One file anew: its document by a new item; what has none, as it failed while it was unzipped, from its archive."""

from __future__ import annotations

from dataclasses import dataclass

from ingestion.errors import ArchiveGone, NothingToRetry, NotReprocessable
from ingestion.models import IngestFile, IntakeKind, Outcome, Stage
from ingestion.reprocess import reprocess_document
from ingestion.reprocess_many import Order
from ingestion.selecting import Selection
from ingestion.unzip_again import unzip_again


@dataclass(frozen=True, kw_only=True)
class FileReprocessing:
    """The item that does it; `created` is False when one was under way already. `document_id`: None where an archive
    is read again for the file.
    """

    item_id: int
    created: bool
    document_id: int | None


def reprocess_file(
    file: IngestFile, *, by: str = "", from_stage: str = "", only_failed: bool = False
) -> FileReprocessing:
    """Process a file anew, with the priority of its upload. `document` and `intake` must be loaded.

    Raises `NothingToRetry` (with `only_failed`, where it has not failed), `ArchiveGone`, `NotReprocessable`,
    `InvalidStage`.
    """
    if only_failed and file.outcome != Outcome.FAILED:
        raise NothingToRetry
    priority = file.intake.priority
    if file.document is not None and from_stage != Stage.UNZIPPING:
        stage = from_stage or Stage.UPLOADING.value
        work = reprocess_document(file.document, by=by, priority=priority, from_stage=stage)
        return FileReprocessing(item_id=work.item_id, created=work.created, document_id=file.document.pk)
    mine = Selection(files=(file.pk,))
    order = Order.of(mine, from_stage=from_stage, priority=priority, by=by)
    item_id = None
    if order.archives:
        within = file.parent_id if file.blob_id is None else file.pk
        item_id = unzip_again(file.intake_id, mine.condition(), by=by, priority=order.priority, within=within)
    if item_id is None:
        if file.blob_id is None and _archive_is_gone(file):
            raise ArchiveGone
        raise NotReprocessable("There are no stored bytes of it, and no archive to be read for it again.")
    return FileReprocessing(item_id=item_id, created=True, document_id=None)


def _archive_is_gone(file: IngestFile) -> bool:
    """Whether the archive that the file came in is not kept any more."""
    archive = file.intake if file.parent is None else file.parent
    return archive.blob_id is None and (file.parent is not None or file.intake.kind == IntakeKind.ZIP)
