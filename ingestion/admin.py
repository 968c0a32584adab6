"""Intakes, files and documents for people: one plain state line each, reprocess and cancel, and no big table counted.

Rows are shown, not edited: what changes them are the services.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from docqueue.exceptions import DocqueueError
from ingestion import admin_km  # noqa: F401 - registers its page
from ingestion.admin_paging import PAGE, BoundedPaginator, PlainQuery
from ingestion.admin_reprocess import ErrorCodeFilter, OutdatedFilter, ReprocessAdmin
from ingestion.errors import IngestionError
from ingestion.models import Document, IngestFile, Intake, Outcome
from ingestion.services import (
    cancel_document,
    cancel_intake,
    delete_document,
    delete_intake,
    reconcile_intake,
    reprocess_document,
)
from ingestion.states import file_state, intake_state, live_items, span
from ingestion.summary import summaries
from ingestion.watching import watch_intakes


class ReadOnlyAdmin(PlainQuery):
    """A list and a page to read, with a state line worked out for a whole page of rows at once."""

    list_per_page = PAGE
    list_max_show_all = PAGE
    show_full_result_count = False
    paginator = BoundedPaginator
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a row. Actions take the permission to change; a form that is sent back would change nothing that
        is seen, and put each column back to what it was when the row was read, whatever a worker wrote since.
        """
        if request.method == "POST":
            raise PermissionDenied
        context = {"show_save": False, "show_save_and_continue": False, "show_save_and_add_another": False}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        fields = [field.name for field in self.model._meta.fields]
        return [*fields, *(name for name in ("state",) if hasattr(self, name))]

    def lines(self, rows: Iterable[Any]) -> dict[int, str]:
        """State lines by id."""
        raise NotImplementedError

    @admin.display(description=_("state"))
    def state(self, row: Any) -> str:
        """The one plain line."""
        known: str | None = getattr(row, "state_line", None)
        return known if known is not None else self.lines([row])[row.pk]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        rows = list(found.result_list)
        lines = self.lines(rows)
        for row in rows:
            row.state_line = lines[row.pk]
        found.result_list = rows
        return found

    def each(
        self, request: HttpRequest, rows: QuerySet[Any], work: Callable[[Any], object], said: Callable[[int], str]
    ) -> None:
        """Do something to each selected row; refusals are shown with their reason and stop nothing."""
        well = 0
        for row in rows:
            try:
                work(row)
                well += 1
            except (IngestionError, DocqueueError) as error:
                messages.warning(request, f"{row}: {error} {error.hint}")
        if well:
            messages.success(request, said(well) % {"n": well})


class Deleting(ReadOnlyAdmin):
    """Rows that Django's own pages may delete (permission `delete_…`); the service does it."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        # Django would list every chunk. What goes along is said by the service's documentation, nothing is protected.
        rows = list(objs)
        return [str(row) for row in rows], {self.opts.verbose_name_plural: len(rows)}, set(), []

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)


def _link(kind: str, pk: int | None, label: str) -> str:
    if pk is None:
        return "–"
    return format_html('<a href="{}">{}</a>', reverse(f"admin:ingestion_{kind}_change", args=[pk]), label)


@admin.register(Intake)
class IntakeAdmin(ReprocessAdmin, Deleting):
    """Uploads."""

    selects_by = "intakes"
    list_display = ("id", "__str__", "owner", "kind", "status", "state", "files", "created_at")
    list_filter = ("status", "kind", "created_at")
    list_select_related = ("owner",)
    search_fields = ("=id", "filename", "=correlation_id", "owner__username")
    actions = ("retry", "reprocess", "cancel")

    def lines(self, rows: Iterable[Intake]) -> dict[int, str]:
        rows = list(rows)
        sums, items, now = summaries(rows), live_items(row.item_id for row in rows), timezone.now()
        for row in rows:
            row.summary = sums[row.pk]  # type: ignore[attr-defined]  # for the column beside it
        return {row.pk: intake_state(row, sums[row.pk], items.get(row.item_id or 0), now) for row in rows}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of an upload, with what its files and the queue say by now: who may not look changes nothing."""
        if request.method != "POST" and self.has_view_or_change_permission(request):
            intake = self.get_object(request, object_id)
            if intake is not None:
                reconcile_intake(intake)
        return super().change_view(request, object_id, form_url, extra_context)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "files", "progress"]

    def delete_model(self, request: HttpRequest, obj: Intake) -> None:
        delete_intake(obj, by=request.user.get_username())

    @admin.display(description=_("files"))
    def files(self, row: Intake) -> str:
        summary = getattr(row, "summary", None) or summaries([row])[row.pk]
        label = _("%(done)d of %(total)d done, %(failed)d failed") % {
            "done": summary.finished,
            "total": summary.total,
            "failed": summary.failed,
        }
        return format_html(
            '<a href="{}?intake__id__exact={}">{}</a>', reverse("admin:ingestion_ingestfile_changelist"), row.pk, label
        )

    @admin.display(description=_("progress"))
    def progress(self, row: Intake) -> str:
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
        return " · ".join(str(one) for one in told if one)

    @admin.action(description=_("Retry failed files …"), permissions=["change"])
    def retry(self, request: HttpRequest, rows: QuerySet[Intake]) -> HttpResponse | None:
        return self.ask_about(request, rows, outcome=Outcome.FAILED.value)

    @admin.action(description=_("Reprocess all files …"), permissions=["change"])
    def reprocess(self, request: HttpRequest, rows: QuerySet[Intake]) -> HttpResponse | None:
        return self.ask_about(request, rows)

    @admin.action(description=_("Cancel what has not ended"), permissions=["change"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Intake]) -> None:
        by = request.user.get_username()
        self.each(
            request,
            rows,
            lambda row: cancel_intake(row, by=by),
            lambda n: ngettext("%(n)d intake is being cancelled.", "%(n)d intakes are being cancelled.", n),
        )


class FileWork(ReprocessAdmin, ReadOnlyAdmin):
    """Actions on what has a document."""

    actions = ("reprocess", "reprocess_from", "cancel")

    def document_of(self, row: Any) -> Document:
        """The document behind a row. Raises an `IngestionError`."""
        raise NotImplementedError

    @admin.action(description=_("Reprocess"), permissions=["change"])
    def reprocess(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        by = request.user.get_username()
        self.each(
            request,
            rows,
            lambda row: reprocess_document(self.document_of(row), by=by),
            lambda n: ngettext("%(n)d document is processed anew.", "%(n)d documents are processed anew.", n),
        )

    @admin.action(description=_("Reprocess from a stage …"), permissions=["change"])
    def reprocess_from(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        return self.ask_about(request, rows)

    @admin.action(description=_("Cancel"), permissions=["change"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        by = request.user.get_username()
        self.each(
            request,
            rows,
            lambda row: cancel_document(self.document_of(row), by=by),
            lambda n: ngettext("%(n)d document is being cancelled.", "%(n)d documents are being cancelled.", n),
        )


@admin.register(IngestFile)
class IngestFileAdmin(FileWork):
    """Files of uploads."""

    selects_by = "files"
    list_display = ("id", "source_path", "intake_link", "state", "outcome", "error_code", "size", "document_link")
    list_filter = ("outcome", "stage", ErrorCodeFilter)
    list_select_related = ("intake",)
    search_fields = ("=id", "source_path", "=error_code", "=intake__id", "=item_id")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "intake__id__exact" or super().lookup_allowed(lookup, value, request)

    def lines(self, rows: Iterable[IngestFile]) -> dict[int, str]:
        rows = list(rows)
        items, now = live_items(row.item_id for row in rows), timezone.now()
        return {row.pk: file_state(row, items.get(row.item_id or 0), now) for row in rows}

    def document_of(self, row: IngestFile) -> Document:
        if row.document is None:
            raise IngestionError("It has no document yet.", code="not_reprocessable", hint=row.hint)
        return row.document

    @admin.display(description=_("intake"))
    def intake_link(self, row: IngestFile) -> str:
        return _link("intake", row.intake_id, str(row.intake_id))

    @admin.display(description=_("document"))
    def document_link(self, row: IngestFile) -> str:
        return _link("document", row.document_id, str(row.document_id))


@admin.register(Document)
class DocumentAdmin(FileWork, Deleting):
    """Documents."""

    selects_by = "documents"
    list_display = ("id", "title", "owner", "state", "content_type", "page_count", "text_length", "created_at")
    list_filter = ("text_status", "text_reason", OutdatedFilter, "created_at")
    list_select_related = ("owner", "file__intake")
    search_fields = ("=id", "title", "owner__username")

    def lines(self, rows: Iterable[Document]) -> dict[int, str]:
        files = {row.pk: row.file for row in rows if hasattr(row, "file")}
        items, now = live_items(file.item_id for file in files.values()), timezone.now()
        lines = {pk: file_state(file, items.get(file.item_id or 0), now) for pk, file in files.items()}
        return {row.pk: lines.get(row.pk, "–") for row in rows}

    def document_of(self, row: Document) -> Document:
        return row

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "km_calls"]

    @admin.display(description=_("knowledge store calls"))
    def km_calls(self, row: Document) -> str:
        return format_html('<a href="{}?q={}">{}</a>', reverse("admin:ingestion_kmcall_changelist"), row.pk, _("show"))

    def delete_model(self, request: HttpRequest, obj: Document) -> None:
        delete_document(obj, by=request.user.get_username())
