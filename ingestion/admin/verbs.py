"""Buttons and actions: each verb through `ingestion.acting`, confirmed with the count where it can not be taken back.

Whoever comes second is told, row by row, what is in the way and who was first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext

from docqueue.admin.actions import LISTED, REASON_MAX, SKIPPED_TOLD, chosen
from ingestion.acting import PERMISSIONS, Acting, acting_as, who_was_first
from ingestion.admin.base import REFUSALS, StateAdmin
from ingestion.models import IngestFile
from ingestion.selecting import COUNTED


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One thing to do to a row. `question` stands above the confirmation of what is destructive.

    `done` says how many it was done to, `before` that it had been asked for already.
    """

    name: str
    button: Any  # translated when it is shown
    question: Any = ""
    destructive: bool = True
    done: Callable[[int], str]
    before: Any = ""


class Button(NamedTuple):
    """A verb on a row's page; `label` may have a count."""

    name: str
    label: Any
    destructive: bool


@dataclass
class Result:
    """What became of a verb on several rows."""

    done: list[Any] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


class ActingAdmin(StateAdmin):
    """A list and pages on which something can be done.

    `noun` is what `ingestion.acting` calls a row; `needed`: what of it is loaded besides, for its verbs.
    """

    noun: ClassVar[str]
    verbs: ClassVar[Mapping[str, Verb]]
    needed: ClassVar[tuple[str, ...]] = ()
    change_form_template = "admin/ingestion/page.html"

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        do = path("<int:pk>/do/<str:verb>/", self.admin_site.admin_view(self.act_view), name=name)
        return [do, *super().get_urls()]

    def may(self, request: HttpRequest, verb: str) -> bool:
        """Whether this user may do this."""
        return self.has_view_permission(request) and request.user.has_perm(PERMISSIONS[f"{verb}_{self.noun}"])

    def buttons(self, row: Any) -> list[Button]:
        """What makes sense on the row as it is, whoever looks."""
        raise NotImplementedError

    def act(self, acting: Acting, verb: str, row: Any, reason: str) -> str | bool | None:
        """Do it. False: it was asked for before. A text is told besides. Raises one of `REFUSALS`."""
        raise NotImplementedError

    def about(self, verb: str, ids: Sequence[int]) -> list[tuple[str, str]]:
        """What is about to be done to how many, in lines of a name and a number."""
        raise NotImplementedError

    def yes(self, verb: Verb, ids: Sequence[int]) -> str:
        """What the button of the confirmation says, with the count."""
        [(name, value), *_others] = self.about(verb.name, ids)
        return gettext("Yes, %(verb)s %(n)s %(what)s") % {"verb": verb.button, "n": value, "what": name}

    def act_view(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """One verb on one row, from its page."""
        found = self.verbs.get(verb)
        if found is None or not self.may(request, verb):
            raise PermissionDenied
        if request.method != "POST" or (found.destructive and "confirmed" not in request.POST):
            return self.confirmation(request, found, [pk], single=True)
        self.perform(request, found, [pk])
        still = self.model.objects.filter(pk=pk).exists()
        return HttpResponseRedirect(self.page_of(pk) if still else self.address("changelist"))

    def act_on_chosen(self, request: HttpRequest, verb: str) -> HttpResponse | None:
        """One verb on the rows ticked in the list; not only those still in it: whoever lost a race is to hear so."""
        if not self.may(request, verb):
            raise PermissionDenied
        found, ids = self.verbs[verb], chosen(request)
        if found.destructive and "confirmed" not in request.POST:
            return self.confirmation(request, found, ids, single=False)
        self.perform(request, found, ids)
        return None

    def perform(self, request: HttpRequest, verb: Verb, ids: Sequence[int]) -> None:
        """Do it to each, and tell the person what was done and what was not."""
        user: Any = request.user
        reason, acting = request.POST.get("reason", "").strip()[:REASON_MAX], acting_as(user)
        rows, result = self.rows(ids), Result()
        for pk in ids:
            self._one(acting, verb, pk, rows.get(pk), reason, result)
        if result.done:
            flag = DELETION if verb.name == "delete" else CHANGE
            note = f"{verb.name}: {reason}" if reason else verb.name
            LogEntry.objects.log_actions(user.pk, result.done, flag, change_message=note)
            messages.success(request, verb.done(len(result.done)) % {"n": len(result.done)})
        for text in result.links[:SKIPPED_TOLD]:
            messages.info(request, text)
        for text in result.skipped[:SKIPPED_TOLD]:
            messages.warning(request, gettext("Skipped: %(reason)s") % {"reason": text})
        if len(result.skipped) > SKIPPED_TOLD:
            messages.warning(request, gettext("… and %(n)d more skipped.") % {"n": len(result.skipped) - SKIPPED_TOLD})

    def _one(self, acting: Acting, verb: Verb, pk: int, row: Any, reason: str, result: Result) -> None:
        named = f"{self.opts.verbose_name} {pk}"
        first = {self.noun: pk}
        if row is None:
            gone = gettext("%(what)s is not there any more.") % {"what": named}
            result.skipped.append(f"{gone} {who_was_first(**first)}".strip())
            return
        try:
            answer = self.act(acting, verb.name, row, reason)
        except REFUSALS as error:
            result.skipped.append(" ".join(filter(None, (f"{named}:", str(error), error.hint, who_was_first(**first)))))
            return
        if answer is False:
            result.skipped.append(f"{named}: {verb.before} {who_was_first(**first)}".strip())
            return
        result.done.append(row)
        if isinstance(answer, str):
            result.links.append(answer)

    def rows(self, ids: Sequence[int]) -> dict[int, Any]:
        """Those of these rows that there still are, as verbs need them."""
        found: QuerySet[Any] = self.model.objects.select_related(*self.needed)
        return found.in_bulk(ids)

    def confirmation(self, request: HttpRequest, verb: Verb, ids: Sequence[int], *, single: bool) -> HttpResponse:
        """The page that says what it is about and how many that are, and asks for a reason."""
        rows = [*self.rows(ids[:LISTED]).values()]
        lines = self.lines(rows)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb.button}?",
            "opts": self.opts,
            "media": self.media,
            "verb": verb,
            "ids": ids,
            "single": single,
            "listed": [(row, lines[row.pk].text) for row in rows],
            "more": max(0, len(ids) - LISTED),
            "about": self.about(verb.name, ids),
            "back": self.page_of(ids[0]) if single else self.address("changelist"),
            "reason": request.POST.get("reason", ""),
            "reason_max": REASON_MAX,
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "action": verb.name,
            "yes": self.yes(verb, ids),
        }
        return TemplateResponse(request, "admin/ingestion/confirm.html", context)

    def look_at(self, row: Any) -> None:
        """Bring the row up to date before its page is shown to somebody who may see it."""

    def beside(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What stands on the row's page besides its fields."""
        return {}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row, context = self.get_object(request, object_id), {}
        if row is None:
            pk = int(object_id) if object_id.isascii() and object_id.isdigit() and len(object_id) < 19 else 0
            if self.has_view_permission(request) and (first := who_was_first(**{self.noun: pk})):
                messages.warning(request, first)
        elif request.method != "POST" and self.has_view_permission(request):  # nothing here takes a POST
            self.look_at(row)
            buttons = [one for one in self.buttons(row) if self.may(request, one.name)]
            context = {"subtitle": None, "buttons": buttons, "reason_max": REASON_MAX, **self.beside(request, row)}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})


def number(n: int) -> str:
    """A count as people read it; one that was not counted to its end says so."""
    return gettext("more than %(n)s") % {"n": f"{COUNTED:,}"} if n > COUNTED else f"{n:,}"


def count(rows: QuerySet[Any]) -> int:
    """How many, counted with a bound: one more than that stands for more."""
    return rows.order_by().values("pk")[: COUNTED + 1].count()


def unfinished(intakes: Sequence[int]) -> int:
    """How many files of these intakes have not ended."""
    return count(IngestFile.objects.filter(intake__in=intakes, outcome=""))
