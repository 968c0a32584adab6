"""A document's rows as a knowledge store sees them."""

from __future__ import annotations

from ingestion.km.base import KMDocument, KnowledgeStore, known_to
from ingestion.models import Document, IngestFile


def describe(document: Document, store: KnowledgeStore | None = None) -> KMDocument:
    """The document as a knowledge store sees it; with the reference, if `store` has given it one."""
    file: IngestFile | None = getattr(document, "file", None)
    return KMDocument(
        id=document.pk,
        owner_id=document.owner_id,
        title=document.title,
        filename=file.safe_name if file else document.title,
        content_type=document.content_type,
        size=document.blob.size,
        sha256=document.blob.sha256,
        storage_key=document.blob.storage_key,
        created_at=document.created_at,
        type=document.type,
        intake_id=file.intake_id if file else None,
        tags=tuple(document.tags),
        indexed=document.chunk_count > 0,
        reference=known_to(store, document.km_ref) if store is not None else "",
    )
