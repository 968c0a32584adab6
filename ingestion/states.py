"""The one plain line that people read: made of the stage (ours) and the status of the queue's item.

Pure functions of rows that somebody else has read, so a page of files costs one look at the queue.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from docqueue.models import QueueItem
from docqueue.states import Status, WaitReason
from ingestion.models.choices import IntakeStatus, Outcome, Stage

if TYPE_CHECKING:
    from ingestion.models import IngestFile, Intake
    from ingestion.summary import Summary

ACRONYMS = {"km": "KM", "ocr": "OCR", "pdf": "PDF", "zip": "zip", "xml": "XML", "crc": "CRC"}
ACTIVE = frozenset({Status.WAITING, Status.PENDING, Status.IN_PROGRESS})
"""States of an item that will still run, or runs."""


def live_items(ids: Iterable[int | None]) -> dict[int, QueueItem]:
    """The live items among `ids`, by id: one index look-up each, whatever the history holds."""
    wanted = {item_id for item_id in ids if item_id is not None}
    return QueueItem.objects.in_bulk(wanted) if wanted else {}


def words(code: str) -> str:
    """An error code as words: `password_required` → "password required", `km_unavailable` → "KM unavailable"."""
    return " ".join(ACRONYMS.get(word, word) for word in code.split("_") if word)


def span(seconds: float) -> str:
    """A duration for people: "12 s", "3 min", "2 h"."""
    whole = max(0, math.ceil(seconds))
    if whole < 120:
        return _("%(n)d s") % {"n": whole}
    if whole < 7200:
        return _("%(n)d min") % {"n": round(whole / 60)}
    return _("%(n)d h") % {"n": round(whole / 3600)}


def file_state(file: IngestFile, item: QueueItem | None, now: datetime) -> str:
    """Where a file is, in one line. `item` is its live item, if it has one."""
    if item is not None and item.status in ACTIVE and file.outcome in ("", Outcome.FAILED, Outcome.CANCELLED):
        return item_state(item, file.stage, file.percent, now)
    if file.outcome:
        return _ended(file)
    if item is not None:
        return _("Failed: %(reason)s") % {"reason": words(item.error_code or "failed")}
    if file.item_id is not None:
        return _("Ending")
    if file.intake.cancel_requested_at is not None:
        return _("Cancelling")
    return _("Waiting to be unzipped")


def item_state(item: QueueItem, stage: str, percent: int, now: datetime, reason: str = "") -> str:
    """Where work is that a waiting, pending or running item stands for. `reason`: why it was put off, as a code."""
    if item.status == Status.WAITING:
        return _waiting(item, now, reason)
    if item.status == Status.PENDING:
        return _("Waiting for a worker")
    if item.cancel_requested_at is not None:
        return _("Cancelling")
    if stage in (Stage.UNZIPPING, Stage.UPLOADING, Stage.INDEXING):
        return _("%(stage)s: %(percent)d %%") % {"stage": stage_name(stage), "percent": percent}
    return _("Starting")


def stage_name(stage: str) -> str:
    """A stage's label as the beginning of a line."""
    label = str(Stage(stage).label)
    return label[:1].upper() + label[1:]


def _waiting(item: QueueItem, now: datetime, why: str) -> str:
    left = span((item.next_retry_at - now).total_seconds()) if item.next_retry_at is not None else span(0)
    match item.wait_reason:
        case WaitReason.RETRY:
            reason = words(item.error_code or "failed")
            return _("Waiting: retry in %(span)s (%(reason)s)") % {"span": left, "reason": reason}
        case WaitReason.ORDERING:
            return _("Waiting: earlier work on this document comes first")
        case WaitReason.SNOOZED if why:
            return _("Waiting: %(reason)s, looks again in %(span)s") % {"reason": words(why), "span": left}
        case WaitReason.DELAYED | WaitReason.SNOOZED:
            return _("Waiting: goes on in %(span)s") % {"span": left}
        case _:
            return _("Waiting")


def _ended(file: IngestFile) -> str:
    match file.outcome:
        case Outcome.COMPLETED | Outcome.COMPLETED_NO_TEXT | Outcome.DUPLICATE if file.document_id is None:
            return _("Deleted")
        case Outcome.COMPLETED:
            return _("Completed")
        case Outcome.COMPLETED_NO_TEXT:
            return _("Completed: no text found")
        case Outcome.DUPLICATE:
            return _("Duplicate of document %(id)s") % {"id": file.duplicate_of_id or "?"}
        case Outcome.UNPACKED:
            return _("Unpacked")
        case Outcome.SKIPPED:
            return _("Skipped: %(reason)s") % {"reason": file.message or _("not a document")}
        case Outcome.CANCELLED:
            return _("Cancelled")
        case _:
            return _("Failed: %(reason)s") % {"reason": words(file.error_code or "failed")}


def intake_state(intake: Intake, summary: Summary, item: QueueItem | None, now: datetime) -> str:
    """Where a whole intake is, in one line. `item` is the live item that unpacks it, if it has one."""
    if intake.deleted_at is not None:
        return _("Deleting")
    if intake.finished_at is not None:
        return _intake_ended(intake, summary)
    if intake.cancel_requested_at is not None:
        return _("Cancelling")
    if intake.unpacked_at is None and item is not None and item.status in ACTIVE:
        return item_state(item, intake.stage, summary.percent, now, intake.waiting_reason)
    counts = {"done": summary.finished, "total": summary.total}
    if summary.stage in (Stage.UNZIPPING, Stage.UPLOADING, Stage.INDEXING):
        text = ngettext(
            "%(stage)s: %(done)d of %(total)d file done",
            "%(stage)s: %(done)d of %(total)d files done",
            summary.total,
        )
        return text % {**counts, "stage": stage_name(summary.stage)}
    text = ngettext(
        "Waiting: %(done)d of %(total)d file done", "Waiting: %(done)d of %(total)d files done", summary.total
    )
    return text % counts


def _intake_ended(intake: Intake, summary: Summary) -> str:
    if intake.status == IntakeStatus.COMPLETED_WITH_ERRORS:
        counts = {"failed": summary.failed, "total": summary.total}
        return _("Completed with errors: %(failed)d of %(total)d files failed") % counts
    if intake.status == IntakeStatus.FAILED:
        code = intake.error_code or summary.error_code or "every file failed"
        return _("Failed: %(reason)s") % {"reason": words(code)}
    if intake.status == IntakeStatus.CANCELLED:
        return _("Cancelled")
    return _("Completed")
