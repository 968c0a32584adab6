"""The search box: the words of `?q=`, narrowed by a tag or a type."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils.safestring import mark_safe

from ingestion.api.searching import narrowing
from ingestion.errors import IngestionError
from ingestion.services import search
from ingestion.web.base import owner_id, refusal

HITS = 10


def find(request: HttpRequest) -> dict[str, Any]:
    """What the template needs to show the hits of this page; no `found` where nothing was asked."""
    given = request.GET
    asked = {name: given.get(name, "").strip() for name in ("q", "tag", "type")}
    context: dict[str, Any] = {"asked": asked, "found": None, "next_hits": "", "search_refused": None, "status": 200}
    if not asked["q"]:
        return context
    try:
        page = search(
            owner_id(request),
            asked["q"],
            limit=HITS,
            cursor=given.get("cursor") or None,
            narrowing=narrowing(given),
        )
    except IngestionError as error:
        refused = refusal(error)
        return context | {"search_refused": refused, "status": refused.status}
    context["found"] = page
    # search() escapes the text and puts nothing but <mark> into it.
    context["hits"] = [(hit, mark_safe(hit.snippet)) for hit in page.hits]  # noqa: S308
    if page.next_cursor:
        words = {name: value for name, value in asked.items() if value}
        context["next_hits"] = urlencode(words | {"cursor": page.next_cursor})
    return context
