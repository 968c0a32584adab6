"""Full-text search over the chunks of one owner's documents, best matches first, a page at a time by key."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from django.contrib.postgres.search import SearchHeadline, SearchQuery, SearchRank
from django.db.models import F, FloatField, Q
from django.db.models.functions import Cast
from django.utils.html import escape

from ingestion.errors import ValidationFailed
from ingestion.models import Chunk
from ingestion.search.config import text_search_config

MAX_QUERY = 500
# Control characters: cleaned text never holds them, so what stands between them was put there by PostgreSQL.
START, STOP = "\x02", "\x03"


class InvalidSearch(ValidationFailed):
    """The search can not be run as it is."""

    code = "invalid_search"
    status = 400
    hint = 'Give q, up to 500 characters: words, "a phrase", OR, -word. Take cursor from the last answer as it is.'


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """One matching chunk. `snippet` is HTML: escaped text with the matching words in <mark>."""

    document_id: int
    title: str
    filename: str
    page: int | None
    chunk: int
    rank: float
    snippet: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchPage:
    """One page of hits, and the cursor of the next one (None: this was the last)."""

    hits: list[Hit]
    next_cursor: str | None


def search(owner_id: int, q: str, *, limit: int = 20, cursor: str | None = None, tag: str | None = None) -> SearchPage:
    """Find `q` (websearch syntax: words, "a phrase", OR, -not) in the documents of one owner."""
    q = q.strip()
    if not q or len(q) > MAX_QUERY or "\0" in q:
        raise InvalidSearch(f"q must be 1 to {MAX_QUERY} characters.")
    config = text_search_config()
    query = SearchQuery(q, config=config, search_type="websearch")
    found = Chunk.objects.filter(search_vector=query, document__owner=owner_id)
    if tag:
        found = found.filter(document__tags__contains=[tag])
    # ts_rank is a float4; as a double it survives the way to the caller and back unchanged.
    ranked = found.annotate(rank=Cast(SearchRank(F("search_vector"), query), FloatField()))
    if cursor is not None:
        rank, last_id = _read(cursor)
        ranked = ranked.filter(Q(rank__lt=rank) | Q(rank=rank, pk__gt=last_id))
    headline = SearchHeadline(
        "text", query, config=config, start_sel=START, stop_sel=STOP, max_words=35, min_words=15, max_fragments=2
    )
    rows = list(
        ranked.annotate(headline=headline)
        .order_by("-rank", "pk")
        .values(
            "pk", "document_id", "document__title", "document__file__safe_name", "page", "index", "rank", "headline"
        )[: limit + 1]
    )
    hits = [
        Hit(
            document_id=row["document_id"],
            title=row["document__title"],
            filename=row["document__file__safe_name"] or row["document__title"],
            page=row["page"],
            chunk=row["index"],
            rank=row["rank"],
            snippet=mark(row["headline"]),
        )
        for row in rows[:limit]
    ]
    more = len(rows) > limit
    return SearchPage(hits=hits, next_cursor=_cursor(rows[limit - 1]["rank"], rows[limit - 1]["pk"]) if more else None)


def mark(headline: str) -> str:
    """PostgreSQL's headline as HTML: everything escaped, the matching words in <mark>."""
    return escape(headline).replace(START, "<mark>").replace(STOP, "</mark>")


def _cursor(rank: float, chunk_id: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([rank, chunk_id]).encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[float, int]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        rank, chunk_id = json.loads(base64.urlsafe_b64decode(padded.encode()))
        return float(rank), int(chunk_id)
    except (ValueError, TypeError, binascii.Error, RecursionError, OverflowError) as error:
        raise InvalidSearch("The cursor is not one that a search gave out.") from error
