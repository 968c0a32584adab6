"""Duplicates: the same bytes twice within one owner. A content counts as known by a receipt, and only by that.

A receipt is written in the transaction that completes a document. A failed, cancelled or unfinished document has
none, so it never makes a later upload look like a duplicate. Of two that complete at once the unique constraint
lets one through; the other waits for that commit and then points to the winner.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction

from ingestion.models import Document


def known_as(document: Document) -> int | None:
    """The id of another document of this owner that was completed with the same bytes."""
    same = Document.objects.filter(owner=document.owner_id, receipt_sha256=document.blob.sha256)
    return same.exclude(pk=document.pk).values_list("pk", flat=True).first()


def take_receipt(document: Document) -> int | None:
    """Write the receipt, inside the completing transaction. Returns None, or the id of the document that has it."""
    while True:
        try:
            with transaction.atomic():
                Document.objects.filter(pk=document.pk).update(receipt_sha256=document.blob.sha256)
            return None
        except IntegrityError:
            winner = known_as(document)
            if winner is not None:
                return winner
            # The winner was deleted between the two statements: its receipt is free.
