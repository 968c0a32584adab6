"""What has changed on the page: one small request for all cards that are open, however many there are.

The script says which cards it shows and the tag of each; only those that look different by now come back, as the same
HTML that the page was made of. That is cheaper than one held request an upload, and there is one place that knows how
an upload looks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ingestion.api.base import intakes_of
from ingestion.models import Intake
from ingestion.services import reconcile_intake
from ingestion.web.base import owner_id
from ingestion.web.showing import Card, cards, place, whole_card

MOST = 40
"""Cards, and keys, that one request may ask for; what is beyond is left out."""
_CARD = re.compile(
    r"(?P<pk>[0-9]{1,18})(:(?P<tag>[0-9a-f]{0,32}))?(:(?P<whole>w)(?P<after>[0-9]*)(:(?P<outcome>[a-z_]*))?)?"
)


@require_safe
@never_cache
def news(request: HttpRequest) -> JsonResponse:
    """`?card=ID:TAG` for each card, `?key=` for idempotency keys of which nobody knows whether they arrived.

    Answers `cards` (those that have changed), `gone` (ids of those that are deleted), `keys` (ids of intakes by key).
    """
    if not request.user.is_authenticated:
        return JsonResponse({"detail": _("You are not logged in.")}, status=401)
    owned = intakes_of(owner_id(request))
    asked = [match for text in request.GET.getlist("card")[:MOST] if (match := _CARD.fullmatch(text))]
    wanted = {int(match["pk"]): match for match in asked}
    rows = {row.pk: row for row in owned.filter(pk__in=wanted)}
    for row in rows.values():
        # As the API does for the one that it is asked about; of a list the duty looks after that.
        if wanted[row.pk]["whole"] and reconcile_intake(row):
            row.refresh_from_db()
    keys = [key for key in request.GET.getlist("key")[:MOST] if "\0" not in key]
    body = {
        "cards": [told for card in _cards(request, rows, wanted) if (told := _told(request, card, wanted))],
        "gone": [pk for pk in wanted if pk not in rows],
        "keys": dict(owned.filter(client_key__in=keys).values_list("client_key", "pk")) if keys else {},
    }
    return JsonResponse(body)


def _cards(request: HttpRequest, rows: dict[int, Intake], wanted: dict[int, re.Match[str]]) -> Iterator[Card]:
    whole = [pk for pk in rows if wanted[pk]["whole"]]
    yield from cards(request, [row for pk, row in rows.items() if pk not in whole])
    for pk in whole[:1]:  # a page is about one
        after, outcome = place(wanted[pk]["after"] or "", wanted[pk]["outcome"] or "")
        yield whole_card(request, rows[pk], after=after, outcome=outcome)


def _told(request: HttpRequest, card: Card, wanted: dict[int, re.Match[str]]) -> dict[str, Any] | None:
    """The card, when it does not look as the script has it."""
    html = render_to_string("ingestion/parts/card.html", {"card": card}, request)
    tag = hashlib.sha256(html.encode()).hexdigest()[:32]
    if tag == wanted[card.id]["tag"]:
        return None
    told = {"id": card.id, "tag": tag, "html": html, "title": card.title}
    return told | {name: card.facts[name] for name in ("state", "finished", "percent")}
