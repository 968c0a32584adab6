"""What a knowledge store with copies of its own is told after our transaction: deletions, and changes of tags.

Each is an item of the document's own line in the queue. So it is there exactly if the change was committed, comes after
whatever is being done with the document at that moment, and waits where the store is not to be reached.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.utils import timezone

from docqueue.service import DocumentQueueService, NewItem
from ingestion.km import KMDocument, get_store
from ingestion.km.describing import describe
from ingestion.models import Document

FORGET, TAG = "document.forget", "document.tag"


def forget(described: KMDocument) -> None:
    """Have the store's copy deleted, as part of the caller's transaction."""
    forget_content(described.id, described.sha256, described.size, described.reference)


def forget_content(document_id: int, sha256: str, size: int, reference: str = "") -> None:
    """The same, by what finds a document at the store when its rows are gone."""
    payload = {"sha256": sha256, "size": size, "reference": reference}
    DocumentQueueService().enqueue(document_id, FORGET, payload=payload)


def forgotten(document_id: int, payload: Mapping[str, Any]) -> None:
    """Delete the copy that `forget` was told of. Raises what the store raises; nothing happens where it has none."""
    nobody = {"owner_id": 0, "title": "", "filename": "", "content_type": "", "storage_key": ""}
    get_store().delete(KMDocument(id=document_id, created_at=timezone.now(), **nobody, **payload))  # type: ignore[arg-type]


def retag(document_ids: Collection[int]) -> None:
    """Have the store told the tags of these documents, as part of the caller's transaction."""
    items = [NewItem(document_id=pk, operation=TAG) for pk in document_ids]
    if items:
        DocumentQueueService().enqueue_many(items)


def tagged(document_id: int) -> None:
    """Tell the store the document's tags of now. Raises what the store raises."""
    document = Document.objects.select_related("blob", "file").filter(pk=document_id).first()
    if document is not None:
        store = get_store()
        store.tag(describe(document, store))
