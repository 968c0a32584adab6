"""PDF by PDFium: pages, passwords, damage, and pages that are only pictures."""

from __future__ import annotations

import pytest

from ingestion.errors import CorruptFile
from ingestion.extract import NoText
from samples.pdf import Line, pdf
from tests.ingestion.adversarial.pdfs import with_characters
from tests.ingestion.extract.conftest import Extract


def test_every_page_has_its_text_under_its_number(extracted: Extract) -> None:
    extraction = extracted(pdf("On domes", [[Line("first")], [], [Line("third, für alle")]]), "pdf")
    assert [(page.number, page.text) for page in extraction.pages] == [(1, "first"), (3, "third, für alle")]
    assert (extraction.page_count, extraction.title) == (3, "On domes")
    assert extraction.warnings == ("pages_without_text: pages without a text layer, perhaps scans: 2",)


def test_a_word_divided_at_a_lines_end_is_put_together(extracted: Extract) -> None:
    extraction = extracted(pdf("", [[Line("We visit the observ-"), Line("atory tonight.")]]), "pdf")
    assert extraction.pages[0].text == "We visit the observatory tonight."


def test_a_blank_page_is_no_text_and_says_it_is_empty(extracted: Extract) -> None:
    extraction = extracted(pdf("", [[]]), "pdf")
    assert (extraction.has_text, extraction.no_text_reason) == (False, NoText.EMPTY)


PICTURE = b"q 200 0 0 200 72 400 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q"


@pytest.mark.parametrize(
    ("content", "reason"), [(PICTURE, NoText.SCAN), (b"72 400 200 200 re f", NoText.DRAWING), (b"% none", NoText.EMPTY)]
)
def test_a_page_without_a_text_layer_says_what_is_on_it(extracted: Extract, content: bytes, reason: NoText) -> None:
    document = pdf("", [[Line("x" * len(content))]])
    start = document.index(b"BT /body")
    end = document.index(b"ET", start) + 2
    drawn = document[:start] + content.ljust(end - start) + document[end:]
    extraction = extracted(drawn, "pdf")
    assert (extraction.has_text, extraction.no_text_reason) == (False, reason)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_a_pdf_cut_off_is_corrupt(extracted: Extract, share: float) -> None:
    whole = pdf("", [[Line("text")]])
    with pytest.raises(CorruptFile) as caught:
        extracted(whole[: int(len(whole) * share)], "pdf")
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"<html>404 Not Found</html>", b"\x00" * 5000])
def test_what_is_no_pdf_is_corrupt(extracted: Extract, data: bytes) -> None:
    with pytest.raises(CorruptFile):
        extracted(data, "pdf")


def test_a_damaged_page_costs_that_page_and_is_named(extracted: Extract) -> None:
    document = pdf("", [[Line("first")], [Line("second")], [Line("third")]])
    damaged = document.replace(b"/Kids [7 0 R 9 0 R 11 0 R]", b"/Kids [7 0 R 1 0 R 11 0 R]")
    extraction = extracted(damaged, "pdf")
    assert [(page.number, page.text) for page in extraction.pages] == [(1, "first"), (3, "third")]
    assert extraction.warnings == ("pages_unreadable: pages that are damaged and were left out: 2",)


def test_a_pdf_of_nothing_but_damaged_pages_is_corrupt(extracted: Extract) -> None:
    with pytest.raises(CorruptFile, match="none of its pages"):
        extracted(pdf("", [[Line("only")]]).replace(b"/Kids [7 0 R]", b"/Kids [1 0 R]"), "pdf")


def test_pages_beyond_the_limit_are_counted_but_not_read(extracted: Extract) -> None:
    extraction = extracted(pdf("", [[Line(f"page {number}")] for number in range(1, 8)]), "pdf", max_pages=3)
    assert [page.text for page in extraction.pages] == ["page 1", "page 2", "page 3"]
    assert extraction.page_count == 7
    assert extraction.warnings == ("pages_truncated: only the first 3 pages were read (limit max_pages)",)


def test_text_beyond_the_limit_is_cut_and_the_page_count_stays_true(extracted: Extract) -> None:
    extraction = extracted(pdf("", [[Line("many words")]] * 5), "pdf", max_text_characters=15)
    assert extraction.page_count == 5
    assert extraction.text_length <= 15
    assert extraction.warnings[0].startswith("text_truncated:")


def test_half_a_character_in_the_title_costs_that_character_and_not_the_document(extracted: Extract) -> None:
    document = with_characters(b"words", {}, "D800" + "004F006E00200064006F006D0065" + "FFFE" + "0073DC00")
    extraction = extracted(document, "pdf")
    assert (extraction.title, extraction.pages[0].text) == ("On domes", "words")
