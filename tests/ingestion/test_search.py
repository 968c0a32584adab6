"""Search: the caller's documents only, best first, escaped, page by page without a gap."""

from __future__ import annotations

import base64

import pytest
from django.utils import timezone

from ingestion.models import Chunk, Intake
from ingestion.search.query import InvalidSearch, search
from tests.ingestion.factories import UserFactory, accept_document

FORGED = [
    base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    for text in (
        "[1,2]",
        "[NaN,1,1]",
        "[Infinity,1,1]",
        "[0.1,-1,1]",
        f"[0.1,{2**63},1]",
        f"[0.1,1,{2**63}]",
        "[1,2,3,4]",
    )
]
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


@pytest.mark.parametrize("cursor", ["", "!", "bm9wZQ", "WzEsMl0x", "e30", "WyJhIiwxXQ", "W251bGwsbnVsbF0", *FORGED])
def test_a_cursor_that_nobody_gave_out_is_refused(owner, cursor):
    with pytest.raises(InvalidSearch):
        search(owner.pk, "heron", cursor=cursor)


def test_a_query_of_stop_words_finds_nothing_and_is_no_error(owner, herons):
    assert search(owner.pk, "the of and").hits == []


def test_the_page_of_the_match_is_told(owner, worker):
    accept_document(owner, "first page\ffinding the heron on the second page")
    worker.run()
    (hit,) = search(owner.pk, "heron").hits
    assert hit.page == Chunk.objects.get(text__contains="heron").page


def test_a_document_of_an_intake_that_is_being_deleted_is_not_found(owner, herons):
    Intake.objects.filter(files__document=herons[4].pk).update(deleted_at=timezone.now())
    assert [hit.document_id for hit in search(owner.pk, "heron").hits] == [d.pk for d in reversed(herons[:4])]


def test_another_language_finds_its_own_forms_of_a_word(owner, worker, settings):
    """Indexing and searching take the configuration from one setting."""
    accept_document(owner, "Die Verträge von gestern.")
    worker.run()
    assert search(owner.pk, "Vertrag").hits == [], "English knows no such plural"
    settings.INGESTION = {"SEARCH_CONFIG": "german"}
    accept_document(owner, "Die Verträge von heute.")
    worker.run()
    (hit,) = search(owner.pk, "Vertrag").hits
    assert "<mark>Verträge</mark> von heute" in hit.snippet
