"""What has happened to an intake, a file or a document: its own times, its items' lives, and what people did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from docqueue.admin import columns, timeline
from docqueue.conf import get_settings
from docqueue.models import AnyItem, HistoryItem
from ingestion.intakes import INGEST
from ingestion.models import IngestFile, Intake, IntakeStatus
from ingestion.people import entries_about
from ingestion.sending import SEND

ITEMS = 10
"""So many items of a file are told of, the newest."""
COLOURS = {
    IntakeStatus.COMPLETED: "completed",
    IntakeStatus.COMPLETED_WITH_ERRORS: "failed",
    IntakeStatus.FAILED: "failed",
    IntakeStatus.CANCELLED: "cancelled",
}


def of_intake(request: HttpRequest, intake: Intake) -> dict[str, Any]:
    """For the page of an intake: it, the item that unpacks it, and people."""
    items = [intake.item_id] if intake.item_id is not None else []
    return _context(request, [*_times(intake), *_of_items(request, items)], items, intake=intake.pk)


def of_file(request: HttpRequest, file: IngestFile) -> dict[str, Any]:
    """For the page of a file or its document: all the items that worked on it, with their attempts."""
    items = items_of(file)
    return _context(request, [*_of_items(request, items)], items, file=file.pk)


def items_of(file: IngestFile) -> list[int]:
    """The item that answers for the file, and those before it, the newest first."""
    found = {file.item_id} if file.item_id is not None else set()
    if file.document_id is not None:
        ended = HistoryItem.objects.filter(document_id=str(file.document_id), operation__in=(INGEST, SEND))
        found |= set(ended.order_by("-id").values_list("pk", flat=True)[:ITEMS])
    return sorted(found, reverse=True)[:ITEMS]


def _context(request: HttpRequest, events: list[timeline.Event], items: list[int], **about: int) -> dict[str, Any]:
    if request.user.has_perm("docqueue.view_auditentry"):
        others = entries_about(**about)
        if request.user.has_perm("docqueue.view_queueitem"):
            others = others.exclude(item_id__in=items)  # those are told with their items
        events += [timeline.of_person(entry) for entry in others[: timeline.SHOWN]]
    return {
        "timeline": sorted(events, key=lambda event: (event.ahead, event.at)),
        "may_see_tracebacks": request.user.has_perm("docqueue.view_attempt"),
    }


def _of_items(request: HttpRequest, ids: Iterable[int]) -> Iterator[timeline.Event]:
    if not request.user.has_perm("docqueue.view_queueitem"):
        return
    using = get_settings().DATABASE
    found = AnyItem.objects.using(using).filter(pk__in=ids).order_by("pk")
    for item in found.defer("payload", "result"):
        for event in timeline.events(using, item, audit=request.user.has_perm("docqueue.view_auditentry")):
            yield replace(event, what=_("item #%(id)d: %(what)s") % {"id": item.pk, "what": event.what})


def _times(intake: Intake) -> Iterator[timeline.Event]:
    owner = columns.text(intake.owner.get_username())
    yield timeline.Event(at=intake.created_at, what=_("uploaded"), who=owner)
    for at, what in (
        (intake.unpacked_at, _("all its files are known")),
        (intake.cancel_requested_at, _("cancel requested")),
        (intake.reopened_at, _("begun anew")),
        (intake.deleted_at, _("deletion began")),
    ):
        if at is not None:
            yield timeline.Event(at=at, what=what)
    if intake.finished_at is not None:
        status = IntakeStatus(intake.status)
        yield timeline.Event(at=intake.finished_at, what=str(status.label), state=COLOURS.get(status, ""))
