"""Reprocess from the admin: a page that says what it would be about, asks from which stage, and starts it.

It comes from an action on ticked rows, or from a list with its filter, and then is about all that it shows. Nothing is
done to a file in here: an item of the queue does it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext, gettext_lazy, ngettext

from docqueue.admin.actions import REASON_MAX, chosen
from ingestion.acting import Acting, acting_as, who_was_first
from ingestion.admin.base import REFUSALS
from ingestion.admin.verbs import ActingAdmin
from ingestion.errors import InvalidSelection
from ingestion.models import Outcome, Stage
from ingestion.reprocess import Reprocessing
from ingestion.reprocess_file import FileReprocessing
from ingestion.selecting import BIGGEST_ID, MOST_IDS, Preview, Selection, preview

ALIASES = {"outcome__exact": "outcome", "intake__id__exact": "intake"}
"""What the lists call as a selection does not."""
HARMLESS = ("p", "e", "all", "o")
ONLY = "only"
"""In the query of the page: the id of the one row that it is about."""
LONGEST = 100_000  # of a selection that a page brings back: a thousand ids fit


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
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=REASON_MAX, required=False)

    @classmethod
    def of(cls, given: Any = None, *, one: bool) -> StartForm:
        """The form; `one`: for a single file or document, which has the priority of its upload."""
        form = cls(given)
        if one:
            del form.fields["priority"]
        return form


class ReprocessAdmin(ActingAdmin):
    """A list from which files can be processed anew. Whoever may change its rows may do it."""

    selects_by = ""
    """What the ids of its rows are in a `Selection`."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.reprocess_view)
        return [path("reprocess/", view, name=self._name("reprocess")), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        link = f"{self.address('reprocess')}?{request.GET.urlencode()}"
        may = self.may(request, "reprocess")
        return super().changelist_view(request, {"reprocess_link": link if may else "", **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        link = f"{self.address('reprocess')}?{ONLY}={object_id}"
        context = {"reprocess_one": link} if object_id.isdigit() and self.may(request, "reprocess") else {}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def reprocess_view(self, request: HttpRequest) -> HttpResponse:
        """Say what it would be about; once that is confirmed, start it."""
        if not self.may(request, "reprocess"):
            raise PermissionDenied
        back = self.address("changelist")
        try:
            if request.method != "POST":
                if only := request.GET.get(ONLY):
                    return self.ask(request, self._only(only))
                select = SelectForm(_asked(request.GET))
                return self.ask(request, select.selection(), select=select)
            selection = _brought_back(request.POST.get("selection", ""))
            back, form = self._back(selection), StartForm.of(request.POST, one=self._is_one(selection))
            if not form.is_valid():
                return self.ask(request, selection, form=form)
            self._start(request, selection, dict(form.cleaned_data))
        except REFUSALS as error:
            messages.error(request, f"{error} {error.hint}".strip())
        return HttpResponseRedirect(back)

    def reprocess_one(self, acting: Acting, row: Any, stage: str, reason: str) -> Reprocessing | FileReprocessing:
        """Process a single file or document anew."""
        raise NotImplementedError

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
        one = selection is not None and self._only_id(selection) is not None
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Reprocess"),
            "opts": self.opts,
            "media": self.media,
            "select": select or SelectForm(),
            "form": form or StartForm.of(one=selection is not None and self._is_one(selection)),
            "selection": json.dumps(given),
            "about": [(name.replace("_", " "), _said(value)) for name, value in given.items()],
            "lines": [] if selection is None else _lines(preview(selection)),
            "one": one,
            "address": self.address("reprocess"),
            "back": self._back(selection),
        }
        return TemplateResponse(request, "admin/ingestion/reprocess.html", context)

    def ask_about(self, request: HttpRequest, **more: Any) -> HttpResponse | None:
        """The page about ticked rows."""
        if not self.may(request, "reprocess"):
            raise PermissionDenied
        ids = {self.selects_by: chosen(request)[: MOST_IDS + 1]}
        try:
            return self.ask(request, Selection.from_mapping({**ids, **more}))
        except REFUSALS as error:
            messages.error(request, f"{error} {error.hint}")
            return None

    def _start(self, request: HttpRequest, selection: Selection, given: dict[str, Any]) -> None:
        if self._is_one(selection):
            return self._start_one(request, selection, given)
        started = acting_as(request.user).reprocess_many(selection, self.noun, **given)
        if started.item_id is None:
            messages.warning(request, gettext("There is nothing to do."))
            return None
        files, archives = started.counts.reprocessable, started.counts.archives
        about = [ngettext("%(n)s file", "%(n)s files", files) % {"n": _number(files, started.counts)}]
        if archives:
            about.append(ngettext("%(n)s archive", "%(n)s archives", archives) % {"n": f"{archives:,}"})
        text = gettext("Queue item %(id)d puts them into the queue: %(what)s.")
        messages.success(request, text % {"id": started.item_id, "what": gettext(" and ").join(about)})
        return None

    def _start_one(self, request: HttpRequest, selection: Selection, given: dict[str, Any]) -> None:
        """One file or document at once, without an item that puts others into the queue."""
        pk = self._only_id(selection) or 0
        row = self.rows([pk]).get(pk)
        stage, reason = given["from_stage"], given["reason"]
        work = self.reprocess_one(acting_as(request.user), row, stage, reason) if row is not None else None
        first_of_two = who_was_first(**{self.noun: pk})
        if work is None:
            messages.warning(request, f"{gettext('It is not there any more.')} {first_of_two}".strip())
        elif work.created:
            messages.success(request, gettext("Item #%(id)d processes it anew.") % {"id": work.item_id})
        else:
            text = gettext("Nothing was changed: item #%(id)d is at it already.") % {"id": work.item_id}
            messages.warning(request, f"{text} {first_of_two}".strip())

    def _only(self, text: str) -> Selection:
        """The selection of one row. Raises `InvalidSelection`."""
        known = text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= BIGGEST_ID
        return Selection.from_mapping({self.selects_by: [int(text) if known else text]})

    def _only_id(self, selection: Selection) -> int | None:
        """The one row that a selection is about and nothing else; None: it is about more, or about others."""
        given = selection.as_dict()
        ids = given.pop(self.selects_by, [])
        return ids[0] if len(ids) == 1 and not given else None

    def _is_one(self, selection: Selection) -> bool:
        """Whether it is about a single file or document. An intake has many."""
        return self.noun != "intake" and self._only_id(selection) is not None

    def _back(self, selection: Selection | None) -> str:
        only = None if selection is None else self._only_id(selection)
        return self.address("changelist") if only is None else self.page_of(only)

    def _name(self, what: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{what}"


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
