"""What the queue knows and ingestion's rows do not yet: items that ended without their handler saying so.

A crash, a timeout or a person in the admin can end an item while its file still looks alive; what has lost its item
gets another one (lost.py). Everything here asks the queue and is safe to call at any time, by anyone, twice: whoever
shows an intake does, and `on_dead` hooks as well. Nothing is counted: what is unfinished is asked each time.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q, QuerySet

from docqueue.models import AnyItem, QueueItem
from docqueue.states import Status
from ingestion import lost
from ingestion.containers import Container, orphans
from ingestion.hints import hint_for
from ingestion.lifecycle import cancel_file, cancel_files, fail_file, fail_files, finish_intake
from ingestion.models import IngestFile, Intake, Outcome, Stage

SLICE = 500


def reconcile_intake(intake: Intake) -> bool:
    """Bring one intake in line with the queue and end it if nothing is left. True when it may have changed.

    Looks at `SLICE` files at most; the duty comes back for others.
    """
    if intake.finished_at is not None:
        return False
    if intake.unpacked_at is None and not _runs(intake.item_id or 0):
        _end_unpacking(intake)
    changed = _end_files(_abandoned().filter(intake=intake.pk)[:SLICE])
    changed += _end_orphans(orphans().filter(intake=intake.pk))
    return finish_intake(intake.pk) or changed > 0


def reconcile(limit: int = SLICE) -> int:
    """The same for whatever needs it, at most `limit` files and intakes. Returns how many were looked at."""
    intakes = Intake.objects.filter(finished_at=None)
    stuck = list(intakes.filter(unpacked_at=None).filter(~Exists(_running(OuterRef("item_id"))))[:limit])
    for intake in stuck:
        _end_unpacking(intake)
    files = list(_abandoned().order_by("pk")[:limit])
    _end_files(files)
    left = list(orphans().order_by("pk")[:limit])
    _end_orphans(orphans().filter(pk__in=[file.pk for file in left]))
    unfinished = IngestFile.objects.filter(intake=OuterRef("pk"), outcome="")
    over = intakes.exclude(unpacked_at=None).filter(~Exists(unfinished))
    looked_at = {intake.pk for intake in stuck} | {file.intake_id for file in [*files, *left]}
    looked_at.update(over.values_list("pk", flat=True)[:limit])
    for intake_id in looked_at:
        finish_intake(intake_id)
    return len(looked_at)


def item_died(item_id: int, code: str, message: str) -> None:
    """End the file that this dead item stood for."""
    for file in IngestFile.objects.filter(item_id=item_id, outcome=""):
        fail_file(file, code=code, message=message, hint=hint_for(code), item_id=item_id)
        finish_intake(file.intake_id)


def unpacking_died(item_id: int, code: str, message: str) -> None:
    """End the unpacking that this dead item stood for."""
    for intake in Intake.objects.filter(item_id=item_id, unpacked_at=None):
        Container(intake).failed(code=code, message=message, hint=hint_for(code))
        finish_intake(intake.pk)
    for file in IngestFile.objects.filter(item_id=item_id, outcome="").select_related("intake"):
        Container(file.intake, file).failed(code=code, message=message, hint=hint_for(code))
        finish_intake(file.intake_id)


def _running(item_id: OuterRef | int) -> QuerySet[QueueItem]:
    return QueueItem.objects.filter(pk=item_id).exclude(status=Status.DEAD)


def _runs(item_id: int) -> bool:
    return _running(item_id).exists()


def _abandoned() -> QuerySet[IngestFile]:
    """Unfinished files whose item is dead, or not among the live ones; and those that should have one by now."""
    queued, unqueued = Q(item_id__isnull=False), Q(document__isnull=False, intake__unpacked_at__isnull=False)
    unfinished = IngestFile.objects.filter(queued | unqueued, outcome="")
    return unfinished.filter(~Exists(_running(OuterRef("item_id"))))


def _end_files(files: Iterable[IngestFile]) -> int:
    found = list(files)
    ids = {file.item_id for file in found if file.item_id is not None}
    items = AnyItem.objects.in_bulk(ids) if ids else {}
    gone = [file.pk for file in found if file.item_id not in items]
    changed = lost.find_files(gone) if gone else 0
    for file in found:
        item = items.get(file.item_id or 0)
        if item is None:
            continue
        if item.status == Status.CANCELLED:
            changed += cancel_file(file, item_id=file.item_id)
        elif item.status in (Status.DEAD, Status.COMPLETED):
            code, message = _cause(item)
            changed += fail_file(file, code=code, message=message, hint=hint_for(code), item_id=file.item_id)
    return changed


def _end_orphans(files: QuerySet[IngestFile]) -> int:
    """End files as the archive ended in which they were found."""
    changed = 0
    for archive in IngestFile.objects.filter(pk__in=files.order_by().values("parent").distinct()):
        children = orphans().filter(parent=archive.pk)
        if archive.outcome == Outcome.CANCELLED:
            changed += cancel_files(children)
        else:
            said = {"code": archive.error_code, "message": archive.error_message, "hint": archive.hint}
            changed += fail_files(children, **said, stage=Stage.UNZIPPING)
    return changed


def _end_unpacking(intake: Intake) -> None:
    item = AnyItem.objects.filter(pk=intake.item_id or 0).first()
    if item is None:
        lost.find_unpacking(intake)
    elif item.status == Status.CANCELLED:
        Container(intake).cancelled()
    elif item.status in (Status.DEAD, Status.COMPLETED):
        code, message = _cause(item)
        Container(intake).failed(code=code, message=message, hint=hint_for(code))


def _cause(item: AnyItem) -> tuple[str, str]:
    """What a dead item died of. A completed one ends its file in the same transaction: it was by other means here."""
    return item.error_code or lost.LOST_CODE, item.error_message or lost.LOST_MESSAGE
