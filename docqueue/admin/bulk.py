"""Bulk operations: how far each is, and aborting one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from docqueue.admin import bulk_words, columns
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.bulk import PERMISSIONS
from docqueue.conf import get_settings
from docqueue.exceptions import DocqueueError
from docqueue.models import BulkOperation
from docqueue.service import DocumentQueueService

if TYPE_CHECKING:
    Display = str | SafeString

COLOURS = {"running": "in_progress", "done": "completed", "aborted": "cancelled"}


@admin.register(BulkOperation)
class BulkOperationAdmin(ReadOnlyAdmin):
    """The latest first. They are started from the lists of items."""

    heading = _("Bulk operations")
    list_display = ("id", "action", "about", "progress", "skipped", "shown", "who", "why", "started")
    list_display_links = ("id", "action")
    fields = ("action", "filter_shown", "shown", "progress", "skipped", "who", "why", "created", "finished")
    readonly_fields = fields
    actions = ("abort",)

    def has_abort_permission(self, request: HttpRequest) -> bool:
        """Whoever may start one of the actions may abort those."""
        return any(request.user.has_perm(permission) for permission in PERMISSIONS.values())

    @admin.action(description=_("Abort"), permissions=["abort"])
    def abort(self, request: HttpRequest, queryset: QuerySet[BulkOperation]) -> None:
        user: Any = request.user
        service = DocumentQueueService(get_settings().DATABASE)
        for found in queryset:
            if not user.has_perm(PERMISSIONS[found.action]):
                text = gettext("Skipped: you may not abort bulk operation %(id)d.")
                messages.warning(request, text % {"id": found.pk})
                continue
            try:
                ended = service.bulk_abort(found.pk, by=user.get_username())
            except DocqueueError as error:
                messages.warning(request, gettext("Skipped: %(reason)s") % {"reason": error})
            else:
                text = gettext("Bulk operation %(id)d was aborted; %(done)s items were changed before.")
                messages.success(request, text % {"id": ended.pk, "done": f"{ended.done:,}"})

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

    @admin.display(description=_("filter"))
    def filter_shown(self, found: BulkOperation) -> Display:
        return columns.as_json(found.filter)
