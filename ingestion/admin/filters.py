"""Filters of the lists that are ours: none of them reads a table to find what there is to choose."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import connections, router
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from docqueue.admin.filters import ColumnFilter
from ingestion.models import IngestFile, Outcome
from ingestion.selecting import outdated

FAILED_CODES = """
with recursive codes as (
    (select error_code from ingestion_ingestfile where outcome = 'failed' order by error_code limit 1)
    union all
    select (select f.error_code from ingestion_ingestfile f
            where f.outcome = 'failed' and f.error_code > c.error_code order by f.error_code limit 1)
    from codes c where c.error_code is not null
)
select error_code from codes where error_code <> '' limit 100
"""


class ErrorCodeFilter(admin.SimpleListFilter):
    """Codes that files have failed with: as many look-ups in the index as there are codes.

    The index has the files of each in the order of the list.
    """

    in_order = True

    title = gettext_lazy("error code")
    parameter_name = "error_code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        codes = {*failed_codes(), *([self.value() or ""] if self.value() else [])}
        return [(code, code) for code in sorted(codes)]

    def has_output(self) -> bool:
        return bool(self.lookup_choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        code = (self.value() or "").replace("\0", "")
        return queryset.filter(outcome=Outcome.FAILED, error_code=code) if code else queryset


class IntakeFilter(ColumnFilter):
    """Files of an intake, which its page links to: there are too many intakes to list.

    An upload has not more files than the limits allow, and an index has them; not in the order of the list.
    """

    title = gettext_lazy("intake")
    parameter_name = "intake__id__exact"
    few = False

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = self.value()
        return [(value, f"#{value}")] if value else []

    def has_output(self) -> bool:
        return bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        if not value:
            return queryset
        self.few = True
        known = value.isascii() and value.isdigit() and len(value) < 19
        return queryset.filter(intake=int(value)) if known else queryset.none()


class OutdatedFilter(admin.SimpleListFilter):
    """Documents whose text an older version of their extractor took."""

    title = gettext_lazy("text")
    parameter_name = "outdated"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", gettext_lazy("taken by an older version"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(outdated()) if self.value() == "1" else queryset


def failed_codes() -> list[str]:
    """The codes that files have failed with, a hundred at most."""
    with connections[router.db_for_read(IngestFile)].cursor() as cursor:
        cursor.execute(FAILED_CODES)
        return [code for (code,) in cursor.fetchall()]
