"""How files start and end, and intakes with them. An intake has ended when no file of it is unfinished: nobody counts.

Whoever ends a file looks afterwards, in a transaction of its own, so that the last of several that end at once sees
them all. A look that a crash swallowed is made up for by `reconcile`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import Case, Exists, F, QuerySet, When
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext as _

from docqueue.models import QueueItem
from docqueue.service import ClaimedItem
from docqueue.states import Status
from ingestion import hot
from ingestion.models import IngestFile, Intake, IntakeStatus, Outcome, Stage
from ingestion.models.choices import FAILED_STAGE
from ingestion.progress import unawaited
from ingestion.summary import Summary, summarize


def start_file(file: IngestFile, claim: ClaimedItem) -> bool:
    """Begin (or begin again) the processing of `file`. False: it is not this claim's to process any more."""
    if file.started_at is None and not file.outcome and file.intake.status != IntakeStatus.PENDING:
        changed = hot.start(file.pk, claim)  # everything else of a run is blank
    else:
        changed = _start_anew(file, claim)
    file.stage = Stage.UPLOADING
    return changed


def _start_anew(file: IngestFile, claim: ClaimedItem) -> bool:
    mine = IngestFile.objects.filter(newest(claim), pk=file.pk, item_id=claim.id)
    begun = {**blank_run(), "started_at": Coalesce("started_at", Now())}
    if not file.outcome and file.intake.status != IntakeStatus.PENDING:
        return mine.filter(unawaited()).update(**begun) > 0
    # The first of its intake, or a person put a dead item back and the intake has work to do again.
    with transaction.atomic():
        reopen_intakes([file.intake_id])
        changed = mine.update(**begun)
        if not changed:
            transaction.set_rollback(True)
    return changed > 0


def newest(claim: ClaimedItem) -> Exists:
    """Whether `claim` is still the newest of its item: what an older one would write is not written."""
    running = QueueItem.objects.filter(pk=claim.id, status=Status.IN_PROGRESS, claim_token=claim.claim_token)
    return Exists(running)


def blank_run() -> dict[str, Any]:
    """The columns of a file whose processing has not got anywhere yet."""
    nothing = {"message": "", "waiting_reason": "", "error_code": "", "error_message": "", "hint": ""}
    rest = {"stage": Stage.UPLOADING, "outcome": "", "percent": 5, "duplicate_of": None, "finished_at": None}
    return {**nothing, **rest}


def fail_file(
    file: IngestFile,
    *,
    code: str,
    message: str,
    hint: str = "",
    stage: str | None = None,
    item_id: int | None = None,
    claim: ClaimedItem | None = None,
) -> bool:
    """End `file` as failed unless it has ended already. False: it had, or another item (or claim) answers for it."""
    at = stage or IngestFile.objects.values_list("stage", flat=True).get(pk=file.pk)
    rows = IngestFile.objects.filter(pk=file.pk, item_id=item_id if claim is None else claim.id)
    rows = rows if claim is None else rows.filter(newest(claim))
    return bool(fail_files(rows, code=code, message=message, hint=hint, stage=at))


def fail_files(files: QuerySet[IngestFile], *, code: str, message: str, hint: str, stage: str) -> int:
    """End all of `files` that have not ended as failed in `stage`. Returns how many were ended."""
    return files.filter(outcome="").update(
        stage=FAILED_STAGE.get(stage, Stage.INDEX_FAILED),
        outcome=Outcome.FAILED,
        percent=100,
        message="",
        waiting_reason="",
        error_code=code[:100],
        error_message=message[:1000],
        hint=hint[:500],
        finished_at=Now(),
    )


def put_off(file: IngestFile, claim: ClaimedItem, reason: str, message: str) -> None:
    """Say what a file waits for that goes on by itself later: a code of `WaitingReason`, and a sentence."""
    mine = IngestFile.objects.filter(newest(claim), pk=file.pk, item_id=claim.id, outcome="")
    mine.update(waiting_reason=reason, message=message[:500])


def cancel_file(file: IngestFile, *, item_id: int | None = None) -> bool:
    """End `file` as cancelled unless it has ended already."""
    return bool(cancel_files(IngestFile.objects.filter(pk=file.pk), item_id=item_id))


def cancel_files(files: QuerySet[IngestFile], *, item_id: int | None = None) -> int:
    """The same for all of `files` that this item (None: no item yet) answers for. Returns how many were ended."""
    return files.filter(item_id=item_id, outcome="").update(
        stage=Stage.CANCELLED,
        outcome=Outcome.CANCELLED,
        percent=100,
        message="",
        waiting_reason="",
        finished_at=Now(),
    )


def reopen_intakes(intake_ids: Collection[int]) -> None:
    """Say that these intakes have work to do again, as part of the caller's transaction."""
    again = Case(When(finished_at__isnull=False, then=Now()), default=F("reopened_at"))
    rows = Intake.objects.filter(pk__in=intake_ids)
    rows.update(finished_at=None, status=IntakeStatus.IN_PROGRESS, reopened_at=again)


def finish_intake(intake_id: int) -> bool:
    """End the intake if nothing of it is unfinished. Cheap while something is; safe for any number at once."""
    if hot.unfinished(intake_id):
        return False
    with transaction.atomic():
        intake = Intake.objects.select_for_update(no_key=True).filter(pk=intake_id, unpacked_at__isnull=False).first()
        if intake is None or hot.unfinished(intake_id):  # asked again: under the lock nothing reopens it
            return False
        summary = summarize(intake)
        status = intake_status(intake, summary)
        stage = _final_stage(intake, status)
        counts = summary.as_dict() | {"percent": 100, "stage": stage}
        # Entries that never became rows, because the archive was not even planned, end as the whole did.
        counts["cancelled" if status == IntakeStatus.CANCELLED else "failed"] += summary.total - summary.finished
        fields: dict[str, Any] = {"status": status, "stage": stage, "percent": 100, "counts": counts}
        fields |= {"message": "" if summary.total else _("The archive is empty."), "waiting_reason": ""}
        if intake.finished_at is None:
            fields["finished_at"] = Now()
        Intake.objects.filter(pk=intake_id).update(**fields)
    return True


def intake_status(intake: Intake, summary: Summary) -> IntakeStatus:
    """How an intake without unfinished files ended."""
    unplanned = summary.finished < summary.total
    if intake.cancel_requested_at is not None and (summary.cancelled or unplanned):
        return IntakeStatus.CANCELLED
    if summary.failed or intake.error_code:
        return IntakeStatus.COMPLETED_WITH_ERRORS if summary.ended_well else IntakeStatus.FAILED
    if summary.cancelled and not summary.ended_well:
        return IntakeStatus.CANCELLED
    return IntakeStatus.COMPLETED


def _final_stage(intake: Intake, status: IntakeStatus) -> Stage:
    if status == IntakeStatus.CANCELLED:
        return Stage.CANCELLED
    if status == IntakeStatus.FAILED:
        return Stage.UNZIP_FAILED if intake.error_code else Stage.INDEX_FAILED
    return Stage.COMPLETED
