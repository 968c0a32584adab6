"""Rate limits and circuit breakers: what each allows now, and whether it lets anything start at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from docqueue import stats, stops, store, waits
from docqueue.admin import columns, filters
from docqueue.admin.base import KeysetChangeList, ReadOnlyAdmin
from docqueue.conf import get_settings
from docqueue.models import Limit
from docqueue.validation import storable

if TYPE_CHECKING:
    Display = str | SafeString

MARK = b"\x01"  # before the key's bytes in the number of a page: no key gives the number of the first page


class TextKeyChangeList(KeysetChangeList):
    """Pages by a key that is a text, in its order; the page parameter holds its bytes as one number."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return list(self.model_admin.keyset)

    def _from_key(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.page_num == 1:
            return queryset
        try:
            mark, *rest = self.page_num.to_bytes((self.page_num.bit_length() + 7) // 8, "big")
            last = bytes(rest).decode()
        except (OverflowError, ValueError) as error:
            raise IncorrectLookupParameters from error
        if bytes([mark]) != MARK or not storable(last):
            raise IncorrectLookupParameters
        return queryset.filter(**{f"{self.model_admin.keyset[0]}__gt": last})

    def _key_of(self, row: Model) -> int:
        return int.from_bytes(MARK + getattr(row, self.model_admin.keyset[0]).encode(), "big")


@admin.register(Limit)
class LimitAdmin(ReadOnlyAdmin):
    """Limits by key: those that items have named. Their figures come from the setting LIMITS."""

    heading = _("Limits and circuit breakers")
    keyset = ("key",)
    list_display = ("key_", "starts", "burst", "tokens_now", "breaker", "failures")
    list_filter = (filters.BreakerFilter,)
    search_fields = ("key",)
    search_help_text = _("The beginning of a key.")
    fields = (
        "key_",
        "starts",
        "burst",
        "tokens_now",
        "breaker",
        "opened",
        "failures",
        "failures_to_open",
        "open_seconds",
    )
    readonly_fields = fields

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TextKeyChangeList

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see queue items may see what they wait for."""
        return request.user.has_perm("docqueue.view_queueitem")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Those whose key begins so."""
        term = search_term.strip()
        return (queryset.filter(key__startswith=term) if term else queryset), False

    def prepare_page(self, rows: Sequence[Any]) -> None:
        using = get_settings().DATABASE
        now = store.clock(using) if rows else datetime.now(UTC)
        opened = {one.limit: one for one in stops.open_breakers(using, rows)}
        for limit in rows:
            limit.now_shown, limit.opened_shown = now, opened.get(limit.key)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        limit = super().get_object(request, object_id, from_field)
        if limit is not None:
            self.prepare_page([limit])
        return limit

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        empty = gettext("No item has named a limit. The setting LIMITS has them, and an item's limit_key names one.")
        return super().changelist_view(request, {"docqueue_empty": empty, **(extra_context or {})})

    @admin.display(description=_("key"))
    def key_(self, limit: Limit) -> Display:
        return columns.text(limit.key)

    @admin.display(description=_("starts"))
    def starts(self, limit: Limit) -> Display:
        return columns.NOTHING if limit.rate is None else waits.rate(limit.rate)

    @admin.display(description=_("may start now"))
    def tokens_now(self, limit: Any) -> Display:
        return columns.NOTHING if limit.rate is None else f"{limit.tokens_at(limit.now_shown):,.1f}"

    @admin.display(description=_("breaker"))
    def breaker(self, limit: Any) -> Display:
        opened, now = limit.opened_shown, limit.now_shown
        if opened is not None:
            half = opened.half_open(now)
            badge = columns.badge("waiting" if half else "dead", gettext("half-open") if half else gettext("open"))
            since = stats.in_words((now - opened.since).total_seconds())
            return format_html("{} {}; {}", badge, gettext("for %(time)s") % {"time": since}, opened.next_in_words(now))
        return columns.NOTHING if limit.failures_to_open is None else columns.badge("completed", gettext("closed"))

    @admin.display(description=_("open since"))
    def opened(self, limit: Limit) -> Display:
        return columns.exact(limit.opened_at)
