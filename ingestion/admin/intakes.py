"""Intakes: how far each is, its files, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from docqueue.admin import columns
from ingestion.acting import Acting
from ingestion.admin import happening, searching
from ingestion.admin.base import said
from ingestion.admin.files import rows_of
from ingestion.admin.reprocess import ReprocessAdmin
from ingestion.admin.verbs import Button, Verb, count, number, unfinished
from ingestion.hints import hint_for
from ingestion.models import Document, IngestFile, Intake, Outcome
from ingestion.services import reconcile_intake
from ingestion.states import Line, intake_line, live_items, span
from ingestion.summary import Summary, summaries
from ingestion.watching import watch_intakes

if TYPE_CHECKING:
    Display = str | SafeString

FILES_SHOWN = 50
OUTCOMES = {
    "completed": Outcome.COMPLETED,
    "no_text": Outcome.COMPLETED_NO_TEXT,
    "duplicate": Outcome.DUPLICATE,
    "unpacked": Outcome.UNPACKED,
    "failed": Outcome.FAILED,
    "skipped": Outcome.SKIPPED,
    "cancelled": Outcome.CANCELLED,
}
"""What the fields of a summary count."""


@admin.register(Intake)
class IntakeAdmin(ReprocessAdmin):
    """Uploads, the newest first."""

    heading = _("Intakes")
    noun = "intake"
    selects_by = "intakes"
    needed = ("owner",)
    empty = _(
        "Nothing has been uploaded. Each upload is an intake: send one on the upload page or with POST "
        "/api/v1/documents, and run a worker: manage.py run_queue_worker"
    )
    list_display = ("id", "name", "owner", "state", "files", "created")
    list_display_links = ("id", "name")
    list_filter = ("status", "kind", "created_at")
    list_select_related = ("owner",)
    search_fields = ("id",)  # shows the search box; what is searched stands in searching.py
    search_help_text = _(
        "Exact id, owner, queue item, key or SHA-256 of an archive; part of the name among the newest."
    )
    actions = ("retry", "reprocess", "cancel", "delete")
    main = ("owner", "kind", "progress", "counted", "bytes", "priority", "tags", "archive", "unpacked_by")
    failure = ("error_code", "error_message", "next_step")
    times = ("created", "unpacked", "cancel_asked", "reopened", "finished")
    verbs = {
        "retry": Verb(
            name="retry",
            button=_("Retry failed files"),
            destructive=False,
            done=lambda n: ngettext(
                "The failed files of %(n)d intake will be processed anew in a moment.",
                "The failed files of %(n)d intakes will be processed anew in a moment.",
                n,
            ),
        ),
        "cancel": Verb(
            name="cancel",
            button=_("Cancel"),
            question=_(
                "What waits will not run, and what runs is asked to stop. What has ended stays as it is. Cancelled "
                "files can be reprocessed where their bytes are stored."
            ),
            done=lambda n: ngettext("%(n)d intake is being cancelled.", "%(n)d intakes are being cancelled.", n),
            before=_("its end was asked for before."),
        ),
        "delete": Verb(
            name="delete",
            button=_("Delete"),
            question=_(
                "The upload goes with its documents, their text, and all bytes that nothing else has. This can not be "
                "undone."
            ),
            done=lambda n: ngettext("%(n)d intake is deleted.", "%(n)d intakes are deleted.", n),
            before=_("somebody has begun to delete it before."),
        ),
    }

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip().replace("\0", "")
        return (queryset.filter(pk__in=searching.intakes(term)) if term else queryset), False

    def lines(self, rows: Sequence[Intake]) -> dict[int, Line]:
        sums, items, now = summaries(rows), live_items(row.item_id for row in rows), timezone.now()
        for row in rows:
            row.summary = sums[row.pk]  # type: ignore[attr-defined]  # for the column beside it
        return {row.pk: intake_line(row, sums[row.pk], items.get(row.item_id or 0), now) for row in rows}

    def look_at(self, row: Intake) -> None:
        if reconcile_intake(row):
            row.refresh_from_db()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        groups = [(None, {"fields": ("state", *said(self.main, self, obj))})]
        if wrong := said(self.failure, self, obj):
            groups[0][1]["fields"] += wrong
        return [*groups, (_("Times"), {"fields": said(self.times, self, obj)})]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["state", *self.main, *self.failure, *self.times]

    def buttons(self, row: Intake) -> list[Button]:
        summary, found = _summary(row), []
        if summary.failed or row.error_code:
            text = ngettext("Retry %(n)s failed file", "Retry %(n)s failed files", summary.failed)
            label = text % {"n": f"{summary.failed:,}"} if summary.failed else _("Read the archive again")
            found.append(Button("retry", label, destructive=False))
        if row.finished_at is None:
            found.append(Button("cancel", self.verbs["cancel"].button, destructive=True))
        return [*found, Button("delete", self.verbs["delete"].button, destructive=True)]

    def act(self, acting: Acting, verb: str, row: Intake, reason: str) -> str | bool | None:
        if verb == "retry":
            started = acting.retry_intake(row, reason=reason)
            return gettext("Queue item %(id)d puts them into the queue.") % {"id": started.item_id}
        return bool(getattr(acting, f"{verb}_intake")(row, reason=reason))

    def about(self, verb: str, ids: Sequence[int]) -> list[tuple[str, str]]:
        mine = IngestFile.objects.filter(intake__in=ids)
        intakes = (ngettext("intake", "intakes", len(ids)), f"{len(ids):,}")
        stopping = unfinished(ids)
        stops = (ngettext("file that has not ended", "files that have not ended", stopping), number(stopping))
        if verb == "cancel":
            return [stops, intakes]
        documents = count(Document.objects.filter(file__intake__in=ids))
        files = count(mine)
        return [
            intakes,
            (ngettext("file", "files", files), number(files)),
            (ngettext("document", "documents", documents), number(documents)),
            stops,
        ]

    def beside(self, request: HttpRequest, row: Intake) -> dict[str, Any]:
        files = list(row.files.select_related("document", "intake").order_by("ordinal")[: FILES_SHOWN + 1])
        seen = request.user.has_perm("ingestion.view_ingestfile")
        unread = row.unpacked_at is None and row.finished_at is None
        return {
            "title": str(row),
            "files": rows_of(files[:FILES_SHOWN]) if seen else None,
            "more_files": len(files) > FILES_SHOWN,
            "all_files": _files_of(row),
            "no_files": _("They are known when its archive has been unzipped.") if unread else _("It has none."),
            **happening.of_intake(request, row),
        }

    @admin.display(description=_("name"))
    def name(self, row: Intake) -> Display:
        return columns.text(str(row))

    @admin.display(description=_("files"))
    def files(self, row: Intake) -> Display:
        summary = _summary(row)
        label = _("%(done)d of %(total)d done, %(failed)d failed") % {
            "done": summary.finished,
            "total": summary.total,
            "failed": summary.failed,
        }
        return format_html('<a href="{}">{}</a>', _files_of(row), label)

    @admin.display(description=_("files"))
    def counted(self, row: Intake) -> Display:
        """How many ended how, each with a link to these."""
        summary, links = _summary(row), []
        for name, outcome in OUTCOMES.items():
            if n := getattr(summary, name):
                links.append((f"{_files_of(row)}&outcome__exact={outcome.value}", f"{n:,}", outcome.label))
        shown = format_html_join(" · ", '<a href="{}">{} {}</a>', links)
        left = summary.total - summary.finished
        rest = gettext("%(n)s not ended") % {"n": f"{left:,}"} if left else ""
        return format_html("{}{}{}", shown, " · " if shown and rest else "", rest) or columns.NOTHING

    @admin.display(description=_("progress"))
    def progress(self, row: Intake) -> Display:
        """How far it is now, for how long still, and what it works on or waits for: computed, unlike the columns."""
        [seen], now = watch_intakes([row]), timezone.now()
        left, reason = seen.seconds_left(now), seen.waiting_reason
        told = [
            f"{seen.summary.percent} %",
            "" if left is None else _("about %(span)s left") % {"span": span(left)},
            "" if seen.current_file is None else _("works on %(file)s") % {"file": seen.current_file},
            "" if reason is None else _("waits for %(reason)s") % {"reason": reason.label},
            _("stalled: nothing has moved for too long") if seen.stalled(now) else "",
        ]
        return columns.text(" · ".join(str(one) for one in told if one))

    @admin.display(description=_("size"))
    def bytes(self, row: Intake) -> Display:
        return filesizeformat(row.size)

    @admin.display(description=_("archive"))
    def archive(self, row: Intake) -> Display:
        if row.blob is None:
            return columns.NOTHING
        return columns.text(gettext("kept, SHA-256 %(hash)s") % {"hash": row.blob.sha256})

    @admin.display(description=_("unpacked by"))
    def unpacked_by(self, row: Intake) -> Display:
        return columns.item_link(row.item_id)

    @admin.display(description=_("next step"))
    def next_step(self, row: Intake) -> Display:
        return columns.text(hint_for(row.error_code) if row.error_code else "")

    @admin.display(description=_("created"))
    def created(self, row: Intake) -> Display:
        return columns.ago(row.created_at)

    @admin.display(description=_("unpacked"))
    def unpacked(self, row: Intake) -> Display:
        return columns.ago(row.unpacked_at)

    @admin.display(description=_("cancel requested"))
    def cancel_asked(self, row: Intake) -> Display:
        return columns.ago(row.cancel_requested_at)

    @admin.display(description=_("begun anew"))
    def reopened(self, row: Intake) -> Display:
        return columns.ago(row.reopened_at)

    @admin.display(description=_("finished"))
    def finished(self, row: Intake) -> Display:
        return columns.ago(row.finished_at)

    @admin.action(description=_("Retry failed files …"), permissions=["act"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Intake]) -> HttpResponse | None:
        return self.ask_about(request, outcome=Outcome.FAILED.value)

    @admin.action(description=_("Reprocess all files …"), permissions=["act"])
    def reprocess(self, request: HttpRequest, queryset: QuerySet[Intake]) -> HttpResponse | None:
        return self.ask_about(request)

    @admin.action(description=_("Cancel what has not ended …"), permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Intake]) -> HttpResponse | None:
        return self.act_on_chosen(request, "cancel")

    @admin.action(description=_("Delete …"), permissions=["remove"])
    def delete(self, request: HttpRequest, queryset: QuerySet[Intake]) -> HttpResponse | None:
        return self.act_on_chosen(request, "delete")


def _summary(row: Intake) -> Summary:
    known: Summary | None = getattr(row, "summary", None)
    return known or summaries([row])[row.pk]


def _files_of(row: Intake) -> str:
    return f"{reverse('admin:ingestion_ingestfile_changelist')}?intake__id__exact={row.pk}"
