"""LocalKM: chunks in our own PostgreSQL, searchable by full text as soon as the transaction commits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from django.db import DatabaseError, connections, router

from ingestion import storage
from ingestion.km.base import Health, Hit, KMDocument, Sent, Status
from ingestion.models import Chunk, Document
from ingestion.search import facets
from ingestion.search.chunking import TextChunk
from ingestion.search.config import text_search_config
from ingestion.search.matching import Narrowing
from ingestion.search.query import search as find

ROWS_PER_INSERT = 200


class LocalIndex:
    """Our own search, for any store: subclass it, and documents are found here as well as there."""

    def index(self, document: KMDocument, chunks: Iterable[TextChunk]) -> int:
        """Replace the document's chunks. Readers see the old ones until the caller's transaction commits."""
        found_by = _facets(document)
        if document.indexed:
            Chunk.objects.filter(document=document.id).delete()
        written = 0
        source = iter(chunks)
        while batch := list(islice(source, ROWS_PER_INSERT)):
            _insert(document.id, found_by, batch)
            written += len(batch)
        return written

    def retag(self, document: KMDocument) -> None:
        """Have the chunks found by the document's tags of now."""
        Chunk.objects.filter(document=document.id).update(facets=_facets(document))


class LocalKM(LocalIndex):
    """The default store. Nothing to send anywhere: the bytes are in the document storage already."""

    name = "local"
    keeps_copies = False
    batch_file_bytes = 0

    def health(self) -> Health:
        """Whether the database answers."""
        try:
            with connections[router.db_for_read(Chunk)].cursor() as cursor:
                cursor.execute("select 1")
        except DatabaseError as error:
            return Health(ok=False, message=f"The database does not answer: {error}")
        return Health(ok=True)

    def exists(self, documents: Sequence[KMDocument]) -> Mapping[int, str]:
        """Those whose bytes are in the document storage."""
        return {one.id: str(one.id) for one in documents if storage.exists(one.storage_key)}

    def put(self, document: KMDocument) -> str:
        """The document's own id is the reference."""
        return str(document.id)

    def put_many(self, documents: Sequence[KMDocument]) -> Mapping[int, Sent]:
        """The same for each."""
        return {one.id: self.put(one) for one in documents}

    def status(self, reference: str) -> Status | None:
        """Whether it is searchable, and how large it is."""
        found = Document.objects.select_related("blob").filter(pk=int(reference)) if reference.isdecimal() else None
        document = found.first() if found is not None else None
        if document is None:
            return None
        state = "indexed" if document.searchable else "stored"
        return Status(reference=reference, state=state, sha256=document.blob.sha256, size=document.blob.size)

    def delete(self, document: KMDocument) -> None:
        """Delete the document's chunks."""
        Chunk.objects.filter(document=document.id).delete()

    def tag(self, document: KMDocument) -> None:
        """The tags are in our database already."""

    def search(self, query: str, *, owner_id: int, tags: Collection[str] = (), limit: int = 20) -> Sequence[Hit]:
        """As `ingestion.search` finds it; snippets are HTML with <mark>."""
        page = find(owner_id, query, limit=limit, narrowing=Narrowing(tags=tuple(tags)))
        return [
            Hit(
                reference=str(hit.document_id),
                document_id=hit.document_id,
                title=hit.title,
                snippet=hit.snippet,
                score=hit.rank,
            )
            for hit in page.hits
        ]


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
