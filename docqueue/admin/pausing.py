"""Pausing and resuming a queue from the page of all queues."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from docqueue import stats
from docqueue.acting import PERMISSIONS
from docqueue.admin import audit
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.admin.bulk_start import ask
from docqueue.conf import get_settings
from docqueue.exceptions import DocqueueError
from docqueue.models import Queue
from docqueue.service import DocumentQueueService

PERMISSION = PERMISSIONS["pause_queue"]
REASON_MAX = 500
KINDS = {"pending": _("pending"), "in_progress": _("in progress"), "waiting": _("waiting"), "retrying": _("retrying")}


class PausingAdmin(ReadOnlyAdmin):
    """The queue is named in the query: its name may hold what an address can not."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("pause/", view(self.pause_view), name="docqueue_queue_pause"),
            path("resume/", view(self.resume_view), name="docqueue_queue_resume"),
            *super().get_urls(),
        ]

    def pause_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a reason, then pause it."""
        question = _("Nothing of it starts any more, what is pending included. What runs may finish.")
        return self._act(request, _("Pause"), question, "pause")

    def resume_view(self, request: HttpRequest) -> HttpResponse:
        """Ask, then let it go on."""
        return self._act(request, _("Resume"), _("Its items start again."), "resume")

    def _act(self, request: HttpRequest, button: Any, question: Any, verb: str) -> HttpResponse:
        user: Any = request.user
        if not self.has_view_permission(request) or not user.has_perm(PERMISSION):
            raise PermissionDenied
        name = request.GET.get("queue", "")
        back = f"{reverse('admin:docqueue_queue_page')}?{urlencode({'queue': name})}"
        if request.method != "POST" or "confirmed" not in request.POST:
            found = stats.depths(get_settings().DATABASE).get(name) or stats.QueueCounts()
            lines = [(gettext("queue"), name)]
            lines += [(str(label), found.in_words(kind)) for kind, label in KINDS.items()]
            return ask(self, request, button, question, lines, back)
        acting = DocumentQueueService(get_settings().DATABASE).acting_as(user)
        reason = request.POST.get("reason", "").strip()[:REASON_MAX]
        before = (
            Queue.objects.using(get_settings().DATABASE)
            .filter(name=name.replace("\0", ""), paused_at__isnull=False)
            .first()
        )
        try:
            if verb == "pause":
                acting.pause_queue(name, reason)
                if before is not None:
                    text = gettext("%(who)s had paused it already, %(time)s ago: your reason stands in place of that.")
                    messages.warning(request, text % {"who": before.paused_by or "–", "time": _since(before.paused_at)})
                messages.success(request, gettext("Queue %(name)s is paused.") % {"name": name})
            elif acting.resume_queue(name, reason=reason):
                messages.success(request, gettext("Queue %(name)s goes on.") % {"name": name})
            else:
                text = gettext("Queue %(name)s was not paused. %(last)s") % {"name": name, "last": _resumed(name)}
                messages.warning(request, text.strip())
        except DocqueueError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(back)


def _since(moment: datetime | None) -> str:
    return stats.in_words((datetime.now(UTC) - moment).total_seconds()) if moment is not None else "–"


def _resumed(name: str) -> str:
    """Who let it go on last."""
    entries = audit.of_many(get_settings().DATABASE, queue=name)
    last = next((one for one in entries if one.action == "resume_queue"), None)
    if last is None:
        return ""
    said = {"actor": last.actor or "–", "time": _since(last.at)}
    return gettext("Last: resumed by %(actor)s, %(time)s ago.") % said
