"""What people did to intakes, files and documents: entries of the queue's audit, by what they are about."""

from __future__ import annotations

from typing import Any

from django.db.models import Min, QuerySet

from docqueue.models import AuditEntry
from docqueue.service import DocumentQueueService

LOOKED_AT = 20_000
"""So many of the newest entries are looked at for those about a thing: no index has what an entry is about."""


def note(action: str, by: str, reason: str = "", *, item_id: int | None = None, count: int = 1, **about: Any) -> None:
    """Write down what a person did, in the caller's transaction. The program itself (`by` empty) is no person."""
    if by:
        DocumentQueueService().audit(action, by=by, reason=reason, item_id=item_id, count=count, **about)


def entries_about(**about: int) -> QuerySet[AuditEntry]:
    """Entries about a thing, the newest first: `entries_about(intake=5)` has those about its files, too."""
    newest = AuditEntry.objects.order_by("-pk")[:LOOKED_AT].aggregate(first=Min("pk"))["first"] or 0
    found = {f"filter__{name}": pk for name, pk in about.items()}
    return AuditEntry.objects.filter(pk__gte=newest, **found).order_by("-pk")
