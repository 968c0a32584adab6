"""Dead letters by their cause: what failed, how often and since when, who sees to it, and verbs about all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from docqueue.admin import audit, bulk_words, causes, charts, columns, filters
from docqueue.admin.actions import has_confirmed, reason_of
from docqueue.admin.base import EPOCH, MICROSECOND, KeysetChangeList, ReadOnlyAdmin
from docqueue.admin.bulk_start import NEED_REASON, ask
from docqueue.conf import get_settings
from docqueue.exceptions import DocqueueError
from docqueue.models import FailureGroup, QueueItem
from docqueue.service import DocumentQueueService

if TYPE_CHECKING:
    Display = str | SafeString

CANARIES = 10
LISTED = 10
SHIFT = 2**64
VERBS = {
    "requeue": ("docqueue.requeue_item", _("Requeue all"), _("They run again from their first attempt.")),
    "canary": (
        "docqueue.requeue_item",
        _("Requeue 10 first"),
        _("The rest follows by itself once these are completed; when one of them fails, the rest stays dead."),
    ),
    "acknowledge": (
        "docqueue.acknowledge_failure",
        _("Acknowledge"),
        _("Others see that you are at it, and your note. It counts until another item dies of the same cause."),
    ),
    "unacknowledge": (
        "docqueue.acknowledge_failure",
        _("Take the acknowledgement back"),
        _("The note goes with it."),
    ),
    "discard": (
        "docqueue.cancel_item",
        _("Discard all"),
        _("They are given up for good and move to the history. This can not be undone."),
    ),
}


class FailureChangeList(KeysetChangeList):
    """Pages by the moment of the last death, and the fingerprint as a number below it."""

    def _from_key(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        if self.page_num == 1:
            return rows
        micros, mark = divmod(max(0, self.page_num), SHIFT)
        try:
            at = EPOCH + micros * MICROSECOND
        except OverflowError as error:
            raise IncorrectLookupParameters from error
        return rows.filter(last_at__lte=at).exclude(last_at=at, fingerprint__gte=f"{mark:016x}")

    def _key_of(self, row: Any) -> int:
        moment: int = (row.last_at - EPOCH) // MICROSECOND
        return moment * SHIFT + int(row.pk, 16)


@admin.register(FailureGroup)
class FailureGroupAdmin(ReadOnlyAdmin):
    """Causes that still have dead items, that of the latest death first."""

    heading = _("Dead letters by cause")
    keyset = ("last_at", "fingerprint")
    list_display = ("cause", "of", "how_many", "last_day", "first", "last", "seen_to")
    list_filter = (filters.QueueFilter, filters.OperationFilter)
    change_form_template = "admin/docqueue/failure.html"
    fields = ("said", "code", "kind", "place", "of", "how_many", "last_day", "first_exact", "last_exact", "sample",
              "counted", "seen_to", "mark")  # fmt: skip
    readonly_fields = fields
    actions = None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see queue items may see why they are dead."""
        return request.user.has_perm("docqueue.view_queueitem")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FailureChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found = super().get_queryset(request)
        return found.filter(number__gt=0) if request.resolver_match and _is_list(request) else found

    def get_urls(self) -> list[URLPattern]:
        act = path("<str:fingerprint>/do/<str:verb>/", self.admin_site.admin_view(self.act_view), name=ACT)
        return [act, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            "docqueue_empty": gettext("No item is dead. What fails for good is grouped here by its cause."),
            "docqueue_note": causes.resolution_in_words(),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        found = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if found is not None:
            using = get_settings().DATABASE
            dead = QueueItem.objects.using(using).filter(status="dead", id__gt=0, fingerprint=found.pk)
            context["verbs"] = [
                (name, label, name == "discard")
                for name, (permission, label, _question) in VERBS.items()
                if request.user.has_perm(permission) and self._makes_sense(found, name)
            ]
            context["items"] = dead.order_by("-died_at", "-id").defer("payload", "metadata")[:LISTED]
            context["more"] = max(0, found.number - LISTED)
            context["sample"] = causes.sample(found)
            if request.user.has_perm("docqueue.view_auditentry"):
                context["audit"] = audit.of_many(using, fingerprint=found.pk)[:LISTED]
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def act_view(self, request: HttpRequest, fingerprint: str, verb: str) -> HttpResponse:
        """Say what it is about and ask for a reason; then do it, or have the workers do it."""
        known = VERBS.get(verb)
        if known is None or not self.has_view_permission(request) or not request.user.has_perm(known[0]):
            raise PermissionDenied
        back = reverse("admin:docqueue_failuregroup_change", args=[fingerprint])
        found = self.get_object(request, fingerprint)
        if found is None:
            return HttpResponseRedirect(back)  # which says that there is none
        needs_reason = verb in NEED_REASON
        if not has_confirmed(request, needs_reason=needs_reason):
            lines = [
                (gettext("cause"), found.error_message or found.error_code),
                (gettext("operation"), found.operation),
                (gettext("dead items"), f"{found.number:,}"),
            ]
            about = verb in ("requeue", "canary", "discard")
            count = bulk_words.items(found.number, at_least=False) if about else ""
            return ask(self, request, known[1], known[2], lines, back, count=count, needs_reason=needs_reason)
        reason = reason_of(request)
        try:
            return self._do(request, found, verb, reason, back)
        except DocqueueError as error:
            messages.error(request, f"{error} {error.hint}".strip())
            return HttpResponseRedirect(back)

    def _do(self, request: HttpRequest, found: FailureGroup, verb: str, reason: str, back: str) -> HttpResponse:
        acting = DocumentQueueService(get_settings().DATABASE).acting_as(request.user)
        if verb == "acknowledge":
            first = found.acknowledged_by if found.acknowledged else None
            acting.acknowledge_failure(found.pk, note=reason)
            messages.success(request, gettext("Acknowledged."))
            if first is not None:
                text = gettext("%(who)s had acknowledged it already: your note stands in place of that one.")
                messages.warning(request, text % {"who": first or "–"})
            return HttpResponseRedirect(back)
        if verb == "unacknowledge":
            acting.unacknowledge_failure(found.pk, reason=reason)
            messages.success(request, gettext("The acknowledgement is taken back."))
            return HttpResponseRedirect(back)
        action, canary = ("discard", None) if verb == "discard" else ("requeue", CANARIES if verb == "canary" else None)
        started = acting.bulk(action, fingerprint=found.pk, canary=canary, reason=reason)
        if not started.total:
            text = gettext("Nothing of it is dead any more: somebody has requeued or discarded all. %(last)s")
            messages.warning(request, (text % {"last": causes.who_was_first(found.pk, started.pk)}).strip())
            return HttpResponseRedirect(back)
        text = ngettext(
            "Bulk operation %(id)d was started: the workers do it, %(n)s item in all.",
            "Bulk operation %(id)d was started: the workers do it, %(n)s items in all.",
            started.total,
        )
        messages.success(request, text % {"id": started.pk, "n": f"{started.total:,}{'+' if started.at_least else ''}"})
        if request.user.has_perm("docqueue.view_bulkoperation"):
            back = reverse("admin:docqueue_bulkoperation_change", args=[started.pk])
        return HttpResponseRedirect(back)

    def _makes_sense(self, found: FailureGroup, verb: str) -> bool:
        if verb in ("acknowledge", "unacknowledge"):
            return found.acknowledged == (verb == "unacknowledge")
        return found.number > 0 and (verb != "canary" or found.number > CANARIES)

    @admin.display(description=_("cause"))
    def cause(self, found: FailureGroup) -> Display:
        return columns.two_lines(found.error_message or found.error_code, found.error_code)

    @admin.display(description=_("message"))
    def said(self, found: FailureGroup) -> Display:
        return columns.text(found.error_message)

    @admin.display(description=_("code"))
    def code(self, found: FailureGroup) -> Display:
        return columns.text(found.error_code)

    @admin.display(description=_("exception"))
    def kind(self, found: FailureGroup) -> Display:
        return columns.text(causes.told(found)[0])

    @admin.display(description=_("raised in"))
    def place(self, found: FailureGroup) -> Display:
        """The innermost frame of the project's own code."""
        return columns.text(causes.told(found)[1])

    @admin.display(description=_("one of them"))
    def sample(self, found: FailureGroup) -> Display:
        return columns.item_link(found.sample_id)

    @admin.display(description=_("operation"))
    def of(self, found: FailureGroup) -> Display:
        return columns.two_lines(found.operation, found.queue)

    @admin.display(description=_("dead items"))
    def how_many(self, found: FailureGroup) -> Display:
        address = reverse("admin:docqueue_deaditem_changelist")
        number = format_html('<a href="{}?fingerprint={}">{}</a>', address, found.pk, f"{found.number:,}")
        such_as = gettext("such as")
        return format_html('{}<br><span class="docqueue-small">{} {}</span>', number, such_as, self.sample(found))

    @admin.display(description=_("last 24 hours"))
    def last_day(self, found: FailureGroup) -> Display:
        return charts.sparkline(found.hours, _("died in each of the last 24 hours, the earliest first"))

    @admin.display(description=_("first died"))
    def first(self, found: FailureGroup) -> Display:
        return columns.ago(found.first_at)

    @admin.display(description=_("last died"))
    def last(self, found: FailureGroup) -> Display:
        return columns.ago(found.last_at)

    @admin.display(description=_("first died"))
    def first_exact(self, found: FailureGroup) -> Display:
        return columns.exact(found.first_at)

    @admin.display(description=_("last died"))
    def last_exact(self, found: FailureGroup) -> Display:
        return columns.exact(found.last_at)

    @admin.display(description=_("counted"))
    def counted(self, found: FailureGroup) -> Display:
        return columns.ago(found.counted_at)

    @admin.display(description=_("fingerprint"))
    def mark(self, found: FailureGroup) -> Display:
        return columns.text(found.pk)

    @admin.display(description=_("seen to by"))
    def seen_to(self, found: FailureGroup) -> Display:
        if found.acknowledged:
            return columns.two_lines(found.acknowledged_by or columns.NOTHING, found.note)
        if found.acknowledged_at is not None:
            return columns.two_lines(gettext("nobody: more have died since"), found.note)
        return columns.NOTHING


ACT = "docqueue_failuregroup_do"


def _is_list(request: HttpRequest) -> bool:
    return request.resolver_match is not None and request.resolver_match.url_name == "docqueue_failuregroup_changelist"
