"""Batches: how far each is, how it ended, and what was enqueued then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from docqueue import batching, redaction
from docqueue.admin import columns
from docqueue.admin.actions import REASON_MAX
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.admin.bulk_start import ask
from docqueue.batching import BatchStatus
from docqueue.conf import get_settings
from docqueue.models import Batch
from docqueue.service import DocumentQueueService

if TYPE_CHECKING:
    Display = str | SafeString

PERMISSION = "docqueue.change_batch"
LEFT = ("pending", "in_progress", "waiting")
PAST = ("completed", "cancelled")
COUNTED, COUNTED_IN_LIST = 100_000, 1_000
"""Items of each kind are counted up to that, of one batch and of each in a list."""


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    """Batches, the latest first. Items are counted anew each time: nothing keeps a count."""

    heading = _("Batches")
    list_display = ("id", "named", "state", "left", "dead", "cancelled", "completed", "callback", "made", "ended")
    list_display_links = ("id", "named")
    list_per_page = 20  # each is counted
    change_form_template = "admin/docqueue/batch.html"
    fields = ("named", "state", "items", "left", "dead", "cancelled", "completed", "callback", "made_at", "sealed",
              "ended_at", "on_complete_shown", "on_failure_shown")  # fmt: skip
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see queue items may see what they belong to."""
        return request.user.has_perm("docqueue.view_queueitem")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        seal = path("<int:pk>/seal/", self.admin_site.admin_view(self.seal_view), name="docqueue_batch_seal")
        return [seal, *super().get_urls()]

    def seal_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a reason, then seal it."""
        user: Any = request.user
        if not self.has_view_permission(request) or not user.has_perm(PERMISSION):
            raise PermissionDenied
        back = reverse("admin:docqueue_batch_change", args=[pk])
        batch = self.get_object(request, str(pk))
        if batch is None:
            return HttpResponseRedirect(back)  # which says that there is none
        if request.method != "POST" or "confirmed" not in request.POST:
            question = _(
                "It takes no more items, and is finished when those it has have ended. This can not be undone."
            )
            lines = [(gettext("batch"), str(batch)), (gettext("to do"), str(_number(batch, *LEFT)))]
            return ask(self, request, _("Seal"), question, lines, back)
        reason = request.POST.get("reason", "").strip()[:REASON_MAX]
        if DocumentQueueService(get_settings().DATABASE).acting_as(user).seal_batch(pk, reason=reason):
            messages.success(request, gettext("Batch #%(id)d is sealed.") % {"id": pk})
        else:
            messages.warning(request, gettext("Batch #%(id)d was sealed already.") % {"id": pk})
        return HttpResponseRedirect(back)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_seal": request.user.has_perm(PERMISSION), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        hidden = () if request.user.has_perm("docqueue.view_payload") else ("on_complete_shown", "on_failure_shown")
        return [name for name in self.fields if name not in hidden]

    def prepare_page(self, rows: Sequence[Any]) -> None:
        most = COUNTED if len(rows) == 1 else COUNTED_IN_LIST
        counts = batching.status(get_settings().DATABASE, [b.pk for b in rows], most=most) if rows else []
        known = {status.id: status for status in counts}
        for batch in rows:
            batch.status_shown, batch.most_shown = known.get(batch.pk), most

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

    @admin.display(description=_("items"))
    def items(self, batch: Batch) -> Display:
        live = _link(batch, "queueitem", gettext("live"))
        return format_html("{} · {}", live, _link(batch, "historyitem", gettext("finished")))

    @admin.display(description=_("to do"))
    def left(self, batch: Batch) -> Display:
        return _count(batch, "queueitem", *LEFT)

    @admin.display(description=_("dead"))
    def dead(self, batch: Batch) -> Display:
        return _count(batch, "deaditem", "dead")

    @admin.display(description=_("cancelled"))
    def cancelled(self, batch: Batch) -> Display:
        return _count(batch, "historyitem", "cancelled")

    @admin.display(description=_("completed"))
    def completed(self, batch: Batch) -> Display:
        return _count(batch, "historyitem", "completed")

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
        return columns.as_json(_redacted(batch.on_complete))

    @admin.display(description=_("if some fail"))
    def on_failure_shown(self, batch: Batch) -> Display:
        return columns.as_json(_redacted(batch.on_failure))


def _redacted(callback: Any) -> Any:
    """An item to come, with its payload as people may see it."""
    if not isinstance(callback, dict):
        return callback
    operation = str(callback.get("operation"))
    return callback | {name: redaction.shown(operation, callback.get(name)) for name in ("payload", "metadata")}


def _number(batch: Batch, *names: str) -> str | None:
    """How many of its items are in these states; None: nobody has counted."""
    status: BatchStatus | None = getattr(batch, "status_shown", None)
    if status is None:
        return None
    most: int = getattr(batch, "most_shown", COUNTED)
    kinds = LEFT if set(names) <= set(LEFT) else PAST if set(names) <= set(PAST) else names  # that are counted together
    more = sum(getattr(status, kind) for kind in kinds) >= most
    number = sum(getattr(status, name) for name in names)
    return f"≥ {number:,}" if more else str(number)


def _count(batch: Batch, model: str, *names: str) -> Display:
    """The same, as a link to those items where there are any."""
    number = _number(batch, *names)
    if number is None or number == "0":
        return number or columns.NOTHING
    return _link(batch, model, number, names[0] if model == "historyitem" else "")


def _link(batch: Batch, model: str, text: str, status: str = "") -> Display:
    """A list of its items."""
    query = urlencode([("batch_id", str(batch.pk)), *([("status", status)] if status else [])])
    return format_html('<a href="{}?{}">{}</a>', reverse(f"admin:docqueue_{model}_changelist"), query, text)
