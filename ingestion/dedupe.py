"""Duplicates: the same bytes twice within one owner. A content counts as known by a receipt, and only by that.

A receipt is written in the transaction that completes a document. A failed, cancelled or unfinished document has
none, so it never makes a later upload look like a duplicate. Of two that complete at once the unique constraint
lets one through; the other waits for that commit and then points to the winner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, transaction

from ingestion.models import Document

T = TypeVar("T")
RECEIPT = "ingestion_document_receipt"
"""The unique constraint over owner and receipt."""


def known_as(document: Document) -> int | None:
    """The id of another document of this owner that was completed with the same bytes."""
    same = Document.objects.filter(owner=document.owner_id, receipt_sha256=document.blob.sha256)
    return same.exclude(pk=document.pk).values_list("pk", flat=True).first()


def unless_known(document: Document, complete: Callable[[], T]) -> T | int:
    """Run `complete`, which writes the receipt, inside the completing transaction; undone when somebody else has one.

    Returns its answer (which is no int), or the id of the document that was completed with the same bytes.
    """
    while True:
        try:
            with transaction.atomic():
                return complete()
        except IntegrityError as error:
            if _constraint(error) != RECEIPT:
                raise
            winner = known_as(document)
            if winner is not None:
                return winner
            # The winner was deleted between the two statements: its receipt is free.


def _constraint(error: IntegrityError) -> str | None:
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
