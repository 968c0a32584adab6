"""Lists of the admin that never count a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
else:
    AnyPaginator = Paginator

PAGE = 50
PAGES = 20


class BoundedPaginator(AnyPaginator):
    """The first thousand rows of a list and no further (filters and search find the rest): no table is ever counted."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return rows[: PAGE * PAGES].count() if isinstance(rows, QuerySet) else len(rows)
