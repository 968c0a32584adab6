"""What people did to items, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from docqueue import listing, store
from docqueue.admin import columns
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.models import AuditEntry

if TYPE_CHECKING:
    Display = str | SafeString

SHOWN = 50  # entries on the page of what they are about


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """The latest first."""

    heading = _("Audit")
    empty = _(
        "Nobody has done anything yet. Whoever requeues, cancels, pauses or changes something stands here, and why."
    )
    list_display = ("when", "who", "action", "item", "count", "why")
    list_display_links = ("when",)
    search_fields = ("item_id",)
    search_help_text = _("Exact id of an item, or a person.")
    fields = ("moment", "who", "action", "item", "count", "why", "filter_shown")
    readonly_fields = fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Those of one item, or of one person where there is none of such an item. Both have an index."""
        term = search_term.strip().removeprefix("#")
        if not term:
            return queryset, False
        if term.isascii() and term.isdigit() and len(term) < 19:
            of_item = queryset.filter(item_id=int(term))
            if of_item.order_by().exists():
                return of_item, False
        return queryset.filter(actor=term.replace("\0", "")), False

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


def of_many(using: str, **wanted: Any) -> QuerySet[AuditEntry]:
    """What people did to no single item, with this in its filter, the latest first: of the newest such entries."""
    params = {"wanted": json.dumps(wanted), "window": listing.WINDOW, "most": SHOWN}
    ids = [entry_id for (entry_id,) in store.run(using, "audit_of_many", params)]
    return AuditEntry.objects.using(using).filter(pk__in=ids).order_by("-id")
