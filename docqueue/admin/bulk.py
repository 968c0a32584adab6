"""Bulk operations: how far each is, and aborting one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from docqueue.admin import audit, bulk_words, columns
from docqueue.admin.actions import LISTED, has_confirmed, reason_of
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.admin.bulk_start import ask
from docqueue.bulk import PERMISSIONS
from docqueue.conf import get_settings
from docqueue.exceptions import DocqueueError
from docqueue.models import AuditEntry, BulkOperation
from docqueue.service import DocumentQueueService

if TYPE_CHECKING:
    Display = str | SafeString

QUESTION = _("What runs ends after the slice that is under way. What was done stays done.")
COLOURS = {"running": "in_progress", "done": "completed", "aborted": "cancelled"}


@admin.register(BulkOperation)
class BulkOperationAdmin(ReadOnlyAdmin):
    """The latest first. They are started from the lists of items."""

    heading = _("Bulk operations")
    empty = _("No bulk operation was started. One begins in a list of items, with “… all that match”.")
    list_display = ("id", "what", "about", "progress", "skipped", "shown", "who", "why", "started")
    list_display_links = ("id", "what")
    fields = ("what", "about", "shown", "progress", "skipped", "skipped_why", "who", "why", "created",
              "finished", "stopped", "filter_shown")  # fmt: skip
    readonly_fields = fields
    actions = ("abort",)
    change_form_template = "admin/docqueue/bulk.html"

    def get_urls(self) -> list[URLPattern]:
        end = path(
            "<int:bulk_id>/abort/", self.admin_site.admin_view(self.abort_view), name="docqueue_bulkoperation_abort"
        )
        return [end, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        found = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if found is not None:
            running = found.state == BulkOperation.State.RUNNING
            context["may_abort"] = running and request.user.has_perm(PERMISSIONS[found.action])
            context["audit"] = _audit(found) if request.user.has_perm("docqueue.view_auditentry") else []
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def abort_view(self, request: HttpRequest, bulk_id: int) -> HttpResponse:
        """Say how far it is and ask for a reason, then abort it."""
        found = self.get_object(request, str(bulk_id))
        user: Any = request.user
        if found is None or not self.has_view_permission(request) or not user.has_perm(PERMISSIONS[found.action]):
            raise PermissionDenied
        back = reverse("admin:docqueue_bulkoperation_change", args=[bulk_id])
        if not has_confirmed(request):
            lines = [
                (gettext("action"), self.what(found)),
                (gettext("which"), self.about(found)),
                (gettext("progress"), self.progress(found)),
                (gettext("skipped"), f"{found.skipped:,}"),
            ]
            return ask(self, request, gettext("Abort"), QUESTION, lines, back)
        self._end(request, found, reason_of(request))
        return HttpResponseRedirect(back)

    def has_abort_permission(self, request: HttpRequest) -> bool:
        """Whoever may start one of the actions may abort those."""
        return any(request.user.has_perm(permission) for permission in PERMISSIONS.values())

    @admin.action(description=_("Abort …"), permissions=["abort"])
    def abort(self, request: HttpRequest, queryset: QuerySet[BulkOperation]) -> HttpResponse | None:
        rows = list(queryset)
        if not has_confirmed(request):
            return self._question(request, rows)
        for found in rows:
            if request.user.has_perm(PERMISSIONS[found.action]):
                self._end(request, found, reason_of(request))
            else:
                text = gettext("Skipped: you may not abort bulk operation %(id)d.")
                messages.warning(request, text % {"id": found.pk})
        return None

    def _question(self, request: HttpRequest, rows: Sequence[BulkOperation]) -> HttpResponse:
        """The page that says which are about to be aborted, and how many run."""
        lines: list[tuple[str, str]] = []
        for one in rows[:LISTED]:
            said = (self.what(one), self.about(one), self.shown(one), self.progress(one))
            lines.append((f"#{one.pk}", format_html("{}, {}<br>{} {}", *said)))
        if len(rows) > LISTED:
            lines.append(("…", gettext("and %(n)d more") % {"n": len(rows) - LISTED}))
        count = ngettext("%(n)d bulk operation", "%(n)d bulk operations", len(rows)) % {"n": len(rows)}
        hidden = [("action", "abort"), *((ACTION_CHECKBOX_NAME, one.pk) for one in rows)]
        back = reverse("admin:docqueue_bulkoperation_changelist")
        return ask(self, request, gettext("Abort"), QUESTION, lines, back, count=count, hidden=hidden)

    def _end(self, request: HttpRequest, found: BulkOperation, reason: str) -> None:
        acting = DocumentQueueService(get_settings().DATABASE).acting_as(request.user)
        try:
            ended = acting.bulk_abort(found.pk, reason=reason)
        except DocqueueError as error:
            messages.warning(request, gettext("Skipped: %(reason)s") % {"reason": error})
        else:
            text = ngettext(
                "Bulk operation %(id)d was aborted; %(done)s item was changed before.",
                "Bulk operation %(id)d was aborted; %(done)s items were changed before.",
                ended.done,
            )
            messages.success(request, text % {"id": ended.pk, "done": f"{ended.done:,}"})

    @admin.display(description=_("action"))
    def what(self, found: BulkOperation) -> Display:
        label = str(BulkOperation.Action(found.action).label)
        if (priority := found.options.get("priority")) is None:
            return label
        return gettext("%(action)s to %(priority)d") % {"action": label, "priority": priority}

    @admin.display(description=_("items"))
    def about(self, found: BulkOperation) -> Display:
        return columns.text(bulk_words.about(found.filter))

    @admin.display(description=_("progress"))
    def progress(self, found: BulkOperation) -> Display:
        total = f"{found.total:,}+" if found.at_least else f"{found.total:,}"
        if found.at_least:
            return format_html("{} / {}", f"{found.done:,}", total)
        shown = '<progress max="100" value="{0}"></progress> {1} / {2} ({0} %)'
        return format_html(shown, found.percent, f"{found.done:,}", total)

    @admin.display(description=_("state"))
    def shown(self, found: BulkOperation) -> Display:
        return columns.badge(COLOURS[found.state], BulkOperation.State(found.state).label)

    @admin.display(description=_("who"))
    def who(self, found: BulkOperation) -> Display:
        return columns.text(found.actor)

    @admin.display(description=_("reason"))
    def why(self, found: BulkOperation) -> Display:
        return columns.text(found.reason)

    @admin.display(description=_("started"))
    def started(self, found: BulkOperation) -> Display:
        return columns.ago(found.created_at)

    @admin.display(description=_("started"))
    def created(self, found: BulkOperation) -> Display:
        return columns.exact(found.created_at)

    @admin.display(description=_("finished"))
    def finished(self, found: BulkOperation) -> Display:
        return columns.exact(found.finished_at)

    @admin.display(description=_("stopped by"))
    def stopped(self, found: BulkOperation) -> Display:
        return columns.text(found.options.get("stopped"))

    @admin.display(description=_("why they were skipped"))
    def skipped_why(self, found: BulkOperation) -> Display:
        said = found.options.get("skipped") or {}
        rows: list[tuple[str, str, str]] = [
            (f"{one['number']:,}", bulk_words.skipped(found.action, state), _links(one))
            for state, one in sorted(said.items(), key=lambda entry: -entry[1]["number"])
        ]
        if rest := found.skipped - sum(one["number"] for one in said.values()):
            rows.append((f"{rest:,}", gettext("did not match any more before it was their turn"), ""))
        return format_html_join("\n", "<div>{} {} {}</div>", rows) or columns.NOTHING

    @admin.display(description=_("filter"))
    def filter_shown(self, found: BulkOperation) -> Display:
        return columns.as_json(found.filter)


def _links(one: dict[str, Any]) -> SafeString:
    """The first of the items that were skipped for one reason."""
    links = format_html_join(", ", "{}", ((columns.item_link(item),) for item in one["first"]))
    return format_html("{}{}", links, " …" if one["number"] > len(one["first"]) else "")


def _audit(found: BulkOperation) -> QuerySet[AuditEntry]:
    """Its start and its end, by whom."""
    return audit.of_many(get_settings().DATABASE, bulk=found.pk)
