"""Lists of the admin: none counts a table, and none takes to the database what it can not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.functional import cached_property

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
    AnyPaginator = Paginator[Any]
else:
    AnyModelAdmin = admin.ModelAdmin
    AnyPaginator = Paginator

PAGE = 50
PAGES = 20


class BoundedPaginator(AnyPaginator):
    """The first thousand rows of a list and no further (filters and search find the rest): no table is ever counted."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return rows.order_by()[: PAGE * PAGES].count() if isinstance(rows, QuerySet) else len(rows)


class PlainQuery(AnyModelAdmin):
    """A list that takes no NUL to the database, which has no text with one: it is shown as after any odd query."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list."""
        if any("\0" in value for _, values in request.GET.lists() for value in values):
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")
        return super().changelist_view(request, extra_context)
