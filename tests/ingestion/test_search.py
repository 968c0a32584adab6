"""Search: the caller's documents only, best first, escaped, page by page without a gap."""

from __future__ import annotations

import pytest
from django.contrib.postgres.search import SearchVector
from django.db import connection
from django.db.models import Value
from django.test.utils import CaptureQueriesContext

from ingestion.models import Chunk
from ingestion.search.config import text_search_config
from ingestion.search.query import InvalidSearch, search
from tests.ingestion.factories import UserFactory, accept_document

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def herons(owner, worker):
    """Five documents about herons, the later the more so."""
    documents = [accept_document(owner, f"document {n}: " + "heron " * (n + 1)) for n in range(5)]
    worker.run()
    return documents


def test_the_best_match_comes_first(owner, herons):
    hits = search(owner.pk, "heron").hits
    assert [hit.document_id for hit in hits] == [document.pk for document in reversed(herons)]


def test_pages_follow_one_another_without_gap_or_repetition(owner, herons):
    found, cursor = [], None
    while True:
        page = search(owner.pk, "heron", limit=2, cursor=cursor)
        found += [hit.document_id for hit in page.hits]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [document.pk for document in reversed(herons)]


def test_pages_cope_with_equal_ranks(owner, worker):
    for n in range(5):
        accept_document(owner, f"identical heron words {n}")
    worker.run()
    first = search(owner.pk, "heron", limit=3)
    second = search(owner.pk, "heron", limit=3, cursor=first.next_cursor)
    assert len({hit.document_id for hit in [*first.hits, *second.hits]}) == 5


def test_other_owners_documents_are_not_found(herons):
    assert search(UserFactory().pk, "heron").hits == []


def test_snippets_are_escaped_but_for_the_marks(owner, worker):
    accept_document(owner, "the <script>alert(1)</script> heron & friends")
    worker.run()
    (hit,) = search(owner.pk, "heron").hits
    assert "<mark>heron</mark> &amp; friends" in hit.snippet
    assert "<script>" not in hit.snippet


@pytest.mark.parametrize(
    ("q", "found"),
    [('"grey heron"', 1), ('"heron grey"', 0), ("heron -grey", 0), ("egret OR heron", 1), ("HERONS", 1)],
)
def test_the_syntax_of_web_searches_works(owner, worker, q, found):
    accept_document(owner, "a grey heron stands")
    worker.run()
    assert len(search(owner.pk, q).hits) == found


@pytest.mark.parametrize("q", ["", "   ", "x" * 501, "a\0b"])
def test_a_search_that_makes_no_sense_is_refused(owner, q):
    with pytest.raises(InvalidSearch):
        search(owner.pk, q)


@pytest.mark.parametrize("cursor", ["", "!", "bm9wZQ", "WzEsMl0x", "e30", "WyJhIiwxXQ", "W251bGwsbnVsbF0"])
def test_a_cursor_that_nobody_gave_out_is_refused(owner, cursor):
    with pytest.raises(InvalidSearch):
        search(owner.pk, "heron", cursor=cursor)


def test_a_query_of_stop_words_finds_nothing_and_is_no_error(owner, herons):
    assert search(owner.pk, "the of and").hits == []


def test_tags_narrow_the_search(owner, worker):
    accept_document(owner, "a heron in spring", tags=["spring"])
    accept_document(owner, "a heron in autumn", tags=["autumn", "birds"])
    worker.run()
    (hit,) = search(owner.pk, "heron", tag="birds").hits
    assert "autumn" in hit.snippet


def test_the_page_of_the_match_is_told(owner, worker):
    accept_document(owner, "first page\ffinding the heron on the second page")
    worker.run()
    (hit,) = search(owner.pk, "heron").hits
    assert hit.page == Chunk.objects.get(text__contains="heron").page


def test_the_index_finds_a_rare_word_among_many_chunks(owner, worker):
    """EXPLAIN of the very statement that search runs."""
    document = accept_document(owner, "a heron")
    worker.run()
    Chunk.objects.bulk_create(_chunk(document, n, f"word{n} " + "filler " * 100) for n in range(1, 3000))
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze ingestion_chunk")
        with CaptureQueriesContext(connection) as captured:
            search(owner.pk, "word2000")
        (query,) = captured.captured_queries
        cursor.execute(f"explain {query['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "ingestion_chunk_search" in plan


def _chunk(document, index, text):
    return Chunk(
        document=document, index=index, text=text, search_vector=SearchVector(Value(text), config=text_search_config())
    )
