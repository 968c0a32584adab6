"""Finished items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from docqueue import redaction
from docqueue.admin import columns, filters, item_filters, searching
from docqueue.admin.items import ItemAdmin
from docqueue.models import HistoryItem

if TYPE_CHECKING:
    Display = str | SafeString


HERE = "admin:docqueue_historyitem_changelist"
PRESETS = (
    (_("Finished within 1 hour"), HERE, "within=1h"),
    (_("Cancelled within 1 day"), HERE, "status=cancelled&within=1d"),
)


@admin.register(HistoryItem)
class HistoryItemAdmin(ItemAdmin):
    """Completed and cancelled items, the latest finish first."""

    heading = _("Finished items")
    empty = _("Nothing has finished yet, or it was longer ago than finished items are kept (RETENTION_DAYS).")
    keyset = ("finished_at", "id")
    list_display = ("id_", "what", "document", "state", "why", "tries", "took", "finished_ago")
    list_filter = (filters.FinishedStatusFilter, filters.QueueFilter, filters.OperationFilter,
                   item_filters.FinishedWithinFilter, item_filters.FinishedAgeFilter, item_filters.TenantFilter,
                   item_filters.DocumentFilter, filters.BatchFilter)  # fmt: skip
    presets = PRESETS
    search_help_text = _("Exact id, document, unique key or operation.")
    search = staticmethod(searching.finished)
    bulk_actions = ("purge",)
    bulk_by_age = "purge"
    running = ("tries", "crashes", "worker", "ordering_key", "unique_key")
    rules = ("tenant", "batch")
    times: tuple[str, ...] = ("enqueued", "starts_after", "claimed", "finished", "took")
    failure = ("error_code",)
    data = (*ItemAdmin.data, "result_shown")

    def slim(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().slim(queryset).defer("result")

    @admin.display(description=_("took"))
    def took(self, item: HistoryItem) -> Display:
        return columns.took(item.claimed_at, item.finished_at)

    @admin.display(description=_("finished"))
    def finished_ago(self, item: HistoryItem) -> Display:
        return columns.ago(item.finished_at)

    @admin.display(description=_("finished"))
    def finished(self, item: HistoryItem) -> Display:
        return columns.exact(item.finished_at)

    @admin.display(description=_("result"))
    def result_shown(self, item: HistoryItem) -> Display:
        return columns.as_json(redaction.shown(item.operation, item.result))
