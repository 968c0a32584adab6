"""Files of intakes: what each waits for or failed with, its items and attempts, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model, QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from docqueue.admin import columns
from ingestion.acting import Acting
from ingestion.admin import happening, searching
from ingestion.admin.base import link, said
from ingestion.admin.downloads import DownloadAdmin
from ingestion.admin.filters import ErrorCodeFilter, IntakeFilter
from ingestion.admin.reprocess import ReprocessAdmin
from ingestion.admin.verbs import Button, Verb
from ingestion.hints import hint_for
from ingestion.models import Blob, IngestFile, Outcome
from ingestion.reprocess_file import FileReprocessing
from ingestion.states import ACTIVE, Line, file_line, live_items

if TYPE_CHECKING:
    Display = str | SafeString

RETRY = Verb(
    name="retry",
    button=_("Retry"),
    destructive=False,
    done=lambda n: ngettext("%(n)d file is processed anew.", "%(n)d files are processed anew.", n),
    before=_("it is under way already."),
)
CANCEL = Verb(
    name="cancel",
    button=_("Cancel"),
    question=_("What waits will not run, and what runs is asked to stop. What search answers stays as it is."),
    done=lambda n: ngettext(
        "The work on %(n)d file is being cancelled.", "The work on %(n)d files is being cancelled.", n
    ),
)


@admin.register(IngestFile)
class IngestFileAdmin(DownloadAdmin, ReprocessAdmin):
    """Files of uploads, the newest first."""

    heading = _("Files")
    noun = "file"
    selects_by = "files"
    needed = ("intake", "document", "parent", "blob")
    empty = _("No file has come in. Each file of an upload is shown here, with its state and what it failed with.")
    list_display = ("id", "path", "intake_link", "state", "item", "document_link", "ended")
    list_display_links = ("id", "path")
    list_filter = ("outcome", "stage", ErrorCodeFilter, IntakeFilter)
    list_select_related = ()  # but `prepare_page`: of a large upload all would be joined before the page is cut
    search_fields = ("id",)  # shows the search box; what is searched stands in searching.py
    search_help_text = _("Exact id, queue item, error code or SHA-256; part of the path among the newest.")
    actions = ("retry", "reprocess", "cancel")
    main = ("path", "intake_link", "found_in", "document_link", "same_as", "bytes", "kept", "item", "tags")
    failure = ("error_code", "what_failed", "next_step")
    times = ("began", "ended")
    verbs = {"retry": RETRY, "cancel": CANCEL}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip().replace("\0", "")
        return (queryset.filter(pk__in=searching.files(term)) if term else queryset), False

    def prepare_page(self, rows: Sequence[Any]) -> None:
        prefetch_related_objects(rows, "intake", "document")

    def lines(self, rows: Sequence[IngestFile]) -> dict[int, Line]:
        return lines_of(rows)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ("state", *said(self.failure, self, obj), *said(self.main, self, obj))
        groups: list[Any] = [(None, {"fields": fields})]
        times = said(self.times, self, obj)
        return [*groups, (_("Times"), {"fields": times})] if times else groups

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["state", *self.failure, *self.main, *self.times]

    def buttons(self, row: IngestFile) -> list[Button]:
        found = [Button("retry", RETRY.button, destructive=False)] if row.outcome == Outcome.FAILED else []
        return found + ([Button("cancel", CANCEL.button, destructive=True)] if cancellable(row) else [])

    def act(self, acting: Acting, verb: str, row: IngestFile, reason: str) -> str | bool | None:
        if verb == "cancel":
            acting.cancel_file(row, reason=reason)
            return None
        work = acting.retry_file(row, reason=reason)
        return gettext("Item #%(id)d processes it anew.") % {"id": work.item_id} if work.created else False

    def reprocess_one(self, acting: Acting, row: IngestFile, stage: str, reason: str) -> FileReprocessing:
        return acting.reprocess_file(row, from_stage=stage, reason=reason)

    def about(self, verb: str, ids: Sequence[int]) -> list[tuple[str, str]]:
        return [(ngettext("file", "files", len(ids)), f"{len(ids):,}")]

    def beside(self, request: HttpRequest, row: IngestFile) -> dict[str, Any]:
        nothing = _("Nothing yet: it has no item in the queue. It gets one when it has been taken out of its archive.")
        return {"title": row.safe_name, "nothing_happened": nothing, **happening.of_file(request, row)}

    def stored(self, row: IngestFile) -> tuple[Blob | None, str, str]:
        return row.blob, row.safe_name, row.document.type if row.document else ""

    @admin.display(description=_("path"))
    def path(self, row: IngestFile) -> Display:
        return columns.text(row.source_path)

    @admin.display(description=_("intake"))
    def intake_link(self, row: IngestFile) -> Display:
        return link("intake", row.intake_id, str(row.intake_id))

    @admin.display(description=_("found in"))
    def found_in(self, row: IngestFile) -> Display:
        return link("ingestfile", row.parent_id, str(row.parent)) if row.parent_id else columns.NOTHING

    @admin.display(description=_("document"))
    def document_link(self, row: IngestFile) -> Display:
        return link("document", row.document_id, str(row.document_id))

    @admin.display(description=_("duplicate of document"))
    def same_as(self, row: IngestFile) -> Display:
        return link("document", row.duplicate_of_id, str(row.duplicate_of_id))

    @admin.display(description=_("size"))
    def bytes(self, row: IngestFile) -> Display:
        return filesizeformat(row.size)

    @admin.display(description=_("stored bytes"))
    def kept(self, row: IngestFile) -> Display:
        return stored_as(row.blob)

    @admin.display(description=_("item"))
    def item(self, row: IngestFile) -> Display:
        return columns.item_link(row.item_id)

    @admin.display(description=_("what failed"))
    def what_failed(self, row: IngestFile) -> Display:
        return columns.text(row.error_message)

    @admin.display(description=_("next step"))
    def next_step(self, row: IngestFile) -> Display:
        return columns.text(row.hint or (hint_for(row.error_code) if row.error_code else ""))

    @admin.display(description=_("started"))
    def began(self, row: IngestFile) -> Display:
        return columns.ago(row.started_at)

    @admin.display(description=_("ended"))
    def ended(self, row: IngestFile) -> Display:
        return columns.ago(row.finished_at)

    @admin.action(description=_("Retry what has failed …"), permissions=["act"])
    def retry(self, request: HttpRequest, queryset: QuerySet[IngestFile]) -> HttpResponse | None:
        return self.ask_about(request, outcome=Outcome.FAILED.value)

    @admin.action(description=_("Reprocess …"), permissions=["act"])
    def reprocess(self, request: HttpRequest, queryset: QuerySet[IngestFile]) -> HttpResponse | None:
        return self.ask_about(request)

    @admin.action(description=_("Cancel …"), permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[IngestFile]) -> HttpResponse | None:
        return self.act_on_chosen(request, "cancel")


def lines_of(files: Sequence[IngestFile]) -> dict[int, Line]:
    """State lines by id; `intake` must be loaded."""
    items, now = live_items(row.item_id for row in files), timezone.now()
    return {row.pk: file_line(row, items.get(row.item_id or 0), now) for row in files}


def cancellable(file: IngestFile) -> bool:
    """Whether there is work on it that can be cancelled."""
    item = live_items([file.item_id]).get(file.item_id or 0)
    return item is not None and (item.status in ACTIVE or not file.outcome)


def stored_as(blob: Blob | None) -> Display:
    """Where bytes are, and how many."""
    if blob is None:
        return gettext("not kept")
    where = {"size": filesizeformat(blob.size), "key": blob.storage_key}
    return format_html('<span class="docqueue-text">{}</span>', gettext("%(size)s at %(key)s in the storage") % where)


def rows_of(files: Sequence[IngestFile]) -> list[dict[str, Display]]:
    """Files for a table on another page."""
    shown, lines = IngestFileAdmin(IngestFile, admin.site), lines_of(files)
    rows = []
    for file in files:
        file.state_line = lines[file.pk]  # type: ignore[attr-defined]
        row = {"link": link("ingestfile", file.pk, file.source_path), "state": shown.state(file)}
        row |= {"item": shown.item(file), "document": shown.document_link(file), "size": shown.bytes(file)}
        rows.append(row)
    return rows
