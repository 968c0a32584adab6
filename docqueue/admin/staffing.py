"""Asking a worker to be quiet, to go on or to stop, from its page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from docqueue.acting import PERMISSIONS
from docqueue.admin.actions import REASON_MAX
from docqueue.admin.base import ReadOnlyAdmin
from docqueue.admin.bulk_start import ask
from docqueue.conf import get_settings
from docqueue.exceptions import DocqueueError
from docqueue.models import QueueItem, Worker
from docqueue.service import DocumentQueueService
from docqueue.states import Status


class Words(NamedTuple):
    """What a verb is called, what it does, what is said when it was done, and when it was so already."""

    button: Any
    question: Any
    done: Any
    before: Any


WORDS = {
    "quiet_worker": Words(
        _("Quiet"),
        _("It claims nothing new, and finishes what it has. It lives on, and can be asked to go on."),
        _("The worker claims nothing new from within a second on."),
        _("The worker was quiet already."),
    ),
    "unquiet_worker": Words(
        _("Go on"),
        _("It claims items again."),
        _("The worker goes on within a second."),
        _("The worker was not quiet."),
    ),
    "stop_worker": Words(
        _("Stop"),
        _(
            "It ends as by the signal TERM: what has not started goes back, what runs may finish within its grace "
            "period. This can not be undone; whatever watches over the process may start it anew."
        ),
        _("The worker was asked to stop."),
        _("The worker was asked to stop already."),
    ),
}


class StaffingAdmin(ReadOnlyAdmin):
    """A worker's page with what can be asked of it."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.ask_view)
        return [path("<int:worker_id>/ask/<str:verb>/", view, name="docqueue_worker_ask"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        found = self.get_object(request, object_id)
        names = asked_for(found) if found is not None else []
        verbs = [
            (name, WORDS[name].button, name == "stop_worker")
            for name in names
            if request.user.has_perm(PERMISSIONS[name])
        ]
        return super().change_view(request, object_id, form_url, {"verbs": verbs, **(extra_context or {})})

    def ask_view(self, request: HttpRequest, worker_id: int, verb: str) -> HttpResponse:
        """Say what it holds and ask for a reason, then ask it of the worker."""
        words, back = WORDS.get(verb), reverse("admin:docqueue_worker_change", args=[worker_id])
        if words is None or not self.has_view_permission(request) or not request.user.has_perm(PERMISSIONS[verb]):
            raise PermissionDenied
        using = get_settings().DATABASE
        found = self.get_object(request, str(worker_id))
        if found is None:
            return HttpResponseRedirect(back)  # which says that there is none
        if request.method != "POST" or "confirmed" not in request.POST:
            held = QueueItem.objects.using(using).filter(status=Status.IN_PROGRESS, worker_id=worker_id).count()
            lines = [(gettext("worker"), str(found)), (gettext("items in progress"), str(held))]
            return ask(self, request, words.button, words.question, lines, back)
        reason = request.POST.get("reason", "").strip()[:REASON_MAX]
        try:
            changed = getattr(DocumentQueueService(using).acting_as(request.user), verb)(worker_id, reason=reason)
        except DocqueueError as error:
            messages.warning(request, gettext("Nothing was asked: %(reason)s") % {"reason": error})
        else:
            messages.add_message(
                request, messages.SUCCESS if changed else messages.WARNING, words.done if changed else words.before
            )
        return HttpResponseRedirect(back)


def alive(worker: Worker) -> bool:
    """Whether it was heard of lately."""
    ended = worker.stopped_at is not None or worker.lost_at is not None
    return not ended and worker.lease_expires_at >= datetime.now(UTC)


def asked_for(worker: Worker) -> list[str]:
    """What can be asked of a worker as it is: nothing of one whose lease has run out, which hears nothing."""
    if worker.kind != Worker.Kind.WORKER or not alive(worker) or worker.asked == Worker.Asked.STOP:
        return []
    return ["unquiet_worker" if worker.asked == Worker.Asked.QUIET else "quiet_worker", "stop_worker"]
