"""The page itself, one upload, one document. Everything is rendered here first; the script only keeps it fresh."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from ingestion.api import presenting
from ingestion.api.base import documents_of, found, intakes_of
from ingestion.api.uploading import FORM_BYTES, QuotaUploadHandler, refuse_size
from ingestion.limits import get_limits
from ingestion.services import accept_upload, reconcile_intake
from ingestion.storage import ensure_room
from ingestion.web.base import REFUSALS, Refusal, owner_id, refusal
from ingestion.web.finding import find
from ingestion.web.showing import cards, limits_in_words, place, whole_card
from ingestion.web.words import words

CARDS_A_PAGE = 20


@csrf_exempt  # checked in _take: the check reads the form, and by then the size must be counted
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def home(request: HttpRequest) -> HttpResponseBase:
    """The form, the search and my newest uploads. POST takes an upload in, as a plain form sends it."""
    if request.method != "POST":
        return _home(request)
    try:
        _look_at_size(request)
    except REFUSALS as error:
        return _home(request, refusal(error))  # without a look at the form, whose bytes have not been read
    try:
        return _take(request)
    except REFUSALS as error:
        return _home(request, refusal(error), tags=request.POST.get("tags", ""))


def _look_at_size(request: HttpRequest) -> None:
    request.upload_handlers.insert(0, QuotaUploadHandler(request))
    announced = request.META.get("CONTENT_LENGTH") or "0"
    size, most = int(announced) if announced.isdigit() else 0, get_limits().max_upload_bytes
    if size > most + FORM_BYTES:
        refuse_size(most)  # before its bytes are read
    ensure_room(size)


@csrf_protect
def _take(request: HttpRequest) -> HttpResponse:
    """Take in what the form brings; a form that is sent twice names the same upload."""
    uploads: list[Any] = request.FILES.getlist("file")
    named = repr([(one.name, one.size) for one in uploads]).encode("utf-8", "replace")
    key = f"page:{request.POST.get('form', '')[:64]}:{hashlib.sha256(named).hexdigest()[:32]}".replace("\0", "")
    taken = accept_upload(owner_id(request), uploads, tags=request.POST.getlist("tags"), client_key=key)
    response = redirect("uploads:intake", taken.intake.pk)
    response.status_code = 303
    return response


def _home(request: HttpRequest, refused: Refusal | None = None, tags: str = "") -> HttpResponse:
    owned, limits = intakes_of(owner_id(request)).order_by("-pk"), limits_in_words()
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        owned = owned.filter(pk__lt=int(before))
    rows = list(owned[: CARDS_A_PAGE + 1])
    shown = cards(request, rows[:CARDS_A_PAGE])
    context: dict[str, Any] = {
        "cards": shown,
        "older": rows[CARDS_A_PAGE - 1].pk if len(rows) > CARDS_A_PAGE else None,
        "first_page": not before,
        "form_key": secrets.token_urlsafe(16),
        "limits": limits,
        "refused": refused,
        "script": {"words": words(), "suffixes": limits["suffixes"]},
        "tags": tags,
        "unfinished": any(not card.facts["finished"] for card in shown),
        **find(request),
    }
    return render(request, "ingestion/home.html", context, status=refused.status if refused else context["status"])


@require_safe
@never_cache
@login_required
def intake(request: HttpRequest, pk: int) -> HttpResponse:
    """One upload with its files, 50 a page."""
    row = found(intakes_of(owner_id(request)), pk)
    reconcile_intake(row)
    after, outcome = place(request.GET.get("after", ""), request.GET.get("outcome", ""))
    card = whole_card(request, found(intakes_of(owner_id(request)), pk), after=after, outcome=outcome)
    context = {
        "card": card,
        "script": {"words": words()},
        "still": "still" in request.GET,
        "unfinished": not card.facts["finished"] or "watch" in request.GET,
    }
    return render(request, "ingestion/intake.html", context)


@require_safe
@never_cache
@login_required
def document(request: HttpRequest, pk: int) -> HttpResponse:
    """What is known of a document."""
    row = found(documents_of(owner_id(request)), pk)
    return render(request, "ingestion/document.html", {"document": presenting.document(request, row)})
