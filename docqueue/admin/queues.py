"""All queues at a glance: depths, the oldest item, and how many workers serve each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from docqueue import stats, store
from docqueue.admin import banner
from docqueue.admin.pausing import PERMISSION, PausingAdmin
from docqueue.conf import get_settings
from docqueue.models import Queue


@dataclass(kw_only=True)
class Row:
    """One queue."""

    name: str
    pending: int = 0
    in_progress: int = 0
    dead: int = 0
    waiting: int = 0
    retrying: int = 0
    oldest: str = ""
    workers: int = 0
    paused: Queue | None = None


@admin.register(Queue)
class QueueAdmin(PausingAdmin):
    """Every queue that holds something or that somebody set something about: most have no row of their own."""

    keyset = ("name",)
    fields = ("name", "paused_at", "paused_reason")
    readonly_fields = fields

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        using = get_settings().DATABASE
        context = {
            **self.admin_site.each_context(request),
            "title": _("Queues"),
            "opts": self.opts,
            "media": self.media,
            "rows": rows(using),
            "may_pause": request.user.has_perm(PERMISSION),
            "docqueue_hints": banner.hints(using),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/docqueue/queues.html", context)


def rows(using: str) -> list[Row]:
    """The queues by name. Finished items are not counted here: that would read the whole history."""
    found: dict[str, Row] = {}
    for name, pending, in_progress, dead, waiting, retrying, oldest in store.run(using, "stats_live", {}):
        found[name] = Row(
            name=name,
            pending=pending,
            in_progress=in_progress,
            dead=dead,
            waiting=waiting,
            retrying=retrying,
            oldest="" if oldest is None else stats.in_words(oldest),
        )
    for queue in Queue.objects.using(using):
        row = found.setdefault(queue.name, Row(name=queue.name))
        row.paused = queue if queue.paused_at else None
    served = [queues for _id, queues in store.run(using, "stats_workers", {})]
    for row in found.values():
        row.workers = sum(1 for queues in served if not queues or row.name in queues)
    return [found[name] for name in sorted(found)]
