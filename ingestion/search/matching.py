"""Which chunks match: those of the newest documents first, and no more of them than are going to be ranked.

To rank a match its words must be read, so a word that half of a million chunks have can not be ranked in full. The
index can not give the newest matches first either. So it is asked shelf by shelf: the newest 256 documents, then the
eight shelves below, then 64, until there is enough. A rare word costs a few look-ups, a common one ends with the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.postgres.search import SearchQuery
from django.db.models import QuerySet
from django.utils import timezone

from ingestion.models import Chunk, Document
from ingestion.search import facets

SHELVES = (1, 8, 64, 512)
"""How many shelves are asked for at a time, from the newest on; then all that are left."""
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
    matching = narrowed.filter(search_vector=query).order_by("-document_id", "pk")
    ids: list[int] = []
    for part in _parts(matching, facets.shelf_of(first.pk), facets.shelf_of(newest)):
        ids += part.values_list("pk", flat=True)[: most + 1 - len(ids)]
        if len(ids) > most:
            break
    return Matches(ids=ids[:most], newest=newest, complete=len(ids) <= most)


def _parts(matching: QuerySet[Chunk], lowest: int, top: int) -> Iterator[QuerySet[Chunk]]:
    """The same question for one shelf, eight, 64 …, from the newest down."""
    for count in SHELVES:
        if top - count < lowest:
            break
        yield matching.filter(facets__overlap=[facets.shelf(number) for number in range(top - count + 1, top + 1)])
        top -= count
    yield matching.filter(document_id__lt=(top + 1) * facets.DOCUMENTS_PER_SHELF)


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
