"""All queues at a glance: depths, the oldest item, and how many workers serve each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from docqueue import stats
from docqueue.admin import banner, queue_page
from docqueue.admin.pausing import PERMISSION, PausingAdmin
from docqueue.conf import get_settings
from docqueue.models import Queue


@dataclass(kw_only=True)
class Row:
    """One queue."""

    name: str
    pending: int | str = 0
    in_progress: int | str = 0
    dead: int | str = 0
    waiting: int | str = 0
    retrying: int | str = 0
    oldest: str = ""
    workers: int = 0
    paused: Queue | None = None


@admin.register(Queue)
class QueueAdmin(PausingAdmin):
    """Every queue that holds something or that somebody set something about: most have no row of their own."""

    class Media:
        css = {"all": ("docqueue/admin.css", "docqueue/overview.css")}

    keyset = ("name",)
    fields = ("name", "paused_at", "paused_by", "paused_reason")
    readonly_fields = fields

    def get_urls(self) -> list[URLPattern]:
        page = path("of/", self.admin_site.admin_view(self.queue_view), name="docqueue_queue_page")
        return [page, *super().get_urls()]

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """The page of one queue, which the query names."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "may_pause": request.user.has_perm(PERMISSION),
            "may_see_workers": request.user.has_perm("docqueue.view_worker"),
            "may_see_limits": request.user.has_perm("docqueue.view_limit"),
            **queue_page.context(get_settings().DATABASE, request.GET.get("queue", "")),
        }
        return TemplateResponse(request, "admin/docqueue/queue.html", context)

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
    """The queues by name: what is too deep to be counted each time with the age of its last full count."""
    found: dict[str, Row] = {}
    for name, counts in stats.depths(using).items():
        found[name] = Row(
            name=name,
            pending=_shown(counts, "pending"),
            in_progress=_shown(counts, "in_progress"),
            dead=_shown(counts, "failed"),
            waiting=_shown(counts, "waiting"),
            retrying=_shown(counts, "retrying"),
            oldest="" if counts.oldest_due_seconds is None else stats.in_words(counts.oldest_due_seconds),
        )
    for queue in Queue.objects.using(using):
        row = found.setdefault(queue.name, Row(name=queue.name))
        row.paused = queue if queue.paused_at else None
    workers = stats.serving(using)
    for row in found.values():
        row.workers = sum(one.serves(row.name) for one in workers)
    return [found[name] for name in sorted(found)]


def _shown(counts: stats.QueueCounts, name: str) -> int | str:
    """A number, in words when it was not counted now."""
    return counts.in_words(name) if name in counts.counted_seconds_ago else getattr(counts, name)
