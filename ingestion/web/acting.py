"""The buttons, as plain forms send them: cancel, retry, delete. The script asks the API for the same things."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from ingestion.api.base import found, intakes_of
from ingestion.errors import NothingToRetry
from ingestion.models import IngestFile, Intake, Outcome
from ingestion.reprocess_file import reprocess_file
from ingestion.services import Order, Selection, cancel_intake, delete_intake, start_order
from ingestion.web.base import REFUSALS, owner_id, refusal
from ingestion.web.showing import whole_card
from ingestion.web.words import words


@require_POST
@login_required
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel what has not ended of an upload."""
    row = _intake(request, pk)
    return _do(request, row, lambda: cancel_intake(row, by=_who(request)), _("What had not ended was cancelled."))


@require_POST
@login_required
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Process the failed files of an upload anew."""
    row = _intake(request, pk)

    def order() -> None:
        selection = Selection(owner=row.owner_id, intakes=(row.pk,), outcome=Outcome.FAILED.value)
        if start_order(Order.of(selection, priority=row.priority, by=_who(request))).item_id is None:
            raise NothingToRetry

    return _do(request, row, order, _("The failed files will be processed anew in a moment."))


@require_POST
@login_required
def retry_file(request: HttpRequest, pk: int) -> HttpResponse:
    """Process one failed file anew."""
    owned = IngestFile.objects.filter(intake__in=intakes_of(owner_id(request))).select_related("document", "intake")
    file = found(owned, pk)
    return _do(
        request,
        file.intake,
        lambda: reprocess_file(file, by=_who(request), only_failed=True),
        _("The file is processed anew."),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask, and on POST delete an upload with its documents."""
    row = _intake(request, pk)
    card = whole_card(request, row)
    if request.method != "POST":
        return render(request, "ingestion/delete.html", {"card": card})
    files = card.facts["files_total"]
    try:
        delete_intake(row, by=_who(request))
    except REFUSALS as error:
        return _refused(request, row, error)
    gone = ngettext("The upload and its %(n)s file are deleted.", "The upload and its %(n)s files are deleted.", files)
    messages.success(request, gone % {"n": f"{files:,}"})
    return redirect("uploads:home")


def _intake(request: HttpRequest, pk: int) -> Intake:
    return found(intakes_of(owner_id(request)), pk)


def _who(request: HttpRequest) -> str:
    return request.user.get_username()


def _do(request: HttpRequest, row: Intake, act: Callable[[], object], said: str) -> HttpResponse:
    """Do it, and go to the upload's page, which says so; a refusal is shown there too, with its status."""
    try:
        act()
    except REFUSALS as error:
        return _refused(request, row, error)
    messages.success(request, said)
    return redirect(reverse("uploads:intake", args=[row.pk]) + "?watch=1")


def _refused(request: HttpRequest, row: Intake, error: Exception) -> HttpResponse:
    refused = refusal(error)
    row.refresh_from_db()
    context = {"card": whole_card(request, row), "refused": refused, "script": {"words": words()}, "unfinished": False}
    return render(request, "ingestion/intake.html", context, status=refused.status)
