"""What all pages share: read only, in the queue's database, paged by key, with a word about queues nobody serves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR, ChangeList
from django.db.models import Model, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from docqueue import listing
from docqueue.admin import banner
from docqueue.conf import get_settings

if TYPE_CHECKING:
    BaseAdmin = admin.ModelAdmin[Any]
else:
    BaseAdmin = admin.ModelAdmin

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SHIFT = 2**63  # of the moment in a page key; the id stands below it


class KeysetChangeList(ChangeList):
    """Pages by key instead of by number: no count, no offset, each page is one walk along an index.

    The page parameter holds the key of the last row of the page before: its id, or moment and id in one number. Where
    no index serves the filter, a page looks at so many rows and says so: it may have few, and still a next one.
    """

    model_admin: ReadOnlyAdmin
    queryset: QuerySet[Any]
    line: QuerySet[Any] | None = None
    ids: Sequence[int] | None = None  # those that may fit, where they are few
    looked_at = ""  # so many rows, of which those shown are all that fit; empty where there are no others

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Newest first, always.

        A filter that leaves few rows has an index of its own. Where the order is that of another index, the planner
        may walk along that one instead, past all that others have; so the order is not quite that of a column.
        """
        first, *rest = self.model_admin.keyset
        specs = getattr(self, "filter_specs", ())
        narrow = self.ids is not None or any(getattr(spec, "few", False) for spec in specs)
        return [Coalesce(first, first).desc() if narrow else f"-{first}", *(f"-{name}" for name in rest)]

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Any]:
        self.ids = self.model_admin.few(self)
        found = super().get_queryset(request, exclude_parameters)
        if self.ids is not None:
            return found.filter(pk__in=self.ids)
        self.line = self._line(request)
        if self.line is not None:  # of a line that ends before the window does, nothing else bounds what is looked at
            for start in filter(None, (getattr(spec, "start", None) for spec in self.filter_specs)):
                found = start(request, found)
        return found

    def _line(self, request: HttpRequest) -> QuerySet[Any] | None:
        """The rows that an index has in order, where what is shown is looked for among them; None: it need not be."""
        line, wide = self.root_queryset, bool(self.query)
        if self.query and not self.model_admin.looks_through(self.query):
            return None
        known: set[str | None] = set()
        for spec in self.filter_specs:
            known.update(spec.expected_parameters())
            if getattr(spec, "few", False):
                return None
            if (start := getattr(spec, "start", None)) is not None:
                line = start(request, line)
            if getattr(spec, "in_order", False):
                narrowed = spec.queryset(request, line)
                line = line if narrowed is None else narrowed
            else:
                wide = wide or any(spec.used_parameters.values())
        return line if wide or set(self.get_filters_params()) - known else None

    def get_results(self, request: HttpRequest) -> None:
        """Read one page and look whether there is one more row."""
        found, last = self._from_key(self.queryset), None
        if self.line is not None:
            found, last = listing.nearest(self._from_key(self.line), self.model_admin.keyset, found)
        rows = list(found[: self.list_per_page + 1])
        self.result_list = rows[: self.list_per_page]
        self.result_count = len(self.result_list)
        self.full_result_count = self.result_count  # equal: then no number of results is shown
        self.show_admin_actions = bool(rows)
        self.can_show_all, self.multi_page = True, False
        if len(rows) > self.list_per_page:
            last = self.result_list[-1]
        elif last is not None:
            self.looked_at = f"{listing.WINDOW:,}"
        self.next_link = None if last is None else self.get_query_string({PAGE_VAR: self._key_of(last)})
        self.first_link = self.get_query_string() if self.page_num != 1 else None
        self.model_admin.prepare_page(self.result_list)

    def _from_key(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of these rows that come after the key."""
        if self.page_num == 1:  # what Django makes of a missing parameter; nothing comes after the key 1
            return rows
        if self.page_num < 1 or self.page_num >= SHIFT * SHIFT:
            raise IncorrectLookupParameters
        *moment, pk = self.model_admin.keyset
        if not moment:
            return rows.filter(**{f"{pk}__lt": self.page_num})
        micros, last = divmod(self.page_num, SHIFT)
        try:
            at = EPOCH + micros * MICROSECOND
        except OverflowError as error:
            raise IncorrectLookupParameters from error
        # Not (a < x or a = x and b < y): this form can walk the index from x.
        return rows.filter(**{f"{moment[0]}__lte": at}).exclude(**{moment[0]: at, f"{pk}__gte": last})

    def _key_of(self, row: Model) -> int:
        *moment, pk = self.model_admin.keyset
        key: int = getattr(row, pk)
        return (getattr(row, moment[0]) - EPOCH) // MICROSECOND * SHIFT + key if moment else key


class ReadOnlyAdmin(BaseAdmin):
    """A list to look at. Nothing can be added, edited or deleted."""

    keyset: Sequence[str] = ("id",)
    heading: Any = ""
    empty: Any = ""  # what an empty list says: what would come here, and from where
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

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        if "\0" in object_id:  # no key in the database holds that
            return None
        return super().get_object(request, object_id, from_field)

    def few(self, changelist: KeysetChangeList) -> Sequence[int] | None:
        """The ids of the rows that may fit what a list is narrowed by, where indexes find them and they are few."""
        return None

    def looks_through(self, term: str) -> bool:
        """Whether what this search finds has no index, and is looked for row by row."""
        return False

    def prepare_page(self, rows: Sequence[Any]) -> None:
        """Add to the rows of one page what takes a query for all of them together."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if any("\0" in value for _, values in request.GET.lists() for value in values):
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")  # no text in the database holds that
        context = {"docqueue_hints": banner.hints(get_settings().DATABASE), **(extra_context or {})}
        if self.heading:
            context.setdefault("title", self.heading)
        if self.empty:
            context.setdefault("docqueue_empty", self.empty)
        return super().changelist_view(request, context)
