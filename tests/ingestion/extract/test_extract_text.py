"""Plain text and Markdown."""

from __future__ import annotations

import pytest

from ingestion.extract import NoText
from ingestion.extract.markdown import plain
from tests.ingestion.extract.conftest import Extract


def test_form_feeds_divide_a_text_into_pages(extracted: Extract) -> None:
    extraction = extracted("first page\n\fsecond page\f\fafter an empty one", "text")
    assert [(page.number, page.text) for page in extraction.pages] == [
        (1, "first page"),
        (2, "second page"),
        (4, "after an empty one"),
    ]
    assert extraction.page_count == 4


@pytest.mark.parametrize("kind", ["text", "markdown", "csv", "html"])
def test_a_file_of_nothing_but_blanks_has_no_text(extracted: Extract, kind: str) -> None:
    extraction = extracted(" \r\n\t\n\xa0\ufeff\n", kind)
    assert not extraction.has_text
    assert extraction.no_text_reason is NoText.EMPTY


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a **bo**ld *word* and ***both***", "a bold word and both"),
        ("__strong__ _soft_ ~~gone~~", "strong soft gone"),
        ("snake_case_name and 2*3*4", "snake_case_name and 234"),
        ('[the *manual*](manual/dome.pdf) and ![alt text](x.png "title")', "the manual and alt text"),
        ("`**code** stays` but **this** goes", "**code** stays but this goes"),
        ("before <!-- hidden --> after <!-- open", "before  after <!-- open"),
        ("no marks at all", "no marks at all"),
    ],
)
def test_markdown_keeps_the_words_and_drops_the_marks(line: str, words: str) -> None:
    assert plain(line) == words


def test_markdown_headings_code_and_front_matter(extracted: Extract) -> None:
    source = (
        "---\ntitle: 'From the top'\ntags: [a]\n---\n# One #\n\ntext\n\n```python\n# not a heading **x**\n```\n## Two\n"
    )
    extraction = extracted(source, "markdown")
    assert extraction.title == "From the top"
    assert extraction.pages[0].text == "One\n\ntext\n\n# not a heading **x**\nTwo"


def test_the_first_heading_is_the_title_underlined_ones_too(extracted: Extract) -> None:
    assert extracted("intro\n\n## A *first* heading\n# Second\n", "markdown").title == "A first heading"
    underlined = extracted("The Title\r\n=========\r\ntext\r\n", "markdown")
    assert (underlined.title, underlined.pages[0].text) == ("The Title", "The Title\ntext")


def test_a_line_across_the_page_is_no_front_matter(extracted: Extract) -> None:
    assert extracted("---\nnot closed\n\ntitle: no\n", "markdown").pages[0].text.startswith("---\nnot closed")


def test_marks_without_end_do_not_take_the_square_of_their_length(extracted: Extract) -> None:
    for mark in ("[", "*a ", "<!--", "[a](", "_", "`"):
        assert extracted(mark * 200_000, "markdown").page_count == 1
