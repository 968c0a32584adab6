"""What a search box finds: ids and hashes by an index, names among the newest rows, as no index has parts of names.

Each kind of term is looked up by itself: one condition with all of them would be answered by reading the table.
"""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Min, Q, QuerySet

from ingestion.models import Blob, Document, IngestFile, Intake, Outcome

LOOKED_AT = 20_000
"""So many of the newest rows are looked at for a part of a name."""
MOST = 500
_SHA256 = re.compile("[0-9a-f]{64}")


def intakes(term: str) -> set[int]:
    """Intakes with this id or owner; of the newest, by name, idempotency key, correlation id or queue item."""
    rows, number = Intake.objects.all(), _number(term)
    named = Q(filename__icontains=term) | Q(client_key=term) | Q(correlation_id=term) | Q(item_id=number)
    named |= Q(blob__in=_blobs(term))
    return _ids(rows.filter(pk=number), rows.filter(owner__in=_owners(term)), _newest(rows, named))


def files(term: str) -> set[int]:
    """Files with this id, error code or SHA-256; of the newest, by queue item or a part of the path."""
    rows, number = IngestFile.objects.all(), _number(term)
    return _ids(
        rows.filter(pk=number),
        rows.filter(outcome="", item_id=number),
        rows.filter(outcome=Outcome.FAILED, error_code=term),
        rows.filter(blob__in=_blobs(term)),
        _newest(rows, Q(source_path__icontains=term) | Q(item_id=number)),
    )


def documents(term: str) -> set[int]:
    """Documents with this id, owner or SHA-256; of the newest, by a part of the title."""
    rows = Document.objects.all()
    return _ids(
        rows.filter(pk=_number(term)),
        rows.filter(owner__in=_owners(term)),
        rows.filter(blob__in=_blobs(term)),
        _newest(rows, Q(title__icontains=term)),
    )


def _ids(*found: QuerySet[Any]) -> set[int]:
    return {pk for rows in found for pk in rows.order_by("-pk").values_list("pk", flat=True)[:MOST]}


def _newest(rows: QuerySet[Any], condition: Q) -> QuerySet[Any]:
    first = rows.order_by("-pk")[:LOOKED_AT].aggregate(first=Min("pk"))["first"]
    return rows.filter(condition, pk__gte=first or 0)


def _number(term: str) -> int:
    """The id that the term is; 0, which none has, where it is none."""
    number = term.removeprefix("#")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0


def _owners(term: str) -> list[int]:
    users = get_user_model()
    return list(users.objects.filter(**{users.USERNAME_FIELD: term}).values_list("pk", flat=True))


def _blobs(term: str) -> list[int]:
    known = term.lower()
    if not _SHA256.fullmatch(known):
        return []
    return list(Blob.objects.filter(sha256=known).values_list("pk", flat=True))
