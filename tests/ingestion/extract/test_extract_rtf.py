"""RTF: code pages by font, pages, tables, notes, and no way to make the reader recurse, hang or drown."""

from __future__ import annotations

import pytest

from ingestion.errors import CorruptFile
from ingestion.extract import Extraction, NoText
from tests.ingestion.extract.conftest import Extract

FONTS = rb"{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial Cyr;}{\f2\fcharset128 MS Gothic;}{\f3\fcharset1 X;}}"


def rtf(body: bytes, head: bytes = rb"\ansi\ansicpg1252\deff0") -> bytes:
    return rb"{\rtf1" + head + FONTS + body + b"}"


def text_of(extraction: Extraction) -> str:
    return "\n\f\n".join(page.text for page in extraction.pages)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb"one\par two\line three\par", "one\ntwo\nthree"),
        (b"half a\r\n word\\\nnext", "half a word\nnext"),
        (rb"a\tab b\~c\_d\emdash e \{x\} \\", "a\tb\xa0c-d—e {x} \\"),
        (rb"opt\-ional", "optional"),
        (rb"{\b bold}{\i  italic}", "bold italic"),
        (rb"\'dcber \f1 \'cf\'f0\'e8 \f2 \'94\'4f\'93\'fa \f3 \'e4", "Über При 念日 ä"),
        (rb"{\f1\'cf}\'cf", "ПÏ"),
        (rb"\f1\'cf\plain\'cf", "ПÏ"),
        (rb"\u8364?\u-3913?5\u1055\'cf", "€·5П"),
        (rb"\uc2\u24180\'94\'4eX\uc0\u24180 Y", "年X年Y"),
        (rb"\uc2{\uc0\u24180 a}\u24180??b", "年a年b"),
        (rb"\uc3\u24180 a{b}c", "年bc"),
        (rb"\u55357?\u56832?", "😀"),
        (rb"lone \u55357?x", "lone x"),
        (rb"\u8226\bullet x", "•x"),
        (rb"a{\*\unknown b}c{\*\generator d;}e", "ace"),
        (rb"see {\field{\*\fldinst{HYPERLINK x}}{\fldrslt{here}}}.", "see here."),
        (rb"a{\pict\wmetafile8 0123456789abcdef}b{\f1\pict 00ff}c", "abc"),
        (rb"a{\deleted gone}{\deleted0 b}", "ab"),
        (
            rb"{\shp{\*\shpinst{\sp{\sn name}{\sv value}}{\shptxt in a box\par}}{\shprslt{\*\do{\dptxbxtext again}}}}",
            "in a box",
        ),
        (rb"a{\*\atnid x}{\*\annotation a comment}b", "ab\na comment"),
        (rb"a{\footnote note\par two}b\par c", "ab\nnote\ntwo\nc"),
        (rb"{\header head}{\headerf head}body{\footer foot}", "body\nhead\nfoot"),
        (rb"{\info{\author A}{\title T}}body", "body"),
    ],
)
def test_what_word_shows_is_the_text(extracted: Extract, body: bytes, text: str) -> None:
    assert text_of(extracted(rtf(body), "rtf")) == text


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (rb"\ansi\ansicpg1251", "Ж"),
        (rb"\ansi\ansicpg1253", "Ζ"),
        (rb"\mac", "∆"),
        (rb"\pc", "╞"),
        (rb"\ansi\ansicpg99999", "Æ"),
        (rb"\ansi", "Æ"),
    ],
)
def test_text_without_a_font_is_in_the_documents_code_page(extracted: Extract, head: bytes, text: str) -> None:
    assert text_of(extracted(rb"{\rtf1" + head + rb" \'c6}", "rtf")) == text


def test_a_mark_that_its_font_has_not_is_read_in_the_documents_code_page(extracted: Extract) -> None:
    extraction = extracted(rtf(rb"\f2\'96\f0 item"), "rtf")
    assert (text_of(extraction), extraction.warnings) == ("–item", ())


def test_characters_of_no_code_page_are_counted(extracted: Extract) -> None:
    assert extracted(rtf(rb"a\'81b"), "rtf").warnings[0].startswith("encoding_damaged: 1 ")


def test_the_title_is_read_in_the_code_page_too(extracted: Extract) -> None:
    assert extracted(rtf(rb"{\info{\title Test d\'92indexation}{\subject S}}x"), "rtf").title == "Test d’indexation"


@pytest.mark.parametrize(
    ("body", "pages"),
    [
        (rb"one\page two", [(1, "one"), (2, "two")]),
        (rb"one\page\page three", [(1, "one"), (3, "three")]),
        (rb"one\par\pard\pagebb two\par\pagebb0 still", [(1, "one"), (2, "two\nstill")]),
        (rb"one\sect\sectd\sbkpage two", [(1, "one"), (2, "two")]),
        (rb"one\sect\sectd\sbknone two", [(1, "one\ntwo")]),
        (rb"\pagebb one", [(1, "one")]),
    ],
)
def test_a_page_ends_where_the_author_ended_it(extracted: Extract, body: bytes, pages: list[tuple[int, str]]) -> None:
    assert [(page.number, page.text) for page in extracted(rtf(body), "rtf").pages] == pages


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb"\trowd\intbl a\cell b\cell\row\intbl c\par d\cell\cell\row\pard after", "a | b\nc d\nafter"),
        (rb"\intbl a\cell b\cell\pard after\par", "a | b\nafter"),
        (rb"a\cell b\cell", "a | b"),
        (
            rb"\intbl x\cell {\itap2 a\nestcell b\nestcell{\*\nesttableprops\nestrow}{\nonesttables\par}}\cell\row",
            "x | a | b",
        ),
    ],
)
def test_a_row_of_a_table_is_a_line(extracted: Extract, body: bytes, text: str) -> None:
    assert text_of(extracted(rtf(body), "rtf")) == text


@pytest.mark.parametrize("body", [b"", rb"\par\par", rb"{\pict 00ff}", rb"{\info{\title T}}"])
def test_a_document_without_text_has_none(extracted: Extract, body: bytes) -> None:
    extraction = extracted(rtf(body), "rtf")
    assert (extraction.has_text, extraction.no_text_reason) == (False, NoText.EMPTY)


def test_embedded_files_are_counted(extracted: Extract) -> None:
    body = rb"a{\object\objemb{\*\objclass Excel}{\*\objdata 0105}{\result shown}}"
    extraction = extracted(rtf(body), "rtf")
    assert (text_of(extraction), extraction.warnings) == (
        "ashown",
        ("embedded_files_not_read: files embedded in the document that were not read: 1",),
    )


def test_groups_nested_a_hundred_thousand_deep_are_read(extracted: Extract) -> None:
    deep = 100_000
    assert text_of(extracted(rtf(b"{" * deep + b"deep" + b"}" * deep + b" flat"), "rtf")) == "deep flat"
    assert text_of(extracted(rtf(rb"{\pict" + b"{" * deep + b"}" * deep + b"}flat"), "rtf")) == "flat"


def test_groups_nested_beyond_all_reason_are_corrupt(extracted: Extract) -> None:
    with pytest.raises(CorruptFile, match="nested"):
        extracted(b"{\\rtf1" + b"{" * 1_100_000, "rtf")


def test_bytes_inside_are_passed_over_by_their_number(extracted: Extract) -> None:
    assert text_of(extracted(rtf(rb"a{\pict\bin5 }}}{\}b{\*\x\bin2 }}}c\bin1 }d"), "rtf")) == "abcd"


@pytest.mark.parametrize("number", [b"9999999999", b"-5", b""])
def test_a_number_of_bytes_that_is_not_there_hides_no_more_than_the_rest(extracted: Extract, number: bytes) -> None:
    extraction = extracted(rtf(rb"before\par\bin" + number + b" after"), "rtf")
    assert text_of(extraction).startswith("before")
    assert bool(extraction.warnings) == (number == b"9999999999")


def test_a_document_cut_off_is_read_as_far_as_it_goes(extracted: Extract) -> None:
    extraction = extracted(rtf(rb"one\par two")[:-1], "rtf")
    assert text_of(extraction) == "one\ntwo"
    assert extraction.warnings == ("file_incomplete: the file ends in the middle; what stands before was read",)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"{\\rt", b"no rtf", b"{\\rtf1", rtf(b"")[:-30], b"{\\rtf1{\\info{\\title T"]
)
def test_what_ends_before_its_text_or_is_no_rtf_is_corrupt(extracted: Extract, data: bytes) -> None:
    with pytest.raises(CorruptFile):
        extracted(data, "rtf")


@pytest.mark.parametrize(
    "body",
    [
        b"word " * 1_000,
        b"word\\par " * 1_000,
        b"\\cell " * 1_000,
        b"{\\footnote " + b"word " * 1_000 + b"}",
        b"".join(b"{\\header %d}" % number for number in range(1_000)),
        b"\\par " * 1_000,
    ],
    ids=["one line", "lines", "cells", "a note", "headers", "empty lines"],
)
def test_text_beyond_the_limit_is_cut_and_reading_stops(extracted: Extract, body: bytes) -> None:
    extraction = extracted(rtf(body), "rtf", max_text_characters=200)
    assert extraction.text_length <= 200
    assert any(warning.startswith("text_truncated:") for warning in extraction.warnings)
