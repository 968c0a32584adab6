"""Uploads under way, for people who wonder what fills the disk: a list to read, and an action that ends some."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ingestion.admin import ReadOnlyAdmin
from ingestion.resumable import files, sessions
from ingestion.resumable.models import UploadSession


@admin.register(UploadSession)
class UploadSessionAdmin(ReadOnlyAdmin):
    """Resumable uploads, the newest first."""

    list_display = ("name", "owner", "state", "created_at", "expires_at", "intake")
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    ordering = ("-created_at",)
    actions = ("end",)

    def lines(self, rows: Iterable[UploadSession]) -> dict[Any, str]:
        return {row.pk: _how_far(row) for row in rows}

    @admin.display(description=_("intake"))
    def intake(self, row: UploadSession) -> str:
        if row.intake_id is None:
            return "–"
        address = reverse("admin:ingestion_intake_change", args=[row.intake_id])
        return format_html('<a href="{}">{}</a>', address, row.intake_id)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [*(name for name in super().get_readonly_fields(request, obj) if name != "intake_id"), "intake"]

    @admin.action(description=_("End, and delete the bytes that have not been taken in"), permissions=["change"])
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
