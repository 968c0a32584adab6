"""What a person may do to items: each verb through the service, confirmed where it can not be taken back, audited.

Whoever comes second is told, item by item, what is in the way and who was first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext, gettext_lazy, ngettext

from docqueue import stats
from docqueue.acting import PERMISSIONS, Acting
from docqueue.admin.columns import Reasons
from docqueue.conf import get_settings
from docqueue.exceptions import DocqueueError
from docqueue.models import AuditEntry, QueueItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status

MOST_AT_ONCE = 1000
SKIPPED_TOLD = 10
LISTED = 20
REASON_MAX = 1000


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One thing to do to an item, and what has to be asked before. `method` of the service, with `options`.

    `needs_reason`: nobody does it without saying why.
    """

    name: str
    method: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    button: Any  # translated when it is shown
    question: Any
    destructive: bool
    needs_reason: bool = False

    @property
    def permission(self) -> str:
        """What the service asks for."""
        return PERMISSIONS[self.method or self.name]


VERBS = {
    verb.name: verb
    for verb in (
        Verb(
            name="requeue",
            button=gettext_lazy("Requeue"),
            question=gettext_lazy("They run again from their first attempt."),
            destructive=False,
        ),
        Verb(
            name="run_now",
            button=gettext_lazy("Run now"),
            question=gettext_lazy("They go on at once, as far as the rules of admission let them."),
            destructive=False,
        ),
        Verb(
            name="requeue_afresh",
            method="requeue",
            options={"clear_steps": True},
            button=gettext_lazy("Requeue from the first step"),
            question=gettext_lazy(
                "They run again from their first attempt, and forget the steps they have behind them."
            ),
            destructive=True,
        ),
        Verb(
            name="cancel",
            button=gettext_lazy("Cancel"),
            question=gettext_lazy("They will not run. A running handler is asked to stop. This can not be undone."),
            destructive=True,
        ),
        Verb(
            name="discard",
            button=gettext_lazy("Discard"),
            question=gettext_lazy("They are given up for good and move to the history. This can not be undone."),
            destructive=True,
            needs_reason=True,
        ),
    )
}


@dataclass
class Done:
    """What became of one action on several items."""

    ids: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)  # running: the handler was asked to stop
    skipped: list[str] = field(default_factory=list)


def may(user: Any, verb: Verb) -> bool:
    """Whether `user` may do this."""
    return bool(user.has_perm(verb.permission))


def reason_of(request: HttpRequest) -> str:
    """The reason that was given; blanks are none."""
    return request.POST.get("reason", "").strip()[:REASON_MAX]


def has_confirmed(request: HttpRequest, *, needs_reason: bool = False) -> bool:
    """Whether the page that asks was answered, with a reason where it takes one."""
    return request.method == "POST" and "confirmed" in request.POST and bool(reason_of(request) or not needs_reason)


def lacking(request: HttpRequest, *, needs_reason: bool) -> Any:
    """What a page that asks again says of why it does."""
    missing = needs_reason and "confirmed" in request.POST
    return gettext("Nothing was done yet: this takes a reason, which the audit keeps.") if missing else ""


def chosen(request: HttpRequest) -> list[int]:
    """The ids ticked in a list. Not only those still in it: whoever lost a race is to hear so."""
    given = [value for value in request.POST.getlist(ACTION_CHECKBOX_NAME) if value.isascii() and value.isdigit()]
    return sorted({int(value) for value in given if len(value) < 19})[:MOST_AT_ONCE]


def perform(request: HttpRequest, verb: Verb, ids: Sequence[int], reason: str) -> None:
    """Do it to each item, and tell the person what was done and what was not."""
    using = get_settings().DATABASE
    user: Any = request.user
    before = {item.pk: item for item in QueueItem.objects.using(using).filter(pk__in=ids)}
    done = _each(DocumentQueueService(using).acting_as(user), using, verb, ids, reason[:REASON_MAX])
    changed = [before[i] for i in (*done.ids, *done.asked) if i in before]
    if changed:
        note = f"{verb.name}: {reason}" if reason else verb.name
        LogEntry.objects.log_actions(user.pk, changed, CHANGE, change_message=note)
    _tell(request, verb, done)


def _each(acting: Acting, using: str, verb: Verb, ids: Sequence[int], reason: str) -> Done:
    done = Done()
    for item_id in ids:
        try:
            answer = getattr(acting, verb.method or verb.name)(item_id, reason=reason, **verb.options)
        except DocqueueError as error:
            done.skipped.append(f"{error} {_who_was_first(using, item_id)}".strip())
        else:
            (done.asked if answer == Status.IN_PROGRESS else done.ids).append(item_id)
    return done


def _who_was_first(using: str, item_id: int) -> str:
    last = AuditEntry.objects.using(using).filter(item_id=item_id).order_by("-id").first()
    if last is None:
        return ""
    return gettext("Last: %(action)s by %(actor)s, %(time)s ago.") % {
        "action": last.action,
        "actor": last.actor or "–",
        "time": stats.in_words((Reasons(using).now - last.at).total_seconds()),
    }


def _tell(request: HttpRequest, verb: Verb, done: Done) -> None:
    texts = {
        "requeue": ngettext("%(n)d item requeued.", "%(n)d items requeued.", len(done.ids)),
        "run_now": ngettext("%(n)d item goes on.", "%(n)d items go on.", len(done.ids)),
        "cancel": ngettext("%(n)d item cancelled.", "%(n)d items cancelled.", len(done.ids)),
        "discard": ngettext("%(n)d item discarded.", "%(n)d items discarded.", len(done.ids)),
    }
    if done.ids:
        messages.success(request, texts[verb.method or verb.name] % {"n": len(done.ids)})
    if done.asked:
        text = ngettext(
            "%(n)d running item was asked to stop.", "%(n)d running items were asked to stop.", len(done.asked)
        )
        messages.info(request, text % {"n": len(done.asked)})
    for line in done.skipped[:SKIPPED_TOLD]:
        messages.warning(request, gettext("Skipped: %(reason)s") % {"reason": line})
    if len(done.skipped) > SKIPPED_TOLD:
        messages.warning(request, gettext("… and %(n)d more skipped.") % {"n": len(done.skipped) - SKIPPED_TOLD})


def confirmation(
    request: HttpRequest, model_admin: Any, verb: Verb, ids: Sequence[int], *, single: bool
) -> HttpResponse:
    """The page that says how many items it is about, and asks for a reason."""
    using = get_settings().DATABASE
    items = list(QueueItem.objects.using(using).filter(pk__in=ids[:LISTED]).defer("payload", "metadata"))
    reasons = Reasons(using)
    title = ngettext("%(verb)s %(n)d item?", "%(verb)s %(n)d items?", len(ids))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title % {"verb": verb.button, "n": len(ids)},
        "opts": model_admin.model._meta,
        "media": model_admin.media,
        "verb": verb,
        "count": len(ids),
        "ids": ids,
        "single": single,
        "listed": [(item, reasons.why(item)) for item in items],  # type: ignore[arg-type]
        "more": max(0, len(ids) - LISTED),
        "reason": request.POST.get("reason", ""),
        "reason_max": REASON_MAX,
        "needs_reason": verb.needs_reason,
        "lacking": lacking(request, needs_reason=verb.needs_reason),
        "checkbox_name": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/docqueue/confirm.html", context)
