"""What people did to items, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from docqueue.admin import columns
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.models import AuditEntry

if TYPE_CHECKING:
    Display = str | SafeString


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """The latest first."""

    heading = _("Audit")
    empty = _("Nobody has done anything yet. What people do to items, queues and workers is written down here.")
    list_display = ("when", "who", "action", "item", "count", "why")
    list_display_links = ("when",)
    search_fields = ("item_id",)
    search_help_text = _("Exact id of an item, or a person.")
    fields = ("moment", "who", "action", "item", "count", "why", "filter_shown")
    readonly_fields = fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Those of one item or one person."""
        term = search_term.strip().removeprefix("#")
        if not term:
            return queryset, False
        wanted = Q(actor=term)
        if term.isascii() and term.isdigit() and len(term) < 19:
            wanted |= Q(item_id=int(term))
        return queryset.filter(wanted), False

    @admin.display(description=_("at"))
    def when(self, entry: AuditEntry) -> Display:
        return columns.ago(entry.at)

    @admin.display(description=_("at"))
    def moment(self, entry: AuditEntry) -> Display:
        return columns.exact(entry.at)

    @admin.display(description=_("who"))
    def who(self, entry: AuditEntry) -> Display:
        return columns.text(entry.actor)

    @admin.display(description=_("item"))
    def item(self, entry: AuditEntry) -> Display:
        return columns.item_link(entry.item_id)

    @admin.display(description=_("reason"))
    def why(self, entry: AuditEntry) -> Display:
        return columns.text(entry.reason)

    @admin.display(description=_("filter"))
    def filter_shown(self, entry: AuditEntry) -> Display:
        return columns.as_json(entry.filter) if entry.filter else columns.NOTHING
