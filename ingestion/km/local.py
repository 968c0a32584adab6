"""LocalKM: chunks in our own PostgreSQL, searchable by full text as soon as the transaction commits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from django.db import connections, router

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
        found_by = _facets(document)
        if document.indexed:
            self.delete(document)
        written = 0
        source = iter(chunks)
        while batch := list(islice(source, ROWS_PER_INSERT)):
            _insert(document.id, found_by, batch)
            written += len(batch)
        return written

    def retag(self, document: KMDocument) -> None:
        """Have the chunks found by the document's tags of now."""
        Chunk.objects.filter(document=document.id).update(facets=_facets(document))

    def delete(self, document: KMDocument) -> None:
        """Delete the document's chunks."""
        Chunk.objects.filter(document=document.id).delete()


def _insert(document_id: int, found_by: list[str], chunks: Sequence[TextChunk]) -> None:
    """Written out, as putting it together takes Django longer than a small document takes for all the rest."""
    with connections[router.db_for_write(Chunk)].cursor() as cursor:
        cursor.execute(
            "insert into ingestion_chunk (document_id, index, page, text, facets, search_vector) "
            "select %s, v.index, v.page, v.text, %s::varchar[], to_tsvector(%s::regconfig, v.text) "
            "from unnest(%s::int[], %s::int[], %s::text[]) as v(index, page, text)",
            [
                document_id,
                found_by,
                text_search_config(),
                [chunk.index for chunk in chunks],
                [chunk.page for chunk in chunks],
                [chunk.text for chunk in chunks],
            ],
        )


def _facets(document: KMDocument) -> list[str]:
    return facets.of_document(
        document_id=document.id,
        owner_id=document.owner_id,
        tags=document.tags,
        type_name=document.type,
        intake_id=document.intake_id,
        created_at=document.created_at,
    )
