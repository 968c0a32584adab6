"""Reprocess from the admin: a page that says what it would be about, asks from which stage, and starts it.

It comes from an action on ticked rows, or from a list with its filter, and then is about all that it shows. Nothing is
done to a file in here: an item of the queue does it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import connections, router
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, gettext_lazy

from docqueue.exceptions import DocqueueError
from ingestion.errors import IngestionError, InvalidSelection
from ingestion.models import IngestFile, Outcome, Stage
from ingestion.reprocess_many import Order, start_order
from ingestion.selecting import MOST_IDS, Preview, Selection, outdated, preview

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = admin.ModelAdmin

ALIASES = {"outcome__exact": "outcome", "intake__id__exact": "intake"}
"""What the lists call as a selection does not."""
HARMLESS = ("p", "e", "all", "o")
LONGEST = 100_000  # of a selection that a page brings back: a thousand ids fit
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


class SelectForm(forms.Form):
    """Which files, by what a person would look for."""

    error_code = forms.CharField(label=gettext_lazy("failed with the code"), required=False, max_length=100)
    intake = forms.IntegerField(label=gettext_lazy("of the intake"), required=False, min_value=1)
    outcome = forms.ChoiceField(
        label=gettext_lazy("ended as"), required=False, choices=[("", "–"), *Outcome.choices]
    )  # fmt: skip
    extractor = forms.CharField(label=gettext_lazy("text taken by the extractor"), required=False, max_length=64)
    extractor_version_below = forms.IntegerField(
        label=gettext_lazy("in a version older than"), required=False, min_value=1
    )
    outdated = forms.BooleanField(
        label=gettext_lazy("text taken by an older version than the one in force"), required=False
    )

    def selection(self) -> Selection | None:
        """What the form says; None when it says nothing. Raises `InvalidSelection`."""
        if not self.is_valid():
            name, [why, *_] = next(iter(self.errors.items()))
            raise InvalidSelection(f"{name}: {why}")
        given = {key: value for key, value in self.cleaned_data.items() if value}
        if intake := given.pop("intake", None):
            given["intakes"] = (intake,)
        return Selection(**given) if given else None


class StartForm(forms.Form):
    """From which stage, and how urgent."""

    from_stage = forms.ChoiceField(
        label=gettext_lazy("From"),
        required=False,
        choices=[
            ("", gettext_lazy("where each has to begin")),
            (Stage.UNZIPPING, gettext_lazy("unzipping: read archives again for entries that failed so")),
            (Stage.UPLOADING, gettext_lazy("uploading: all of it, from the stored bytes on")),
            (Stage.INDEXING, gettext_lazy("indexing: read and index the text anew")),
        ],
    )
    priority = forms.IntegerField(
        label=gettext_lazy("Priority, -100 to 100 (higher first)"), initial=-50, min_value=-100, max_value=100
    )


class ReprocessAdmin(AnyModelAdmin):
    """A list from which files can be processed anew. Whoever may change its rows may do it."""

    change_list_template = "admin/ingestion/change_list.html"
    selects_by = ""
    """What the ids of its rows are in a `Selection`."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.reprocess_view)
        return [path("reprocess/", view, name=self._name("reprocess")), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        link = f"{self._address('reprocess')}?{request.GET.urlencode()}"
        may = self.has_change_permission(request)
        return super().changelist_view(request, {"reprocess_link": link if may else "", **(extra_context or {})})

    def reprocess_view(self, request: HttpRequest) -> HttpResponse:
        """Say what it would be about; once that is confirmed, start it."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        back = self._address("changelist")
        try:
            if request.method != "POST":
                select = SelectForm(_asked(request.GET))
                return self.ask(request, select.selection(), select=select)
            selection, form = _brought_back(request.POST.get("selection", "")), StartForm(request.POST)
            if not form.is_valid():
                return self.ask(request, selection, form=form)
            self._start(request, selection, form.cleaned_data)
        except (IngestionError, DocqueueError) as error:
            messages.error(request, f"{error} {error.hint}".strip())
        return HttpResponseRedirect(back)

    def ask(
        self,
        request: HttpRequest,
        selection: Selection | None,
        *,
        select: SelectForm | None = None,
        form: StartForm | None = None,
    ) -> HttpResponse:
        """The page with the counts."""
        given = {} if selection is None else selection.as_dict()
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Reprocess"),
            "opts": self.model._meta,
            "select": select or SelectForm(),
            "form": form or StartForm(),
            "selection": json.dumps(given),
            "about": [(name.replace("_", " "), _said(value)) for name, value in given.items()],
            "lines": [] if selection is None else _lines(preview(selection)),
            "address": self._address("reprocess"),
            "back": self._address("changelist"),
        }
        return TemplateResponse(request, "admin/ingestion/reprocess.html", context)

    def ask_about(self, request: HttpRequest, rows: QuerySet[Any], **more: Any) -> HttpResponse | None:
        """The page about ticked rows."""
        ids = {self.selects_by: list(rows.values_list("pk", flat=True)[: MOST_IDS + 1])}
        try:
            return self.ask(request, Selection.from_mapping({**ids, **more}))
        except IngestionError as error:
            messages.error(request, f"{error} {error.hint}")
            return None

    def _start(self, request: HttpRequest, selection: Selection, given: Mapping[str, Any]) -> None:
        user: Any = request.user
        started = start_order(Order.of(selection, by=user.get_username(), **given))
        if started.item_id is None:
            messages.warning(request, gettext("There is nothing to do."))
            return
        text = gettext("Queue item %(id)d puts them into the queue: %(files)s files and %(archives)s archives.")
        counts = {"files": _number(started.counts.reprocessable, started.counts), "archives": started.counts.archives}
        messages.success(request, text % {"id": started.item_id, **counts})

    def _address(self, what: str) -> str:
        return reverse(f"admin:{self._name(what)}")

    def _name(self, what: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{what}"


class ErrorCodeFilter(admin.SimpleListFilter):
    """Codes that files have failed with: as many look-ups in the index as there are codes."""

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


def _asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The filter of a list as a selection has it. Raises `InvalidSelection` for one that it can not have."""
    asked = {ALIASES.get(key, key): given[key] for key in given if given[key] and key not in HARMLESS}
    if other := sorted(key for key in asked if key not in SelectForm.base_fields):
        names = ", ".join(gettext("a search") if key == "q" else key for key in other)
        raise InvalidSelection(gettext("It can not be narrowed by %(names)s.") % {"names": names})
    return asked


def _brought_back(text: str) -> Selection:
    try:
        given = json.loads(text) if len(text) <= LONGEST else None
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise InvalidSelection
    return Selection.from_mapping(given)


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value[:20])) + (" …" if len(value) > 20 else "")
    return gettext("yes") if value is True else str(value)


def _number(n: int, counts: Preview) -> str:
    return gettext("more than %(n)s") % {"n": f"{n:,}"} if counts.at_least else f"{n:,}"


def _lines(counts: Preview) -> list[tuple[str, str]]:
    """The counts, by their names."""
    lines = [
        (gettext("files"), _number(counts.total, counts)),
        (gettext("can be processed anew"), _number(counts.reprocessable, counts)),
        (gettext("bytes of these"), f"{counts.bytes:,}"),
        (gettext("archives to be unzipped again"), f"{counts.archives:,}"),
        (gettext("under way, left alone"), f"{counts.under_way:,}"),
        (gettext("without stored bytes"), f"{counts.not_reprocessable:,}"),
    ]
    lines += [(gettext("ended as %(outcome)s") % {"outcome": key}, f"{n:,}") for key, n in counts.by_outcome.items()]
    lines += [(gettext("failed with %(code)s") % {"code": key}, f"{n:,}") for key, n in counts.by_error_code.items()]
    said = gettext("%(type)s, text taken by %(extractor)s %(version)s")
    return lines + [(said % kind, f"{kind['files']:,}") for kind in counts.by_extractor]
