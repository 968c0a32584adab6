"""What a search box finds: ids, each kind of term by an index, or among the newest items where there is none for it."""

from __future__ import annotations

from django.db.models import Min

from docqueue import handlers
from docqueue.models import HistoryItem, Key, QueueItem
from docqueue.states import Status, WaitReason
from docqueue.validation import IDEMPOTENT

LOOKED_AT = 20_000
"""So many of the newest live items, and as many dead ones, are looked at for a document: no index has it, as each claim
would have to write that, too. By its ordering key, which is the document where nobody said otherwise, it is found
anywhere."""
MOST = 500


def live(using: str, term: str) -> set[int]:
    """Live items with this id, unique or idempotency key, ordering key, or document."""
    items = QueueItem.objects.using(using)
    found = {*_as_id(term)}
    keys = Key.objects.using(using).filter(key__in=(term, IDEMPOTENT + term))
    found |= set(keys.values_list("item_id", flat=True)[:2])
    found |= set(items.filter(ordering_key=term, holds_key=True).values_list("pk", flat=True)[:1])
    line = items.filter(ordering_key=term, status=Status.WAITING, wait_reason=WaitReason.ORDERING)
    found |= set(line.order_by("pk").values_list("pk", flat=True)[:MOST])
    newest = items.order_by("-pk")[:LOOKED_AT].aggregate(first=Min("pk"))["first"]
    recent = items.filter(document_id=term, pk__gte=newest or 0)
    found |= set(recent.order_by("-pk").values_list("pk", flat=True)[:MOST])
    dead = items.filter(status=Status.DEAD).order_by("-died_at", "-pk")
    latest = dead[:LOOKED_AT].aggregate(first=Min("died_at"))["first"]
    of_document = dead.filter(document_id=term, died_at__gte=latest) if latest is not None else dead.none()
    return found | set(of_document.values_list("pk", flat=True)[:MOST])


def finished(using: str, term: str) -> set[int]:
    """Finished items with this id or document, and completed ones with this unique key."""
    items = HistoryItem.objects.using(using)
    found = {*_as_id(term)}
    found |= set(items.filter(document_id=term).order_by().values_list("pk", flat=True)[:MOST])
    operations = handlers.operations()
    keyed = items.filter(operation__in=operations, unique_key=term, status=Status.COMPLETED)
    return found | set(keyed.order_by().values_list("pk", flat=True)[:MOST])


def _as_id(term: str) -> list[int]:
    number = term.removeprefix("#")
    return [int(number)] if number.isascii() and number.isdigit() and len(number) < 19 else []
