"""How an item's values look, in lists and on its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from docqueue import explaining, redaction
from docqueue.admin import columns
from docqueue.conf import get_settings
from docqueue.states import Status, attempt

if TYPE_CHECKING:
    Display = str | SafeString


class ItemColumns:
    """The columns of live, dead and finished items alike."""

    @admin.display(description=_("id"), ordering="id")
    def id_(self, item: Any) -> Display:
        return f"#{item.pk}"

    @admin.display(description=_("operation, queue"))
    def what(self, item: Any) -> Display:
        return columns.two_lines(item.operation, item.queue)

    @admin.display(description=_("document"))
    def document(self, item: Any) -> Display:
        return columns.text(item.document_id)

    @admin.display(description=_("status"))
    def state(self, item: Any) -> Display:
        return columns.badge(item.status, Status(item.status).label)

    @admin.display(description=_("why"))
    def why(self, item: Any) -> Display:
        if not hasattr(item, "reason_shown"):  # on its own page there is room for all of it
            item.reason_shown = columns.sentence(explaining.detail(get_settings().DATABASE, item).text)
        return columns.text(item.reason_shown)

    @admin.display(description=_("attempt"))
    def tries(self, item: Any) -> Display:
        return f"{attempt(item.attempt, item.status)} / {item.max_attempts}"

    @admin.display(description=_("enqueued"))
    def age(self, item: Any) -> Display:
        return columns.ago(item.enqueued_at)

    @admin.display(description=_("enqueued"))
    def enqueued(self, item: Any) -> Display:
        return columns.exact(item.enqueued_at)

    @admin.display(description=_("run after"))
    def starts_after(self, item: Any) -> Display:
        return columns.exact(item.run_after)

    @admin.display(description=_("next try"))
    def next_try(self, item: Any) -> Display:
        return columns.exact(item.next_retry_at)

    @admin.display(description=_("claimed"))
    def claimed(self, item: Any) -> Display:
        return columns.exact(item.claimed_at)

    @admin.display(description=_("cancel requested"))
    def cancel_asked(self, item: Any) -> Display:
        return columns.exact(item.cancel_requested_at)

    @admin.display(description=_("died"))
    def died(self, item: Any) -> Display:
        return columns.exact(item.died_at)

    @admin.display(description=_("worker"))
    def worker(self, item: Any) -> Display:
        return columns.worker_link(item.worker_id)

    @admin.display(description=_("limit"))
    def limit(self, item: Any) -> Display:
        return columns.limit_link(item.limit_key)

    @admin.display(description=_("concurrency key"))
    def concurrency(self, item: Any) -> Display:
        if item.slot_key is None:
            return columns.NOTHING
        told = {"slot": item.slot, "most": item.slot_limit}
        if item.slot is None:
            return columns.two_lines(item.slot_key, gettext("at most %(most)s at once") % told)
        return columns.two_lines(item.slot_key, gettext("place %(slot)s of %(most)s") % told)

    @admin.display(description=_("batch"))
    def batch(self, item: Any) -> Display:
        return columns.batch_link(item.batch_id)

    @admin.display(description=_("payload"))
    def payload_shown(self, item: Any) -> Display:
        return columns.as_json(redaction.shown(item.operation, item.payload))

    @admin.display(description=_("metadata"))
    def metadata_shown(self, item: Any) -> Display:
        return columns.as_json(redaction.shown(item.operation, item.metadata))
