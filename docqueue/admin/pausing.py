"""Pausing and resuming a queue from the page of all queues."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from docqueue.acting import PERMISSIONS
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.admin.bulk_start import ask
from docqueue.conf import get_settings
from docqueue.exceptions import DocqueueError
from docqueue.service import DocumentQueueService

PERMISSION = PERMISSIONS["pause_queue"]
REASON_MAX = 500


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
            return ask(self, request, button, question, [(gettext("queue"), name)], back)
        acting = DocumentQueueService(get_settings().DATABASE).acting_as(user)
        reason = request.POST.get("reason", "").strip()[:REASON_MAX]
        try:
            if verb == "pause":
                acting.pause_queue(name, reason)
                messages.success(request, gettext("Queue %(name)s is paused.") % {"name": name})
            elif acting.resume_queue(name, reason=reason):
                messages.success(request, gettext("Queue %(name)s goes on.") % {"name": name})
            else:
                messages.warning(request, gettext("Queue %(name)s was not paused.") % {"name": name})
        except DocqueueError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(back)
