"""What a search box finds: ids, each kind of term by an index, or among the newest items where there is none for it."""

from __future__ import annotations

from django.db.models import Min, Q

from docqueue import handlers
from docqueue.models import HistoryItem, Key, QueueItem
from docqueue.states import Status, WaitReason
from docqueue.validation import IDEMPOTENT

LOOKED_AT = 20_000
"""So many of the newest live items are looked at for a document: no index has those that are pending, as each claim
would have to write that, too. What waits, runs or is dead, and what holds the document as its ordering key, which it is
where nobody said otherwise, is found anywhere."""
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
    return found | of_document(using, term)


def of_document(using: str, document: str) -> set[int]:
    """Live items of a document: what waits, is dead or runs, what holds the key of that name, and the newest."""
    items = QueueItem.objects.using(using).filter(document_id=document)
    newest = QueueItem.objects.using(using).order_by("-pk")[:LOOKED_AT].aggregate(first=Min("pk"))["first"]
    lines = (
        items.filter(Q(wait_reason__isnull=False) | Q(status=Status.DEAD)),
        items.filter(status=Status.IN_PROGRESS),
        items.filter(ordering_key=document, holds_key=True),
        items.filter(pk__gte=newest or 0).order_by("-pk"),
    )
    return {pk for line in lines for pk in line.values_list("pk", flat=True)[:MOST]}


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
