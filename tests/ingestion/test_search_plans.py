"""How PostgreSQL answers a search over 60,000 chunks: by the one index, reading little more than it ranks."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ingestion.models import Chunk, Document
from ingestion.search import facets
from ingestion.search.matching import Narrowing
from ingestion.search.query import search
from tests.ingestion.factories import accept_document, index_text

pytestmark = pytest.mark.django_db(transaction=True)

DOCUMENTS, EACH = 6_000, 10
COPY_DOCUMENTS = """
insert into ingestion_document (owner_id, title, blob_id, tags, type, content_type, text_status, text_reason, text_note,
        text_length, chunk_count, extractor, warnings, km_ref, created_at)
    select owner_id, title, blob_id, tags, type, content_type, text_status, text_reason, text_note, text_length,
        chunk_count,
        extractor, warnings, km_ref, created_at
    from ingestion_document d, generate_series(1, %(documents)s) where d.id = %(first)s
"""
COPY_CHUNKS = """
insert into ingestion_chunk (document_id, index, page, text, facets, search_vector)
    select d.id, n, 1, c.text, c.facets || array['shelf:' || d.id / %(shelf)s, 'tag:t' || d.id %% 50]::varchar[],
        c.search_vector || to_tsvector('english', 'rare' || d.id ||
            case when d.id %% 2 = 0 then ' even' else ' odd' end)
    from ingestion_document d, ingestion_chunk c, generate_series(1, %(each)s) n
    where d.id > %(first)s and c.document_id = %(first)s
"""


@pytest.fixture
def crowd(owner, worker):
    """The owner of 60,000 chunks, each with the common word and one that few have."""
    first = accept_document(owner, "x")
    index_text(first, "heron " + " ".join(f"word{n}" for n in range(150)))
    Chunk.objects.update(facets=[facets.owner(owner.pk), facets.type_("text"), facets.month(first.created_at)])
    with connection.cursor() as cursor:
        params = {"documents": DOCUMENTS, "each": EACH, "first": first.pk, "shelf": facets.DOCUMENTS_PER_SHELF}
        cursor.execute(COPY_DOCUMENTS, params)
        cursor.execute(COPY_CHUNKS, params)
        cursor.execute("vacuum analyze ingestion_chunk, ingestion_document")
    return owner


def plans(owner, q, narrowing):
    """EXPLAIN of the very statements that the search runs: nodes, and pages touched."""
    with CaptureQueriesContext(connection) as captured:
        search(owner.pk, q, narrowing=narrowing)
    nodes, blocks = [], 0
    for query in captured.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute(f"explain (analyze, buffers, format json) {query['sql']}")
            found = cursor.fetchone()[0]
        top = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
        blocks += top["Shared Hit Blocks"] + top["Shared Read Blocks"]
        waiting = [top]
        while waiting:
            node = waiting.pop()
            nodes.append(node)
            waiting += node.get("Plans", [])
    return nodes, blocks


ALL = Narrowing()


SEARCHES = [
    ("rare{last}", ALL, 500),
    ("heron", ALL, 12_000),
    ("heron rare{last}", ALL, 500),
    ("heron even", ALL, 12_000),
    ("even odd", ALL, 1_000),
    ('"word7 word8"', ALL, 12_000),
    ("heron", Narrowing(tags=["t7"]), 8_000),
    ("heron", Narrowing(types=["pdf"]), 1_000),
    ("heron", Narrowing(intake=1), 1_000),
]
"""Words, what they are narrowed by, and how many pages may be touched."""


def test_a_search_reads_what_it_ranks_by_the_index_and_not_the_table(crowd):
    last = Document.objects.latest("pk").pk
    for q, narrowing, most in SEARCHES:
        nodes, blocks = plans(crowd, q.format(last=last), narrowing)
        assert "ingestion_chunk_search" in {node.get("Index Name") for node in nodes}, (q, narrowing)
        read = {(node["Node Type"], node.get("Relation Name")) for node in nodes}
        assert ("Seq Scan", "ingestion_chunk") not in read, (q, narrowing)
        assert blocks <= most, f"{q}, {narrowing}: {blocks} pages touched"


def test_snippets_are_made_for_the_page_alone(crowd):
    """ts_headline reads a whole text again: for the hits that are shown, not for all that are ranked."""
    with CaptureQueriesContext(connection) as captured:
        search(crowd.pk, "heron", limit=5)
    with connection.cursor() as cursor:
        cursor.execute(f"explain (verbose, format json) {captured.captured_queries[-2]['sql']}")
        top = cursor.fetchone()[0][0]["Plan"]
    below = [top]
    while below:
        node = below.pop()
        made = any("ts_headline" in column for column in node.get("Output", []))
        if node["Node Type"] in ("Sort", "Incremental Sort"):
            assert not made
            return
        below += node.get("Plans", [])
    raise AssertionError("nothing is sorted")
