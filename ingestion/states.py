"""The one plain line that people read, and its code: made of the stage (ours) and the status of the queue's item.

Pure functions of rows that somebody else has read, so a page of files costs one look at the queue.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from docqueue.models import QueueItem
from docqueue.states import Status, WaitReason
from ingestion.codes import MessageCode, WaitingReason
from ingestion.models.choices import IntakeStatus, Outcome, Stage

if TYPE_CHECKING:
    from ingestion.models import IngestFile, Intake
    from ingestion.summary import Summary

ACRONYMS = {"km": "KM", "ocr": "OCR", "pdf": "PDF", "zip": "zip", "xml": "XML", "crc": "CRC"}
ACTIVE = frozenset({Status.WAITING, Status.PENDING, Status.IN_PROGRESS})
"""States of an item that will still run, or runs."""
WORKING = {
    Stage.UNZIPPING: MessageCode.UNZIPPING,
    Stage.UPLOADING: MessageCode.UPLOADING,
    Stage.INDEXING: MessageCode.INDEXING,
}
"""Stages in which something is being done, with the code that says so."""


class Line(NamedTuple):
    """What is going on, for programs and for people. `code`: a `MessageCode`, of a failure with its error code."""

    code: str
    text: str


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
    return file_line(file, item, now).text


def file_line(file: IngestFile, item: QueueItem | None, now: datetime) -> Line:
    """The same with its code."""
    if item is not None and item.status in ACTIVE and file.outcome in ("", Outcome.FAILED, Outcome.CANCELLED):
        return item_line(item, file.stage, file.percent, now, file.waiting_reason)
    if file.outcome:
        return _ended(file)
    if item is not None:
        return _failed(item.error_code or "failed")
    if file.item_id is not None:
        return Line(MessageCode.ENDING, _("Ending"))
    if file.intake.cancel_requested_at is not None:
        return Line(MessageCode.CANCELLING, _("Cancelling"))
    return Line(MessageCode.WAITING_TO_BE_UNZIPPED, _("Waiting to be unzipped"))


def item_line(item: QueueItem, stage: str, percent: int, now: datetime, reason: str = "") -> Line:
    """Where work is that a waiting, pending or running item stands for. `reason`: why it was put off, as a code."""
    if item.status == Status.WAITING:
        return _waiting(item, now, reason)
    if item.status == Status.PENDING:
        return first_line()
    if item.cancel_requested_at is not None:
        return Line(MessageCode.CANCELLING, _("Cancelling"))
    if stage in WORKING:
        return Line(
            WORKING[Stage(stage)], _("%(stage)s: %(percent)d %%") % {"stage": stage_name(stage), "percent": percent}
        )
    return Line(MessageCode.STARTING, _("Starting"))


def first_line() -> Line:
    """The line of what has just been taken in."""
    return Line(MessageCode.WAITING_FOR_WORKER, _("Waiting for a worker"))


def stage_name(stage: str) -> str:
    """A stage's label as the beginning of a line."""
    label = str(Stage(stage).label)
    return label[:1].upper() + label[1:]


def _failed(code: str) -> Line:
    return Line(f"{MessageCode.FAILED.value}:{code}", _("Failed: %(reason)s") % {"reason": words(code)})


def _of_waiting(why: str) -> MessageCode:
    codes: dict[str, MessageCode] = {
        WaitingReason.DISK_LOW: MessageCode.WAITING_FOR_ROOM,
        WaitingReason.KM_UNAVAILABLE: MessageCode.WAITING_FOR_KM,
    }
    return codes.get(why, MessageCode.WAITING)


def _waiting(item: QueueItem, now: datetime, why: str) -> Line:
    left = span((item.next_retry_at - now).total_seconds()) if item.next_retry_at is not None else span(0)
    match item.wait_reason:
        case WaitReason.RETRY:
            reason = words(item.error_code or "failed")
            said = {"span": left, "reason": reason}
            return Line(MessageCode.RETRY_BACKOFF, _("Waiting: retry in %(span)s (%(reason)s)") % said)
        case WaitReason.ORDERING:
            return Line(MessageCode.WAITING_FOR_TURN, _("Waiting: earlier work on this document comes first"))
        case WaitReason.SNOOZED if why:
            said = {"reason": words(why), "span": left}
            return Line(_of_waiting(why), _("Waiting: %(reason)s, looks again in %(span)s") % said)
        case WaitReason.DEPENDENCY if why:
            return Line(_of_waiting(why), _("Waiting: %(reason)s") % {"reason": words(why)})
        case WaitReason.DELAYED | WaitReason.SNOOZED:
            return Line(MessageCode.WAITING, _("Waiting: goes on in %(span)s") % {"span": left})
        case _:
            return Line(MessageCode.WAITING, _("Waiting"))


def _ended(file: IngestFile) -> Line:
    match file.outcome:
        case Outcome.COMPLETED | Outcome.COMPLETED_NO_TEXT | Outcome.DUPLICATE if file.document_id is None:
            return Line(MessageCode.DELETED, _("Deleted"))
        case Outcome.COMPLETED:
            return Line(MessageCode.COMPLETED, _("Completed"))
        case Outcome.COMPLETED_NO_TEXT:
            return Line(MessageCode.COMPLETED_NO_TEXT, _("Completed: no text found"))
        case Outcome.DUPLICATE:
            text = _("Duplicate of document %(id)s") % {"id": file.duplicate_of_id or "?"}
            return Line(MessageCode.DUPLICATE, text)
        case Outcome.UNPACKED:
            return Line(MessageCode.UNPACKED, _("Unpacked"))
        case Outcome.SKIPPED:
            text = _("Skipped: %(reason)s") % {"reason": file.message or _("not a document")}
            return Line(MessageCode.SKIPPED, text)
        case Outcome.CANCELLED:
            return Line(MessageCode.CANCELLED, _("Cancelled"))
        case _:
            return _failed(file.error_code or "failed")


def intake_state(intake: Intake, summary: Summary, item: QueueItem | None, now: datetime) -> str:
    """Where a whole intake is, in one line. `item` is the live item that unpacks it, if it has one."""
    return intake_line(intake, summary, item, now).text


def intake_line(intake: Intake, summary: Summary, item: QueueItem | None, now: datetime) -> Line:
    """The same with its code."""
    if intake.deleted_at is not None:
        return Line(MessageCode.DELETED, _("Deleting"))
    if intake.finished_at is not None:
        return _intake_ended(intake, summary)
    if intake.cancel_requested_at is not None:
        return Line(MessageCode.CANCELLING, _("Cancelling"))
    if intake.unpacked_at is None and item is not None and item.status in ACTIVE:
        return item_line(item, intake.stage, summary.percent, now, intake.waiting_reason)
    counts = {"done": summary.finished, "total": summary.total}
    if summary.stage in WORKING:
        text = ngettext(
            "%(stage)s: %(done)d of %(total)d file done",
            "%(stage)s: %(done)d of %(total)d files done",
            summary.total,
        )
        return Line(WORKING[Stage(summary.stage)], text % {**counts, "stage": stage_name(summary.stage)})
    text = ngettext(
        "Waiting: %(done)d of %(total)d file done", "Waiting: %(done)d of %(total)d files done", summary.total
    )
    return Line(MessageCode.WAITING, text % counts)


def _intake_ended(intake: Intake, summary: Summary) -> Line:
    if intake.status == IntakeStatus.COMPLETED_WITH_ERRORS:
        counts = {"failed": summary.failed, "total": summary.total}
        text = _("Completed with errors: %(failed)d of %(total)d files failed") % counts
        return Line(MessageCode.COMPLETED_WITH_ERRORS, text)
    if intake.status == IntakeStatus.FAILED:
        code = intake.error_code or summary.error_code
        return _failed(code or "every_file_failed")
    if intake.status == IntakeStatus.CANCELLED:
        return Line(MessageCode.CANCELLED, _("Cancelled"))
    return Line(MessageCode.COMPLETED, _("Completed"))
