"""Uploads under way, for people who wonder what fills the disk: a list to read, and an action that ends some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from docqueue.admin import columns
from ingestion.admin.base import StateAdmin
from ingestion.admin.paging import PAGE, BoundedPaginator
from ingestion.resumable import files, sessions
from ingestion.resumable.models import UploadSession
from ingestion.states import Line


@admin.register(UploadSession)
class UploadSessionAdmin(StateAdmin):
    """Resumable uploads, the newest first."""

    heading = _("Resumable uploads")
    empty = _("No large upload is under way. They come in pieces by tus at /api/v1/uploads, until all is in.")
    list_display = ("name", "owner", "state", "created", "expires", "intake")
    list_per_page = list_max_show_all = PAGE
    paginator = BoundedPaginator
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    ordering = ("-created_at",)
    actions = ("end",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ChangeList  # a random id is no key to page by, and there are few

    def lines(self, rows: Sequence[UploadSession]) -> dict[Any, Line]:
        return {row.pk: Line("", _how_far(row)) for row in rows}

    @admin.display(description=_("created"))
    def created(self, row: UploadSession) -> str:
        return columns.ago(row.created_at)

    @admin.display(description=_("expires"))
    def expires(self, row: UploadSession) -> str:
        return columns.ago(row.expires_at)

    @admin.display(description=_("intake"))
    def intake(self, row: UploadSession) -> str:
        if row.intake_id is None:
            return "–"
        address = reverse("admin:ingestion_intake_change", args=[row.intake_id])
        return format_html('<a href="{}">{}</a>', address, row.intake_id)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        hidden = ("intake_id", "created_at", "expires_at")
        own = [field.name for field in self.opts.fields if field.name not in hidden]
        return ["state", *own, "created", "expires", "intake"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return list(self.get_fields(request, obj))

    @admin.action(description=_("End, and delete the bytes that have not been taken in"), permissions=["act"])
    def end(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        self.each(
            request,
            rows,
            sessions.end,
            lambda n: ngettext("%(n)d upload was ended.", "%(n)d uploads were ended.", n),
        )


def _how_far(row: UploadSession) -> str:
    here = row.length if row.intake_id is not None else files.size_of(row.pk)
    if here is None:
        return str(_("its bytes are gone"))
    share = {"here": f"{here:,}", "all": f"{row.length:,}", "percent": here * 100 // row.length}
    return str(_("%(here)s of %(all)s bytes (%(percent)d %%)")) % share
