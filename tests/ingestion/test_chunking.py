"""Chunks: small, in order, on one page each, and together the whole text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from ingestion.extract import Page
from ingestion.search.chunking import TextChunk, chunk_pages

TEXTS = st.text(alphabet=st.sampled_from("ab. \n!ü漢😀"), max_size=400)


def chunks_of(text: str, target: int = 40, overlap: int = 8) -> list[TextChunk]:
    return list(chunk_pages([Page(1, text)], target=target, overlap=overlap))


@given(TEXTS)
def test_chunks_are_pieces_of_the_text_and_leave_out_nothing_but_blanks(text: str) -> None:
    covered = at = 0
    for chunk in chunks_of(text):
        start = text.index(chunk.text, max(0, at - 8 - 40))
        assert not text[covered:start].strip()
        covered = max(covered, start + len(chunk.text))
        at = start
    assert not text[covered:].strip()


@given(TEXTS)
def test_no_chunk_is_empty_or_above_the_target(text: str) -> None:
    assert all(0 < len(chunk.text) <= 40 and chunk.text == chunk.text.strip() for chunk in chunks_of(text))


@given(st.lists(TEXTS, max_size=5))
def test_chunks_are_numbered_through_and_know_their_page(texts: list[str]) -> None:
    pages = [Page(number, text) for number, text in enumerate(texts, start=1)]
    chunks = list(chunk_pages(pages, target=40, overlap=8))
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.page for chunk in chunks] == sorted(chunk.page for chunk in chunks)
    assert all(chunk.text in texts[chunk.page - 1] for chunk in chunks)


def test_a_short_page_is_one_chunk_and_an_empty_one_is_none() -> None:
    pages = [Page(1, "short"), Page(2, " \n"), Page(7, "also short")]
    assert list(chunk_pages(pages)) == [TextChunk(0, 1, "short"), TextChunk(1, 7, "also short")]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("A paragraph of words.\n\nThe next one begins here, and goes on.", "A paragraph of words."),
        ("A line of some more words\nThe next line begins here, and so on.", "A line of some more words"),
        ("One sentence of words ends. The next begins here and goes on, on.", "One sentence of words ends."),
        ("only words and words without any end of a sentence between them", "only words and words without any end of"),
        ("x" * 100, "x" * 40),
        (
            "望遠鏡は山の上にあります。明日は晴れるでしょう。" * 3,
            "望遠鏡は山の上にあります。明日は晴れるでしょう。望遠鏡は山の上にあります。",
        ),
    ],
)
def test_a_chunk_ends_at_a_paragraph_else_a_line_a_sentence_a_word(text: str, first: str) -> None:
    assert chunks_of(text)[0].text == first


def test_the_end_of_one_chunk_is_the_beginning_of_the_next_from_a_word_on() -> None:
    words = " ".join(f"word{number}" for number in range(2_000))
    chunks = list(chunk_pages([Page(1, words)]))
    for before, after in pairwise(chunks):
        shared = next(size for size in range(200, 0, -1) if before.text.endswith(after.text[:size]))
        assert shared > 150
        assert after.text.startswith("word")


def test_a_phrase_across_any_cut_is_whole_in_one_chunk() -> None:
    words = [f"word{number}" for number in range(5_000)]
    texts = [f" {chunk.text} " for chunk in chunk_pages([Page(1, " ".join(words))])]
    for at in range(len(words) - 3):
        phrase = f" {' '.join(words[at : at + 3])} "
        assert any(phrase in text for text in texts), phrase


def test_an_overlap_that_would_never_end_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        list(chunk_pages([], target=100, overlap=50))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text",
    [
        "x" * 50_000,
        " ".join(chr(0x4E00 + number) for number in range(20_000)),
        " ".join(f"https://host{number}.example.org/p/{number}?q={number}" for number in range(1_500)),
        " ".join(f"{number:x}-{number:x}" for number in range(10_000, 20_000)),
        "😀" * 20_000,
    ],
    ids=["one word", "a word a character", "addresses", "compounds", "four bytes a character"],
)
def test_every_chunk_makes_a_tsvector_far_below_a_megabyte(text: str) -> None:
    with connection.cursor() as cursor:
        for chunk in chunk_pages([Page(1, text)]):
            cursor.execute("SELECT pg_column_size(to_tsvector('english', %s))", [chunk.text])
            row = cursor.fetchone()
            assert row is not None
            assert row[0] < 50_000
