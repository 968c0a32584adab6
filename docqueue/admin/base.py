"""What all pages share: read only, in the queue's database, paged by key, with a word about queues nobody serves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db.models import Count, Min, Model, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse

from docqueue.admin import banner
from docqueue.conf import get_settings

if TYPE_CHECKING:
    BaseAdmin = admin.ModelAdmin[Any]
else:
    BaseAdmin = admin.ModelAdmin

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
WINDOW = 20_000
"""So many rows are looked at for one page, where no index serves its filter."""
SHIFT = 2**63  # of the moment in a page key; the id stands below it


class KeysetChangeList(ChangeList):
    """Pages by key instead of by number: no count, no offset, each page is one walk along an index.

    The page parameter holds the key of the last row of the page before: its id, or moment and id in one number.
    """

    model_admin: ReadOnlyAdmin
    queryset: QuerySet[Any]

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Newest first, always.

        A filter that leaves few rows has an index of its own. Where the order is that of another index, the planner
        may walk along that one instead, past all that others have; so the order is not quite that of a column.
        """
        first, *rest = self.model_admin.keyset
        narrow = any(name in self.params for name in self.model_admin.narrow_filters)
        return [Coalesce(first, first).desc() if narrow else f"-{first}", *(f"-{name}" for name in rest)]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page and look whether there is one more row."""
        rows, bound = self._read(request)
        self.result_list = rows[: self.list_per_page]
        self.result_count = len(self.result_list)
        self.full_result_count = self.result_count  # equal: then no number of results is shown
        self.show_admin_actions = bool(rows)
        self.can_show_all, self.multi_page = True, False
        more = len(rows) > self.list_per_page
        key = self._key_of(self.result_list[-1]) if more else bound
        self.next_link = self.get_query_string({PAGE_VAR: key}) if key is not None else None
        self.first_link = self.get_query_string() if self.page_num != 1 else None
        self.model_admin.prepare_page(self.result_list)

    def _read(self, request: HttpRequest) -> tuple[list[Any], int | None]:
        """The rows of a page and one more; and the key from which to go on where not all were looked at.

        A filter that no index serves might walk over millions of rows that do not fit: it looks at `WINDOW` at a time.
        """
        self.looked_at: int | None = None
        found, most = self._from_key(self.queryset), self.list_per_page + 1
        if not self.model_admin.must_walk(self):
            return list(found[:most]), None
        if (few := self.model_admin.few(self)) is not None:
            return list(found.filter(pk__in=few)[:most]), None
        base = self._from_key(self.root_queryset)
        for spec in self.filter_specs:
            if (start := getattr(spec, "start", None)) is not None:
                base, found = start(request, base), start(request, found)
        first, *_ = self.model_admin.keyset
        window = base.order_by(*self.get_ordering(request, base)).values(*self.model_admin.keyset)[:WINDOW]
        seen = window.aggregate(number=Count("*"), last=Min(first))
        if seen["number"] < WINDOW:
            return list(found[:most]), None
        rows = list(found.filter(**{f"{first}__gte": seen["last"]})[:most])
        if len(rows) == most:
            return rows, None
        self.looked_at = seen["number"]
        moment = len(self.model_admin.keyset) > 1
        return rows, (seen["last"] - EPOCH) // MICROSECOND * SHIFT if moment else seen["last"]

    def _from_key(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.page_num == 1:  # what Django makes of a missing parameter; nothing comes after the key 1
            return queryset
        if self.page_num < 1 or self.page_num >= SHIFT * SHIFT:
            raise IncorrectLookupParameters
        *moment, pk = self.model_admin.keyset
        if not moment:
            return queryset.filter(**{f"{pk}__lt": self.page_num})
        micros, last = divmod(self.page_num, SHIFT)
        try:
            at = EPOCH + micros * MICROSECOND
        except OverflowError as error:
            raise IncorrectLookupParameters from error
        # Not (a < x or a = x and b < y): this form can walk the index from x.
        return queryset.filter(**{f"{moment[0]}__lte": at}).exclude(**{moment[0]: at, f"{pk}__gte": last})

    def _key_of(self, row: Model) -> int:
        *moment, pk = self.model_admin.keyset
        key: int = getattr(row, pk)
        return (getattr(row, moment[0]) - EPOCH) // MICROSECOND * SHIFT + key if moment else key


class ReadOnlyAdmin(BaseAdmin):
    """A list to look at. Nothing can be added, edited or deleted."""

    keyset: Sequence[str] = ("id",)
    narrow_filters: Sequence[str] = ()
    served_filters: Sequence[str] = ()
    windowed = False
    heading: Any = ""
    empty: Any = ""
    list_per_page = 50
    sortable_by = ()
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions_selection_counter = True

    class Media:
        css = {"all": ("docqueue/admin.css",)}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).using(get_settings().DATABASE)

    def must_walk(self, changelist: KeysetChangeList) -> bool:
        """Whether its filter may have to walk over many rows: of a large list, unless an index serves it."""
        asked = changelist.get_filters_params()
        return (
            self.windowed
            and bool(asked)
            and not any(name in asked for name in (*self.narrow_filters, *self.served_filters))
        )

    def few(self, changelist: KeysetChangeList) -> list[int] | None:
        """The ids of those that may fit, where an index says that they are few."""
        return None

    def prepare_page(self, rows: Sequence[Any]) -> None:
        """Add to the rows of one page what takes a query for all of them together."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"docqueue_hints": banner.hints(get_settings().DATABASE), **(extra_context or {})}
        if self.heading:
            context.setdefault("title", self.heading)
        if self.empty:
            context.setdefault("docqueue_empty", self.empty)
        return super().changelist_view(request, context)
