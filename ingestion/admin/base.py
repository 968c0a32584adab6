"""What the lists and pages share: rows to read, each with one plain state line, worked out for a whole page at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from docqueue.admin import columns
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.exceptions import DocqueueError
from ingestion.codes import MessageCode
from ingestion.errors import IngestionError
from ingestion.states import Line

if TYPE_CHECKING:
    Display = str | SafeString

REFUSALS = (IngestionError, DocqueueError)
COLOURS = {
    MessageCode.COMPLETED: "completed",
    MessageCode.COMPLETED_NO_TEXT: "completed",
    MessageCode.COMPLETED_WITH_ERRORS: "failed",
    MessageCode.UNZIPPING: "in_progress",
    MessageCode.UPLOADING: "in_progress",
    MessageCode.INDEXING: "in_progress",
}
"""What the line is coloured as; the colour never says more than the words do."""


class StateAdmin(ReadOnlyAdmin):
    """A list and a page to read, with the state line of each row. `empty` teaches what fills it."""

    change_list_template = "admin/ingestion/change_list.html"
    empty: Any = ""

    class Media:
        css = {"all": ("ingestion/admin.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return admin.ModelAdmin.get_queryset(self, request)  # where our rows are, not those of the queue

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"docqueue_empty": self.empty, **(extra_context or {})})

    def lines(self, rows: Sequence[Any]) -> dict[Any, Line]:
        """State lines by id."""
        raise NotImplementedError

    @admin.display(description=_("state"))
    def state(self, row: Any) -> Display:
        """The one plain line."""
        line: Line = getattr(row, "state_line", None) or self.lines([row])[row.pk]
        code = line.code.partition(":")[0]
        colour = "failed" if code == MessageCode.FAILED else COLOURS.get(code, "")  # type: ignore[call-overload]
        return format_html('<span class="docqueue-text docqueue-{}">{}</span>', colour or "plain", line.text)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        rows = list(found.result_list)
        lines = self.lines(rows)
        for row in rows:
            row.state_line = lines[row.pk]
        found.result_list = rows
        return found

    def has_act_permission(self, request: HttpRequest) -> bool:
        """For actions: what changing a row takes, though nobody edits one."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"))

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """For actions: what deleting a row takes. Django's own pages delete nothing; our verbs do."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.delete_{self.opts.model_name}"))

    def each(
        self, request: HttpRequest, rows: QuerySet[Any], work: Callable[[Any], object], said: Callable[[int], str]
    ) -> None:
        """Do something to each selected row; refusals are shown with their reason and stop nothing."""
        well = 0
        for row in rows:
            try:
                work(row)
                well += 1
            except REFUSALS as error:
                messages.warning(request, f"{row}: {error} {error.hint}")
        if well:
            messages.success(request, said(well) % {"n": well})

    def page_of(self, pk: Any) -> str:
        """The address of a row's page."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[quote(str(pk))])

    def address(self, what: str, *args: Any) -> str:
        """The address of another page of this kind of row."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{what}", args=args)


def link(kind: str, pk: int | None, label: str = "") -> Display:
    """A link to a row's page."""
    if pk is None:
        return columns.NOTHING
    there = reverse(f"admin:ingestion_{kind}_change", args=[pk])
    return format_html('<a class="docqueue-text" href="{}">{}</a>', there, label or str(pk))


def said(fields: Iterable[str], admin_of: Any, row: Any) -> tuple[str, ...]:
    """Those of these fields that have something to say of the row."""

    def value(name: str) -> Any:
        own = getattr(admin_of, name, None)
        return own(row) if callable(own) else getattr(row, name)

    return tuple(name for name in fields if value(name) not in (None, "", [], columns.NOTHING))
