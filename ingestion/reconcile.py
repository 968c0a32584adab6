"""What the queue knows and ingestion's rows do not yet: items that ended without their handler saying so.

A crash, a timeout or a person in the admin can end an item while its file still looks alive. Everything here asks the
queue and is safe to call at any time, by anyone, twice: whoever shows an intake does, and `on_dead` hooks as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, QuerySet

from docqueue.models import AnyItem, QueueItem
from docqueue.states import Status
from ingestion.containers import Container, orphans
from ingestion.hints import hint_for
from ingestion.lifecycle import cancel_file, cancel_files, fail_file, fail_files, finish_intake
from ingestion.models import IngestFile, Intake, Outcome, Stage

LOST_CODE = "item_lost"
LOST_MESSAGE = "The queue no longer knows the item that stood for this."
SLICE = 500


def reconcile_intake(intake: Intake) -> bool:
    """Bring one intake in line with the queue and end it if nothing is left. True when it may have changed."""
    if intake.finished_at is not None:
        return False
    if intake.unpacked_at is None and intake.item_id is not None and not _runs(intake.item_id):
        _end_unpacking(intake)
    changed = _end_files(_abandoned().filter(intake=intake.pk)) + _end_orphans(orphans().filter(intake=intake.pk))
    return finish_intake(intake.pk) or changed > 0


def reconcile(limit: int = SLICE) -> int:
    """The same for whatever needs it, at most `limit` files and intakes. Returns how many were looked at."""
    files = list(_abandoned().order_by("pk").values_list("pk", "intake_id")[:limit])
    _end_files(IngestFile.objects.filter(pk__in=[pk for pk, _ in files]))
    left = list(orphans().order_by("pk").values_list("pk", "intake_id")[:limit])
    intakes = Intake.objects.filter(finished_at=None)
    over = ~Exists(IngestFile.objects.filter(intake=OuterRef("pk"), outcome=""))
    stuck = intakes.filter(unpacked_at=None).filter(~Exists(_running(OuterRef("item_id"))))
    chosen = {intake_id for _, intake_id in [*files, *left]}
    chosen.update(intakes.exclude(unpacked_at=None).filter(over).values_list("pk", flat=True)[:limit])
    chosen.update(stuck.values_list("pk", flat=True)[:limit])
    for intake in Intake.objects.filter(pk__in=chosen):
        reconcile_intake(intake)
    return len(chosen)


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
    """Unfinished files whose item is dead, or not among the live ones."""
    queued = IngestFile.objects.filter(outcome="", item_id__isnull=False)
    return queued.filter(~Exists(_running(OuterRef("item_id"))))


def _end_files(files: Iterable[IngestFile]) -> int:
    found = [file for file in files if file.item_id is not None]
    items = AnyItem.objects.in_bulk({file.item_id for file in found}) if found else {}
    changed = 0
    for file in found:
        item = items.get(file.item_id or 0)
        if item is not None and item.status == Status.CANCELLED:
            changed += cancel_file(file, item_id=file.item_id)
        elif item is None or item.status in (Status.DEAD, Status.COMPLETED):
            # A completed item ends its file in the same transaction: this one was completed by other means.
            code = LOST_CODE if item is None else item.error_code or LOST_CODE
            message = LOST_MESSAGE if item is None else item.error_message or LOST_MESSAGE
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
    if item is not None and item.status == Status.CANCELLED:
        Container(intake).cancelled()
    elif item is None or item.status in (Status.DEAD, Status.COMPLETED):
        code = LOST_CODE if item is None else item.error_code or LOST_CODE
        message = LOST_MESSAGE if item is None else item.error_message or LOST_MESSAGE
        Container(intake).failed(code=code, message=message, hint=hint_for(code))
