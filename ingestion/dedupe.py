"""Duplicates: the same bytes twice within one owner. A content counts as known by a receipt, and only by that.

A receipt is written in the transaction that completes a document. A failed, cancelled or unfinished document has
none, so it never makes a later upload look like a duplicate. Of two that complete at once the unique constraint
lets one through; the other one's transaction is undone, and then it points to the winner.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError
from django.db.models import Exists, Q, QuerySet

from ingestion.errors import IndexFailed
from ingestion.models import Document

RECEIPT = "ingestion_document_receipt"
"""The unique constraint over owner and receipt."""


class KnownByNow(Exception):
    """Somebody completed a document with the same bytes meanwhile, or this one was deleted."""


class WinnerGone(IndexFailed):
    """The document with the same content was deleted at the same moment."""

    hint = "It is tried again by itself."


def known_as(document: Document) -> int | None:
    """The id of another document of this owner that was completed with the same bytes."""
    return _same(document).values_list("pk", flat=True).first()


def unknown(document: Document) -> Q:
    """That there is none: a condition for the statement that writes the receipt."""
    return Q(~Exists(_same(document)))


@contextmanager
def receipt_is_free() -> Iterator[None]:
    """Raises KnownByNow where the block writes a receipt that somebody else has written at the same moment.

    The transaction around it is lost then, and must end with that exception.
    """
    try:
        yield
    except IntegrityError as error:
        if getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) != RECEIPT:
            raise
        raise KnownByNow from error


def _same(document: Document) -> QuerySet[Document]:
    same = Document.objects.filter(owner=document.owner_id, receipt_sha256=document.blob.sha256)
    return same.exclude(pk=document.pk)
