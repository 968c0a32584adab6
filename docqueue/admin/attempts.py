"""Attempts that did not end well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from docqueue.admin import columns, filters
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.models import Attempt

if TYPE_CHECKING:
    Display = str | SafeString


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """Failed attempts, the latest first."""

    heading = _("Failed attempts")
    empty = _("No attempt has failed. Those that end well leave nothing here: see the finished items.")
    windowed = True
    list_display = ("id", "item", "attempt", "how", "failed_with", "worker", "ended_ago")
    list_filter = (filters.OutcomeFilter,)
    search_fields = ("item_id",)
    search_help_text = _("Exact id of an item.")
    fields = ("item", "attempt", "claim_no", "how", "code", "said", "worker", "started", "ended", "took",
              "fingerprint", "traceback_shown")  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("traceback")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Those of one item."""
        term = search_term.strip().removeprefix("#")
        if not term:
            return queryset, False
        known = term.isascii() and term.isdigit() and len(term) < 19
        return queryset.filter(Q(item_id=int(term)) if known else Q(pk__in=())), False

    @admin.display(description=_("item"))
    def item(self, attempt: Attempt) -> Display:
        return columns.item_link(attempt.item_id)

    @admin.display(description=_("outcome"))
    def how(self, attempt: Attempt) -> Display:
        return columns.badge(attempt.outcome, attempt.get_outcome_display())

    @admin.display(description=_("failure"))
    def failed_with(self, attempt: Attempt) -> Display:
        return columns.two_lines(attempt.message, attempt.code)

    @admin.display(description=_("message"))
    def said(self, attempt: Attempt) -> Display:
        return columns.text(attempt.message)

    @admin.display(description=_("worker"))
    def worker(self, attempt: Attempt) -> Display:
        return columns.worker_link(attempt.worker_id)

    @admin.display(description=_("ended"))
    def ended_ago(self, attempt: Attempt) -> Display:
        return columns.ago(attempt.ended_at)

    @admin.display(description=_("started"))
    def started(self, attempt: Attempt) -> Display:
        return columns.exact(attempt.started_at)

    @admin.display(description=_("ended"))
    def ended(self, attempt: Attempt) -> Display:
        return columns.exact(attempt.ended_at)

    @admin.display(description=_("took"))
    def took(self, attempt: Attempt) -> Display:
        return columns.took(attempt.started_at, attempt.ended_at)

    @admin.display(description=_("traceback"))
    def traceback_shown(self, attempt: Attempt) -> Display:
        return columns.block(attempt.traceback)
