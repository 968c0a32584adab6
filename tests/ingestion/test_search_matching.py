"""Which matches are ranked: all where there are few, those of the newest documents where there are many."""

from __future__ import annotations

import pytest

from ingestion.search import facets, matching
from ingestion.search.query import search
from tests.ingestion.factories import accept, index_text, upload

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def small_shelves(monkeypatch):
    """A shelf for each two documents, and at most four of them in one question."""
    monkeypatch.setattr(facets, "DOCUMENTS_PER_SHELF", 2)
    monkeypatch.setattr(matching, "SHELVES_MAX", 4)


def indexed(owner, texts):
    """Documents with these texts, the newest last."""
    intake = accept(owner, *[upload(f"{n}.txt", f"{n} {text}") for n, text in enumerate(texts)])
    documents = [file.document for file in intake.files.order_by("ordinal").select_related("document__blob")]
    for document, text in zip(documents, texts, strict=True):
        index_text(document, text)
    return [document.pk for document in documents]


def pages(owner, q, limit):
    """All hits, page by page."""
    found, cursor = [], None
    while True:
        page = search(owner.pk, q, limit=limit, cursor=cursor)
        found += page.hits
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("every", [1, 2, 7, 40])
def test_all_matches_are_found_on_whatever_shelf_they_are(owner, small_shelves, every):
    documents = indexed(owner, ["a heron" if n % every == 0 else "an egret" for n in range(40)])
    page = search(owner.pk, "heron", limit=100)
    assert sorted(hit.document_id for hit in page.hits) == documents[::every]
    assert page.complete


def test_of_more_matches_than_are_ranked_the_newest_are_and_the_answer_says_so(owner, small_shelves, settings):
    settings.INGESTION = {"MAX_RANKED_CHUNKS": 5}
    documents = indexed(owner, ["heron " * (20 - n) for n in range(12)])
    page = search(owner.pk, "heron", limit=100)
    assert [hit.document_id for hit in page.hits] == documents[-5:], "the best first, among the newest"
    assert (page.complete, page.next_cursor) == (False, None)


def test_exactly_as_many_matches_as_are_ranked_are_all(owner, small_shelves, settings):
    settings.INGESTION = {"MAX_RANKED_CHUNKS": 5}
    indexed(owner, ["a heron"] * 5)
    assert search(owner.pk, "heron").complete


@pytest.mark.parametrize("limit", [1, 4, 7, 23])
def test_pages_of_equal_ranks_show_each_match_once(owner, small_shelves, limit):
    documents = indexed(owner, ["the very same heron"] * 23)
    found = [hit.document_id for hit in pages(owner, "heron", limit)]
    assert found == documents


def test_what_comes_in_between_two_pages_moves_nothing(owner, small_shelves, settings):
    settings.INGESTION = {"MAX_RANKED_CHUNKS": 6}
    documents = indexed(owner, ["a heron"] * 9)
    first = search(owner.pk, "heron", limit=3)
    indexed(owner, ["heron heron heron"] * 4)
    second = search(owner.pk, "heron", limit=3, cursor=first.next_cursor)
    assert [hit.document_id for hit in [*first.hits, *second.hits]] == documents[-6:]
    assert second.next_cursor is None


def test_the_number_of_questions_grows_with_the_logarithm_of_the_documents(
    owner, monkeypatch, django_assert_max_num_queries
):
    monkeypatch.setattr(facets, "DOCUMENTS_PER_SHELF", 1)
    indexed(owner, ["a heron", *["an egret"] * 99])
    with django_assert_max_num_queries(
        2 + 4 + 3
    ):  # both ends, shelves 1 + 8 + 72 + the rest; what is going, page, titles
        assert len(search(owner.pk, "heron").hits) == 1
