"""Facets: what a search can be narrowed by, as words beside each chunk's text, in one index with it.

So the index itself finds what has the words, belongs to the owner and has the tag; no row is read that does not. Two
facets are not asked for by people: the month narrows a range of dates before the dates themselves are compared, and the
shelf (256 documents of neighbouring ids) lets a search of common words begin with the newest documents.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

DOCUMENTS_PER_SHELF = 256
MONTHS_MAX = 120
"""A longer range of dates is not narrowed by months: it would be most of them."""


def owner(owner_id: int) -> str:
    """Whose it is."""
    return f"owner:{owner_id}"


def tag(label: str) -> str:
    """One of the document's tags."""
    return f"tag:{label}"


def type_(name: str) -> str:
    """The type that the document was found to have."""
    return f"type:{name}"


def intake(intake_id: int) -> str:
    """The upload that it came with."""
    return f"intake:{intake_id}"


def month(at: datetime) -> str:
    """The month, in UTC, that the document was taken in."""
    return f"month:{at.astimezone(UTC):%Y-%m}"


def shelf(number: int) -> str:
    """The shelf with this number."""
    return f"shelf:{number}"


def shelf_of(document_id: int) -> int:
    """Which shelf a document stands on: the higher, the newer."""
    return document_id // DOCUMENTS_PER_SHELF


def of_document(
    *, document_id: int, owner_id: int, tags: Iterable[str], type_name: str, intake_id: int | None, created_at: datetime
) -> list[str]:
    """All facets of a document's chunks."""
    mine = [owner(owner_id), type_(type_name), month(created_at), shelf(shelf_of(document_id)), *map(tag, tags)]
    return mine if intake_id is None else [*mine, intake(intake_id)]


def months(since: datetime, until: datetime) -> list[str] | None:
    """The facets of all months from `since` to `until`; None when these are too many to be worth asking for."""
    first, last = (at.astimezone(UTC) for at in (since, until))
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    if len(numbers) > MONTHS_MAX:
        return None
    return [f"month:{number // 12:04}-{number % 12 + 1:02}" for number in numbers]
