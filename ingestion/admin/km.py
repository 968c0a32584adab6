"""Calls to the knowledge store for people: a list to search, and a page with the percentiles of a window of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from docqueue.admin.base import KeysetChangeList, ReadOnlyAdmin
from ingestion.diagnostics import reading
from ingestion.diagnostics.keeping import PHASES
from ingestion.errors import InvalidWindow
from ingestion.models import KmCall

WINDOWS = (1, 6, 24, 24 * 7, reading.MOST_HOURS)
METHODS = ("health", "exists", "put", "put_many", "status", "delete", "tag", "search")
MOST_LINKS = 5
MOST_CALLS = 500  # of one document, the newest
PHASE_NAMES = {
    "queue_wait": _("wait for a connection"),
    "connect": _("connect"),
    "send": _("send"),
    "first_byte": _("first byte"),
    "total": _("total"),
}


class MethodFilter(admin.SimpleListFilter):
    """By method: the protocol's, without a look into the table."""

    title = _("method")
    parameter_name = "method"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(method, method) for method in METHODS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(method=self.value()) if self.value() else queryset


class EndFilter(admin.SimpleListFilter):
    """How it ended: well, or with one of the codes of the last day."""

    title = _("end")
    parameter_name = "end"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        codes = {one.code for one in reading.error_codes()} | ({self.value() or ""} - {"", "ok", "failed"})
        return [("ok", _("well")), ("failed", _("failed")), *((code, code) for code in sorted(codes))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match (self.value() or "").replace("\0", ""):
            case "":
                return queryset
            case "ok":
                return queryset.filter(code="")
            case "failed":
                return queryset.exclude(code="")
            case code:
                return queryset.filter(code=code)


class StatusFilter(admin.SimpleListFilter):
    """By the class of HTTP status."""

    title = _("HTTP status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*((str(n), f"{n}xx") for n in range(2, 6)), ("none", _("no answer"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value() or ""
        if wanted == "none":
            return queryset.filter(status=None)
        if wanted in ("2", "3", "4", "5"):
            return queryset.filter(status__gte=int(wanted) * 100, status__lt=int(wanted) * 100 + 100)
        return queryset


def milliseconds(seconds: float | None) -> str:
    """A duration as the pages write it."""
    return "–" if seconds is None else f"{seconds * 1000:,.1f}\xa0ms"


def _phase(name: str) -> Callable[[Any, KmCall], str]:
    """The column of one duration."""
    field = f"{name}_seconds"

    @admin.display(description=PHASE_NAMES[name])
    def shown(_page: Any, call: KmCall) -> str:
        return milliseconds(getattr(call, field))

    return shown


@admin.register(KmCall)
class KmCallAdmin(ReadOnlyAdmin):
    """Calls, the newest first. They are looked at and nothing else."""

    change_list_template = "admin/ingestion/km_calls.html"
    list_display = ("id", "when", "method", "attempt", "status", "code", "total", "documents", "size", "speed")
    list_filter = (MethodFilter, EndFilter, StatusFilter)
    search_fields = ("document_ids",)
    search_help_text = _("The id of a document.")
    heading = _("Knowledge store calls")
    empty = _("No call was made. The calls of workers to a knowledge store are shown here; this database has none.")
    actions = None
    readonly_fields = (
        *("when", "method", "attempt", "status", "code", "documents", "bytes_sent", "speed"),
        *PHASES,
    )
    fields = readonly_fields

    class Media:
        css = {"all": ("docqueue/admin.css", "ingestion/admin.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return admin.ModelAdmin.get_queryset(self, request)  # where our rows are, not those of the queue

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.diagnostics_view)
        return [path("diagnostics/", view, name="ingestion_kmcall_diagnostics"), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return queryset, False  # `few` has found them

    def few(self, changelist: KeysetChangeList) -> Sequence[int] | None:
        """Calls about this document, the newest: by the index over their ids.

        It has no order. In the order of ids itself the planner may walk along these, past all other documents' calls.
        """
        term = changelist.query.strip()
        if not term:
            return None
        if not (term.isascii() and term.isdigit() and len(term) < 19):
            return []
        rows = KmCall.objects.filter(document_ids__contains=[int(term)]).order_by(Coalesce("id", "id").desc())
        return list(rows.values_list("pk", flat=True)[:MOST_CALLS])

    def diagnostics_view(self, request: HttpRequest) -> HttpResponse:
        """Percentiles, errors and the slowest calls of a window."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        method, refusal = request.GET.get("method", ""), ""
        try:
            found = reading.diagnose(hours=request.GET.get("hours") or reading.HOURS, method=method)
        except InvalidWindow as error:
            found, refusal, method = reading.diagnose(), f"{error} {error.hint}", ""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("How the knowledge store does"),
            "opts": self.opts,
            "store": reading.store_name(),
            "refusal": refusal,
            "found": found,
            "method": method,
            "windows": [(hours, _in_words(hours)) for hours in WINDOWS],
            "methods": METHODS,
            "phases": list(PHASE_NAMES.values()),
            "rows": [_row(one) for one in found.methods],
            "slowest": [(call, self.documents(call), milliseconds(call.total_seconds)) for call in found.slowest],
        }
        return TemplateResponse(request, "admin/ingestion/km_diagnostics.html", context)

    @admin.display(description=_("started"))
    def when(self, call: KmCall) -> str:
        return call.started_at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]

    @admin.display(description=_("documents"))
    def documents(self, call: KmCall) -> SafeString | str:
        """Links to the first of them; those that are gone lead to a page that says so."""
        links = format_html_join(
            ", ",
            '<a href="{}">{}</a>',
            ((reverse("admin:ingestion_document_change", args=[pk]), str(pk)) for pk in call.document_ids[:MOST_LINKS]),
        )
        more = len(call.document_ids) - MOST_LINKS
        if more <= 0:
            return links or "–"
        return format_html("{} {}", links, gettext("and %(n)d more") % {"n": more})

    @admin.display(description=_("bytes"))
    def size(self, call: KmCall) -> str:
        return filesizeformat(call.bytes_sent) if call.bytes_sent else "–"

    @admin.display(description=_("speed"))
    def speed(self, call: KmCall) -> str:
        return _per_second(call.bytes_per_second)

    queue_wait, connect, send, first_byte, total = map(_phase, PHASES)


def _row(one: reading.Method) -> tuple[reading.Method, str, str, list[tuple[str, ...]]]:
    """A method with its bytes, speed, and three percentiles for each phase."""
    phases = [
        ("–",) * 3 if found is None else tuple(map(milliseconds, (found.p50, found.p95, found.p99)))
        for found in one.seconds.values()
    ]
    return one, filesizeformat(one.bytes_sent), _per_second(one.bytes_per_second), phases


def _per_second(number: float | None) -> str:
    return "–" if number is None else gettext("%(size)s/s") % {"size": filesizeformat(number)}


def _in_words(hours: int) -> str:
    if hours < 24:
        return gettext("%(n)d h") % {"n": hours}
    return gettext("%(n)d d") % {"n": hours // 24}
