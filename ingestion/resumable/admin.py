"""Uploads under way, for people who wonder what fills the disk: a list to read, and an action that ends some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from docqueue.admin import columns
from docqueue.admin.actions import REASON_MAX
from ingestion.admin.base import StateAdmin
from ingestion.admin.paging import PAGE, BoundedPaginator
from ingestion.people import note
from ingestion.resumable import files, sessions
from ingestion.resumable.models import UploadSession
from ingestion.states import Line

QUESTION = _("They are forgotten, with the bytes that have not been taken in. What became an intake stays.")


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

    @admin.action(description=_("End …"), permissions=["act"])
    def end(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self._question(request, list(rows[:PAGE]))
        reason, by = request.POST.get("reason", "").strip()[:REASON_MAX], request.user.get_username()

        def end_one(row: UploadSession) -> None:
            upload = str(row.pk)  # which a deleted row has no more
            sessions.end(row)
            note("end_upload", by, reason, upload=upload, name=row.name)

        self.each(
            request,
            rows,
            end_one,
            lambda n: ngettext("%(n)d upload was ended.", "%(n)d uploads were ended.", n),
        )
        if gone := len(set(request.POST.getlist(ACTION_CHECKBOX_NAME))) - len(rows):
            text = ngettext("%(n)d of them had ended before.", "%(n)d of them had ended before.", gone)
            messages.warning(request, text % {"n": gone})
        return None

    def _question(self, request: HttpRequest, rows: list[UploadSession]) -> HttpResponse:
        here = sum(files.size_of(row.pk) or 0 for row in rows if row.intake_id is None)
        uploads = ngettext("upload", "uploads", len(rows))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("End uploads?"),
            "opts": self.opts,
            "media": self.media,
            "verb": {"question": QUESTION, "button": gettext("End")},
            "ids": [row.pk for row in rows],
            "listed": [(row, _how_far(row)) for row in rows],
            "about": [(uploads, f"{len(rows):,}"), (gettext("bytes that are deleted"), f"{here:,}")],
            "yes": gettext("Yes, End %(n)d %(uploads)s") % {"n": len(rows), "uploads": uploads},
            "back": self.address("changelist"),
            "reason_max": REASON_MAX,
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "action": "end",
        }
        return TemplateResponse(request, "admin/ingestion/confirm.html", context)


def _how_far(row: UploadSession) -> str:
    here = row.length if row.intake_id is not None else files.size_of(row.pk)
    if here is None:
        return str(_("its bytes are gone"))
    share = {"here": f"{here:,}", "all": f"{row.length:,}", "percent": here * 100 // row.length}
    return str(_("%(here)s of %(all)s bytes (%(percent)d %%)")) % share
