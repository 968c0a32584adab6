"""Which chunks match: those of the newest documents first, and no more of them than are going to be ranked.

To rank a match its words must be read, so a word that half of a million chunks have can not be ranked in full. The
index can not give the newest matches first either. So it is asked for the newest shelf of documents, and then for as
many below it as will hold enough, judged by what was found so far. A common word ends with the first shelf, a rare one
after a few look-ups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.postgres.search import SearchQuery
from django.db.models import F, QuerySet
from django.utils import timezone

from ingestion.models import Chunk, Document
from ingestion.search import facets

SHELVES_MAX = 512
"""How many shelves one question names; for more than that it asks for all that are left."""
GROWTH = 8
"""How many times as many shelves as before are looked at next, at most."""
SLACK = timedelta(days=1)
"""Of two transactions the later one may have the smaller id, and the clock of this process may be wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Narrowing:
    """What the documents must be like. All of `tags`, one of `types`; taken in from `since` on and before `until`."""

    tags: Sequence[str] = ()
    types: Sequence[str] = ()
    intake: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Matches:
    """Ids of matching chunks. `newest` is the document that was the newest then; `complete`: these are all."""

    ids: Sequence[int]
    newest: int
    complete: bool


def newest_matches(
    owner_id: int, query: SearchQuery, narrowing: Narrowing, *, most: int, newest: int | None = None
) -> Matches:
    """At most `most` chunks of the owner that match, of the newest documents. `newest`: leave out what came later."""
    owned = Document.objects.filter(owner=owner_id).order_by("pk")
    first, last = owned.first(), owned.last()
    if first is None or last is None:
        return Matches(ids=(), newest=0, complete=True)
    newest = last.pk if newest is None else min(newest, last.pk)
    narrowed = _narrowed(owner_id, narrowing, first).filter(document_id__lte=newest)
    # The newest first, in words that no index fits: PostgreSQL would walk down the documents one by one where it
    # believes that many match, and walk down all of them where none does.
    matching = narrowed.filter(search_vector=query).order_by(F("document_id") * -1, "pk")
    ids = _from_the_top(matching, facets.shelf_of(first.pk), facets.shelf_of(newest), most + 1)
    return Matches(ids=ids[:most], newest=newest, complete=len(ids) <= most)


def _from_the_top(matching: QuerySet[Chunk], lowest: int, top: int, enough: int) -> list[int]:
    """Ids of matching chunks, from the highest shelf down, `enough` of them where there are so many."""
    found: list[int] = []
    looked, count = 0, 1
    while len(found) < enough and looked <= top - lowest:
        last = top - looked
        if count > SHELVES_MAX:
            count = last - lowest + 1
            part = matching.filter(document_id__lt=(last + 1) * facets.DOCUMENTS_PER_SHELF)
        else:
            count = min(count, last - lowest + 1)
            part = matching.filter(facets__overlap=[facets.shelf(last - n) for n in range(count)])
        found += part.values_list("pk", flat=True)[: enough - len(found)]
        looked += count
        wanted = math.ceil((enough - len(found)) * looked / max(len(found), 1) * 1.2)
        count = min(wanted, looked * GROWTH)
    return found


def _narrowed(owner_id: int, asked: Narrowing, first: Document) -> QuerySet[Chunk]:
    all_of = [facets.owner(owner_id), *map(facets.tag, asked.tags)]
    if asked.intake is not None:
        all_of.append(facets.intake(asked.intake))
    found = Chunk.objects.filter(facets__contains=all_of)
    if asked.types:
        found = found.filter(facets__overlap=[facets.type_(name) for name in asked.types])
    if asked.since is not None:
        found = found.filter(document__created_at__gte=asked.since)
    if asked.until is not None:
        found = found.filter(document__created_at__lt=asked.until)
    if asked.since is not None or asked.until is not None:
        # The dates are compared on each document; the index finds those of the right months.
        months = facets.months(asked.since or first.created_at - SLACK, asked.until or timezone.now() + SLACK)
        found = found if months is None else found.filter(facets__overlap=months)
    return found
