"""LocalKM: chunks in our own PostgreSQL, searchable by full text as soon as the transaction commits."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from django.contrib.postgres.search import SearchVector
from django.db.models import Value

from ingestion.km.base import KMDocument
from ingestion.models import Chunk
from ingestion.search import facets
from ingestion.search.chunking import TextChunk
from ingestion.search.config import text_search_config

ROWS_PER_INSERT = 200


class LocalKM:
    """The default store. Nothing to send anywhere: the bytes are in the document storage already."""

    name = "local"
    keeps_copies = False

    def upload(self, document: KMDocument, *, key: str) -> str:
        """The document's own id is the reference."""
        return f"local:{document.id}"

    def index(self, document: KMDocument, chunks: Iterable[TextChunk]) -> int:
        """Replace the document's chunks. Readers see the old ones until the caller's transaction commits."""
        config = text_search_config()
        found_by = _facets(document)
        if document.indexed:
            self.delete(document)
        written = 0
        source = iter(chunks)
        while batch := list(islice(source, ROWS_PER_INSERT)):
            Chunk.objects.bulk_create(
                Chunk(
                    document_id=document.id,
                    index=chunk.index,
                    page=chunk.page,
                    text=chunk.text,
                    facets=found_by,
                    search_vector=SearchVector(Value(chunk.text), config=config),
                )
                for chunk in batch
            )
            written += len(batch)
        return written

    def retag(self, document: KMDocument) -> None:
        """Have the chunks found by the document's tags of now."""
        Chunk.objects.filter(document=document.id).update(facets=_facets(document))

    def delete(self, document: KMDocument) -> None:
        """Delete the document's chunks."""
        Chunk.objects.filter(document=document.id).delete()


def _facets(document: KMDocument) -> list[str]:
    return facets.of_document(
        document_id=document.id,
        owner_id=document.owner_id,
        tags=document.tags,
        type_name=document.type,
        intake_id=document.intake_id,
        created_at=document.created_at,
    )
