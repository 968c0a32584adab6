"""Full-text search over the chunks of one owner's documents, best matches first, a page at a time by key."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.search import SearchHeadline, SearchQuery, SearchRank
from django.db.models import F, FloatField, Q
from django.db.models.functions import Cast
from django.utils.html import escape

from ingestion.errors import ValidationFailed
from ingestion.limits import get_limits
from ingestion.models import Chunk, Document, Intake
from ingestion.search.config import text_search_config
from ingestion.search.matching import Narrowing, newest_matches

MAX_QUERY = 500
EVERYTHING = Narrowing()
BIGGEST_ID = 2**63 - 1
# Control characters: cleaned text never holds them, so what stands between them was put there by PostgreSQL.
START, STOP = "\x02", "\x03"


class InvalidSearch(ValidationFailed):
    """The search can not be run as it is."""

    code = "invalid_search"
    status = 400
    hint = (
        'Give q, up to 500 characters: words, "a phrase", OR, -word. Correct the filter that the message names. Take '
        "cursor from the last answer as it is."
    )


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
    """One page of hits, and the cursor of the next one (None: this was the last).

    `complete` is False when more chunks match than are ranked: those of the newest documents were.
    """

    hits: list[Hit]
    next_cursor: str | None
    complete: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a page ended, and the newest document of then."""

    rank: float
    chunk_id: int
    newest: int


def search(
    owner_id: int, q: str, *, limit: int = 20, cursor: str | None = None, narrowing: Narrowing = EVERYTHING
) -> SearchPage:
    """Find `q` (websearch syntax: words, "a phrase", OR, -not) in the documents of one owner.

    With more matches than MAX_RANKED_CHUNKS those in the newest documents are ranked, and `complete` is False. A cursor
    goes on with the same matches, whatever has been added since. Raises `InvalidSearch`.
    """
    q = q.strip()
    if not q or len(q) > MAX_QUERY or "\0" in q:
        raise InvalidSearch(f"q must be 1 to {MAX_QUERY} characters.")
    after = None if cursor is None else _read(cursor)
    config = text_search_config()
    query = SearchQuery(q, config=config, search_type="websearch")
    most = get_limits().max_ranked_chunks
    matches = newest_matches(owner_id, query, narrowing, most=most, newest=after.newest if after else None)
    # ts_rank is a float4; as a double it survives the way to the caller and back unchanged.
    ranked = Chunk.objects.filter(pk__in=matches.ids).annotate(
        rank=Cast(SearchRank(F("search_vector"), query), FloatField())
    )
    if after is not None:
        ranked = ranked.filter(Q(rank__lt=after.rank) | Q(rank=after.rank, pk__gt=after.chunk_id))
    headline = SearchHeadline(
        "text", query, config=config, start_sel=START, stop_sel=STOP, max_words=35, min_words=15, max_fragments=2
    )
    # No join before the page is known: PostgreSQL might begin with all documents instead of with the matches.
    if going := list(Intake.objects.filter(owner=owner_id, deleted_at__isnull=False).values_list("pk", flat=True)):
        ranked = ranked.exclude(document__file__intake__in=going)
    shown = ranked.annotate(headline=headline).order_by("-rank", "pk")
    rows = list(shown.values("pk", "document_id", "page", "index", "rank", "headline")[: limit + 1])
    found = Document.objects.filter(pk__in={row["document_id"] for row in rows}).select_related("file")
    documents = {document.pk: document for document in found}
    hits = [_hit(row, documents[row["document_id"]]) for row in rows[:limit] if row["document_id"] in documents]
    next_cursor = None
    if len(rows) > limit:
        last = rows[limit - 1]
        next_cursor = _cursor(Place(rank=last["rank"], chunk_id=last["pk"], newest=matches.newest))
    return SearchPage(hits=hits, next_cursor=next_cursor, complete=matches.complete)


def _hit(row: Mapping[str, Any], document: Document) -> Hit:
    return Hit(
        document_id=document.pk,
        title=document.title,
        filename=document.file.safe_name if hasattr(document, "file") else document.title,
        page=row["page"],
        chunk=row["index"],
        rank=row["rank"],
        snippet=mark(row["headline"]),
    )


def mark(headline: str) -> str:
    """PostgreSQL's headline as HTML: everything escaped, the matching words in <mark>."""
    return escape(headline).replace(START, "<mark>").replace(STOP, "</mark>")


def _cursor(place: Place) -> str:
    said = json.dumps([place.rank, place.chunk_id, place.newest])
    return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")


def _read(cursor: str) -> Place:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        rank, chunk_id, newest = json.loads(base64.urlsafe_b64decode(padded.encode()))
        place = Place(rank=float(rank), chunk_id=int(chunk_id), newest=int(newest))
    except (ValueError, TypeError, binascii.Error, RecursionError, OverflowError) as error:
        raise InvalidSearch("The cursor is not one that a search gave out.") from error
    if not (math.isfinite(place.rank) and 0 <= place.chunk_id <= BIGGEST_ID and 0 <= place.newest <= BIGGEST_ID):
        raise InvalidSearch("The cursor is not one that a search gave out.")
    return place
