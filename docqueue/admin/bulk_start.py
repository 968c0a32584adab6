"""From a list to a bulk operation on all that it shows: asked for here, done by the workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, gettext_lazy

from docqueue.admin import bulk_words, item_filters
from docqueue.admin.actions import REASON_MAX, has_confirmed, lacking, reason_of
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.bulk import PERMISSIONS, checked, matching
from docqueue.conf import get_settings
from docqueue.exceptions import DocqueueError, InvalidBulk
from docqueue.service import DocumentQueueService
from docqueue.states import Status

NARROWS = ("status", "queue", "operation", "fingerprint", "document_id")
"""Filters of the lists that a bulk operation can have, too."""
HARMLESS = ("p", "e", "all")
OLDER = "older_than_days"
"""In the query of a bulk operation: only what finished, or died, so many days ago."""
DAYS_MAX = 36_500


class Words(NamedTuple):
    """What an action is called, and what it does."""

    button: Any
    question: Any


WORDS = {
    "requeue": Words(
        gettext_lazy("Requeue all that match"),
        gettext_lazy("Dead items run again from their first attempt; those that wait for their time run now."),
    ),
    "cancel": Words(
        gettext_lazy("Cancel all that match"),
        gettext_lazy("They will not run. Running handlers are asked to stop. This can not be undone."),
    ),
    "discard": Words(
        gettext_lazy("Discard all that match"),
        gettext_lazy("They are given up for good and move to the history. This can not be undone."),
    ),
    "purge": Words(
        gettext_lazy("Delete all that match"),
        gettext_lazy("They disappear from the history. This can not be undone."),
    ),
    "priority": Words(
        gettext_lazy("Change the priority of all that match"),
        gettext_lazy(
            "They get the new priority; those that have it already are left alone. Pending items go to the end of their"
            " new lane."
        ),
    ),
}

REQUEUED = {
    (Status.DEAD.value,): gettext_lazy("They run again from their first attempt."),
    (Status.WAITING.value,): gettext_lazy("They wait for their time no longer: they run now."),
}
"""What requeueing does to items that are all in this state."""
NEED_REASON = ("discard",)
"""Actions that nobody starts in the admin without saying why."""

AGED = {
    "purge": gettext_lazy("Delete what finished more than"),
    "discard": gettext_lazy("Discard what died more than"),
}


class BulkStarting(ReadOnlyAdmin):
    """A list with bulk operations on all that it shows, whatever page: `bulk_filter` is what it always asks for."""

    bulk_actions: tuple[str, ...] = ()
    bulk_filter: Mapping[str, str] = {}
    bulk_by_age: str = ""  # that of the actions which is offered for what is older than so many days

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_bulk"
        start = path("bulk/<str:action>/", self.admin_site.admin_view(self.bulk_view), name=name)
        return [start, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        links = [
            (f"{self._address('bulk', action)}?{request.GET.urlencode()}", WORDS[action].button)
            for action in self.bulk_actions
            if request.user.has_perm(PERMISSIONS[action])
        ]
        context: dict[str, Any] = {"docqueue_bulk": links}
        if self.bulk_by_age and request.user.has_perm(PERMISSIONS[self.bulk_by_age]):
            context["docqueue_by_age"] = {
                "url": self._address("bulk", self.bulk_by_age),
                "kept": [(key, value) for key, value in request.GET.items() if value and key not in (*HARMLESS, "age")],
                "days": get_settings().RETENTION_DAYS,
                "name": OLDER,
                "most": DAYS_MAX,
                "button": AGED[self.bulk_by_age],
            }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def bulk_view(self, request: HttpRequest, action: str) -> HttpResponse:
        """Say what it would be about and ask for a reason, then start it. Nothing is done to an item in here."""
        allowed = action in self.bulk_actions and request.user.has_perm(PERMISSIONS[action])
        if not allowed or not self.has_view_permission(request):
            raise PermissionDenied
        back = f"{self._address('changelist')}?{request.GET.urlencode()}"
        known = (*NARROWS, *HARMLESS, "age", OLDER)
        needs_reason = action in NEED_REASON
        if other := sorted(key for key, value in request.GET.items() if value and key not in known):
            text = gettext("A bulk operation can not be narrowed by %(names)s: take that out of the list first.")
            messages.error(
                request, text % {"names": ", ".join(gettext("a search") if key == "q" else key for key in other)}
            )
            return HttpResponseRedirect(back)
        try:
            asked: dict[str, Any] = {
                **{key: request.GET[key] for key in NARROWS if request.GET.get(key)},
                **_together(request.GET.get("status", "")),
                **self.bulk_filter,
                **self._of_age(request.GET.get("age", "")),
                **_ended_before(request.GET.get(OLDER, "")),
            }
            if has_confirmed(request, needs_reason=needs_reason):
                return self._start(request, action, asked)
            found = checked(action, asked, everything=True)
        except DocqueueError as error:
            messages.error(request, f"{error} {error.hint}".strip())
            return HttpResponseRedirect(back)
        there = matching(get_settings().DATABASE, action, found)
        lines = [
            (gettext("which"), bulk_words.about(found)),
            (gettext("how many match now"), bulk_words.number(there.total, at_least=there.at_least)),
        ]
        words, question = WORDS[action], WORDS[action].question
        if action == "requeue":
            question = REQUEUED.get(tuple(sorted(found["status"])), question)
        return ask(
            self,
            request,
            words.button,
            question,
            lines,
            back,
            number=action == "priority",
            count=bulk_words.items(there.total, at_least=there.at_least),
            needs_reason=needs_reason,
        )

    def _of_age(self, age: str) -> dict[str, Any]:
        """The list's filter by age, fixed from now on: when it ended, in lists of what has, or was enqueued."""
        if (before := item_filters.AGES.get(age)) is None:
            return {}
        key = "ended_before" if self.bulk_by_age else "enqueued_before"
        return {key: datetime.now(UTC) - before}

    def _start(self, request: HttpRequest, action: str, asked: dict[str, Any]) -> HttpResponse:
        user: Any = request.user
        given = request.POST.get("priority", "").strip()
        more: dict[str, Any] = {}
        if action == "priority":
            more["priority"] = int(given) if given.removeprefix("-").isdecimal() and len(given) < 5 else given
        reason = reason_of(request)
        acting = DocumentQueueService(get_settings().DATABASE).acting_as(user)
        started = acting.bulk(action, everything=True, reason=reason, **more, **asked)
        text = gettext("Bulk operation %(id)d was started: the workers do it, %(count)s in all.")
        count = f"{started.total:,}+" if started.at_least else f"{started.total:,}"
        messages.success(request, text % {"id": started.pk, "count": count})
        seen = user.has_perm("docqueue.view_bulkoperation")
        there = reverse("admin:docqueue_bulkoperation_changelist") if seen else self._address("changelist")
        return HttpResponseRedirect(there)

    def _address(self, what: str, *args: str) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{what}", args=args)


def _ended_before(days: str) -> dict[str, datetime]:
    """The filter that "older than so many days" is, by now. Raises `InvalidBulk`."""
    if not days:
        return {}
    if not (days.isascii() and days.isdigit() and len(days) < 6 and 1 <= int(days) <= DAYS_MAX):
        raise InvalidBulk(gettext("Days are a whole number from 1 to %(most)d.") % {"most": DAYS_MAX})
    return {"ended_before": datetime.now(UTC).replace(microsecond=0) - timedelta(days=int(days))}


def ask(
    model_admin: Any,
    request: HttpRequest,
    button: Any,
    question: Any,
    lines: list[tuple[str, str]],
    back: str,
    *,
    number: bool = False,
    count: str = "",
    needs_reason: bool = False,
    hidden: Sequence[tuple[str, object]] = (),
) -> HttpResponse:
    """The page that says what it is about, and asks for a reason (and a priority).

    `count`: how many of what, on its button. `hidden`: what its form sends besides.
    """
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"{button}?",
        "opts": model_admin.model._meta,
        "media": model_admin.media,
        "button": button,
        "question": question,
        "lines": lines,
        "number": number,
        "count": count,
        "back": back,
        "reason": request.POST.get("reason", ""),
        "reason_max": REASON_MAX,
        "needs_reason": needs_reason,
        "lacking": lacking(request, needs_reason=needs_reason),
        "hidden": hidden,
    }
    return TemplateResponse(request, "admin/docqueue/ask.html", context)


def _together(status: str) -> dict[str, Any]:
    """Several states under one name in the list's filter."""
    states = item_filters.TOGETHER[status] if status == item_filters.NOT_STARTED else ()
    return {"status": [one.value for one in states]} if states else {}
