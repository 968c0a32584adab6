"""Batches: how far each is, how it ended, and what was enqueued then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from docqueue import batching
from docqueue.admin import columns
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.batching import BatchStatus
from docqueue.conf import get_settings
from docqueue.models import Batch

if TYPE_CHECKING:
    Display = str | SafeString


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    """Batches, the latest first. Items are counted anew each time: nothing keeps a count."""

    heading = _("Batches")
    list_display = ("id", "named", "state", "left", "dead", "cancelled", "completed", "callback", "made", "ended")
    list_display_links = ("id", "named")
    list_per_page = 20  # each is counted
    fields = ("named", "state", "left", "dead", "cancelled", "completed", "callback", "made_at", "sealed", "ended_at",
              "on_complete_shown", "on_failure_shown")  # fmt: skip
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see queue items may see what they belong to."""
        return request.user.has_perm("docqueue.view_queueitem")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        hidden = () if request.user.has_perm("docqueue.view_payload") else ("on_complete_shown", "on_failure_shown")
        return [name for name in self.fields if name not in hidden]

    def prepare_page(self, rows: Sequence[Any]) -> None:
        counts = batching.status(get_settings().DATABASE, [b.pk for b in rows]) if rows else []
        known = {status.id: status for status in counts}
        for batch in rows:
            batch.status_shown = known.get(batch.pk)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        batch = super().get_object(request, object_id, from_field)
        if batch is not None:
            self.prepare_page([batch])
        return batch

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        empty = gettext("No batch has been made. A program makes one: service.batch()")
        return super().changelist_view(request, {"docqueue_empty": empty, **(extra_context or {})})

    @admin.display(description=_("name"))
    def named(self, batch: Batch) -> Display:
        return columns.text(batch.name)

    @admin.display(description=_("state"))
    def state(self, batch: Batch) -> Display:
        if batch.outcome:
            label = gettext("completed") if batch.outcome == "completed" else gettext("failed")
            return columns.badge("completed" if batch.outcome == "completed" else "dead", label)
        if batch.sealed_at:
            return columns.badge("in_progress", gettext("under way"))
        return columns.badge("waiting", gettext("open: more may be added"))

    @admin.display(description=_("to do"))
    def left(self, batch: Batch) -> Display:
        status = _status(batch)
        return columns.NOTHING if status is None else str(status.pending + status.in_progress + status.waiting)

    @admin.display(description=_("dead"))
    def dead(self, batch: Batch) -> Display:
        return _count(batch, "dead")

    @admin.display(description=_("cancelled"))
    def cancelled(self, batch: Batch) -> Display:
        return _count(batch, "cancelled")

    @admin.display(description=_("completed"))
    def completed(self, batch: Batch) -> Display:
        return _count(batch, "completed")

    @admin.display(description=_("then enqueued"))
    def callback(self, batch: Batch) -> Display:
        return columns.item_link(batch.callback_id)

    @admin.display(description=_("made"))
    def made(self, batch: Batch) -> Display:
        return columns.ago(batch.created_at)

    @admin.display(description=_("made"))
    def made_at(self, batch: Batch) -> Display:
        return columns.exact(batch.created_at)

    @admin.display(description=_("sealed"))
    def sealed(self, batch: Batch) -> Display:
        return columns.exact(batch.sealed_at)

    @admin.display(description=_("finished"))
    def ended(self, batch: Batch) -> Display:
        return columns.ago(batch.finished_at)

    @admin.display(description=_("finished"))
    def ended_at(self, batch: Batch) -> Display:
        return columns.exact(batch.finished_at)

    @admin.display(description=_("if all complete"))
    def on_complete_shown(self, batch: Batch) -> Display:
        return columns.as_json(batch.on_complete)

    @admin.display(description=_("if some fail"))
    def on_failure_shown(self, batch: Batch) -> Display:
        return columns.as_json(batch.on_failure)


def _status(batch: Batch) -> BatchStatus | None:
    return getattr(batch, "status_shown", None)


def _count(batch: Batch, name: str) -> str:
    status = _status(batch)
    return columns.NOTHING if status is None else str(getattr(status, name))
