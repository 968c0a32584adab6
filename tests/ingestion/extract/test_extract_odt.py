"""OpenDocument texts: everything a reader sees, once, on the page it is on."""

from __future__ import annotations

import pytest

from ingestion.errors import CorruptFile, PasswordRequired
from ingestion.extract import NoText
from samples.opendocument import odp, ods, odt, opendocument
from tests.ingestion.extract.conftest import Extract
from tests.ingestion.extract.making import changed, packed, part_of

SOFT = "<text:soft-page-break/>"
STYLES = (
    '<style:style style:name="P1" style:family="paragraph"><style:paragraph-properties fo:break-before="page"/>'
    '</style:style><style:style style:name="P2" style:family="paragraph"><style:paragraph-properties '
    'fo:break-after="page"/></style:style><style:style style:name="P3" style:family="paragraph" '
    'style:master-page-name="Landscape"/><style:style style:name="P1" style:family="table"/>'
)


def text(body: str) -> bytes:
    return opendocument("text", "A title", body, STYLES)


def paragraph(words: str, style: str = "") -> str:
    return f'<text:p text:style-name="{style}">{words}</text:p>'


def pages(extraction: object) -> list[tuple[int, str]]:
    return [(page.number, page.text) for page in extraction.pages]  # type: ignore[attr-defined]


def test_headings_paragraphs_and_title(extracted: Extract) -> None:
    extraction = extracted(odt("On domes", ["# Heading", "Text & more"]), "odt")
    assert extraction.title == "On domes"
    assert pages(extraction) == [(1, "Heading\nText & more")]


def test_spans_are_one_word_and_marks_are_what_they_look_like(extracted: Extract) -> None:
    words = '\n  obser<text:span>vatory</text:span><text:tab/>a\n   b<text:s text:c="2"/>c<text:s/>d<text:line-break/>e'
    assert pages(extracted(text(paragraph(words)), "odt")) == [(1, "observatory\ta b  c d\ne")]


@pytest.mark.parametrize("count", ["1000000000", "9" * 5000, "-1", "many"])
def test_no_count_of_blanks_is_believed_too_far(extracted: Extract, count: str) -> None:
    extraction = extracted(text(paragraph(f'a<text:s text:c="{count}"/>b')), "odt")
    assert extraction.text_length <= 102
    assert extraction.pages[0].text.split() == ["a", "b"]


def test_lists_are_lines(extracted: Extract) -> None:
    inner = f"<text:list><text:list-item>{paragraph('deep')}</text:list-item></text:list>"
    item = f"<text:list-item><text:number>1.</text:number>{paragraph('one')}{inner}</text:list-item>"
    assert pages(extracted(text(f"<text:list>{item}</text:list>"), "odt")) == [(1, "one\ndeep")]


def test_a_row_of_a_table_is_a_line_with_what_is_in_its_cells(extracted: Extract) -> None:
    inner = _table([["x", "y"]])
    body = _table([["a", ""], ["b", inner + paragraph("c")]]) + paragraph("after")
    assert pages(extracted(text(body), "odt")) == [(1, "a\nb | x | y c\nafter")]


def _table(rows: list[list[str]]) -> str:
    cells = [[each if each.startswith("<") else paragraph(each) for each in row] for row in rows]
    written = [
        "".join(f"<table:table-cell>{each}</table:table-cell>" for each in row) + "<table:covered-table-cell/>"
        for row in cells
    ]
    return f"<table:table>{''.join(f'<table:table-row>{row}</table:table-row>' for row in written)}</table:table>"


def test_notes_and_comments_stand_below_the_paragraph_that_has_them(extracted: Extract) -> None:
    note = "<text:note><text:note-citation>1</text:note-citation><text:note-body>{}</text:note-body></text:note>"
    comment = "<office:annotation><dc:creator>Ann</dc:creator><dc:date>2026</dc:date>{}</office:annotation>"
    words = "te" + note.format(paragraph("a note")) + "xt" + comment.format(paragraph("a comment")) + " on"
    assert pages(extracted(text(paragraph(words) + paragraph("next")), "odt")) == [
        (1, "text on\na note\na comment\nnext")
    ]
    in_cell = _table([[paragraph("cell" + note.format(_table([["in a note"]]))), "b"]])
    assert pages(extracted(text(in_cell), "odt")) == [(1, "cell | b\nin a note")]


def test_text_in_frames_is_read_and_what_describes_them_is_not(extracted: Extract) -> None:
    frame = f"<draw:frame><svg:title>never</svg:title><draw:text-box>{paragraph('boxed')}</draw:text-box></draw:frame>"
    assert pages(extracted(text(paragraph(f"a{frame}b")), "odt")) == [(1, "boxed\nab")]


def test_what_was_deleted_or_is_a_script_is_left_out(extracted: Extract) -> None:
    deleted = f"<text:tracked-changes><text:deletion>{paragraph('gone')}</text:deletion></text:tracked-changes>"
    assert pages(extracted(text(deleted + paragraph("a<text:script>alert()</text:script>b")), "odt")) == [(1, "ab")]


def test_breaks_that_the_program_noted_make_pages_within_and_between_paragraphs(extracted: Extract) -> None:
    row = "<table:table-row><table:table-cell>{}</table:table-cell></table:table-row>"
    table = f"<table:table>{row.format(paragraph('four'))}{SOFT}{row.format(paragraph('five'))}</table:table>"
    body = paragraph("one") + SOFT + paragraph(f"two {SOFT}three") + paragraph(f"{SOFT}still") + table
    assert pages(extracted(text(body), "odt")) == [
        (1, "one"),
        (2, "two"),
        (3, "three"),
        (4, "still\nfour"),
        (5, "five"),
    ]


def test_breaks_that_the_author_set_make_pages_and_leave_empty_ones(extracted: Extract) -> None:
    body = paragraph("one", "P3") + paragraph("two", "P1") + paragraph("", "P1") + paragraph("four", "P1")
    body += paragraph("five", "P3") + paragraph("still five", "P2") + paragraph("six")
    extraction = extracted(text(body), "odt")
    assert pages(extraction) == [(1, "one"), (2, "two"), (4, "four"), (5, "five\nstill five"), (6, "six")]


def test_a_break_noted_twice_is_one(extracted: Extract) -> None:
    body = paragraph("one", "P2") + SOFT + paragraph("two", "P1")
    assert pages(extracted(text(body), "odt")) == [(1, "one"), (2, "two")]


def test_headers_and_footers_come_once_at_the_end(extracted: Extract) -> None:
    namespaces = part_of(odt("", []), "content.xml").partition("<office:document-content ")[2].partition(">")[0]
    page = f"<style:header>{paragraph('Head')}</style:header><style:footer>{paragraph('Foot')}</style:footer>"
    styles = f"<office:document-styles {namespaces}>{page * 2}</office:document-styles>"
    document = changed(text(paragraph("body")), {"styles.xml": styles.encode()})
    assert pages(extracted(document, "odt")) == [(1, "body\nHead\nFoot")]


def test_embedded_objects_are_counted_in_a_warning(extracted: Extract) -> None:
    extraction = extracted(text(paragraph("x<draw:frame><draw:object/></draw:frame>")), "odt")
    assert extraction.warnings == ("embedded_files_not_read: files embedded in the document that were not read: 1",)


@pytest.mark.parametrize("entry", ["<m:encryption-data m:checksum='x'/>", "<encryption-data>", "x" * 300_000])
def test_a_document_with_a_password_needs_it(extracted: Extract, entry: str) -> None:
    tail = entry if entry.startswith("<") else f"<!--{entry}--><manifest:encryption-data/>"
    older = "<!DOCTYPE manifest:manifest PUBLIC '-//OpenOffice.org//DTD Manifest 1.0//EN' 'Manifest.dtd'>"
    locked = changed(odt("", ["x"]), {"META-INF/manifest.xml": (older + tail).encode(), "content.xml": b"\x93\x01"})
    with pytest.raises(PasswordRequired) as caught:
        extracted(locked, "odt")
    assert caught.value.code == "password_required"


def test_an_older_list_of_parts_with_a_doctype_locks_nothing(extracted: Extract) -> None:
    older = b"<!DOCTYPE m PUBLIC '-//OpenOffice.org//DTD Manifest 1.0//EN' 'Manifest.dtd'><m/>"
    for manifest in (older, None):
        assert pages(extracted(changed(odt("", ["x"]), {"META-INF/manifest.xml": manifest}), "odt")) == [(1, "x")]


def test_a_document_without_words_has_no_text(extracted: Extract) -> None:
    assert extracted(odt("", []), "odt").no_text_reason is NoText.EMPTY
    assert extracted(odt("", ["", " "]), "odt").no_text_reason is NoText.EMPTY


@pytest.mark.parametrize("document", [ods("", {"Sheet": [["a"]]}), odp("", [["a"]])], ids=["ods", "odp"])
def test_another_kind_of_document_is_no_text(extracted: Extract, document: bytes) -> None:
    with pytest.raises(CorruptFile, match="not an OpenDocument text"):
        extracted(document, "odt")


def test_only_the_content_has_to_be_there(extracted: Extract) -> None:
    document = odt("", ["x"])
    with pytest.raises(CorruptFile, match="missing"):
        extracted(changed(document, {"content.xml": None}), "odt")
    assert pages(extracted(packed({"content.xml": part_of(document, "content.xml").encode()}), "odt")) == [(1, "x")]


def test_reading_stops_at_the_limit_and_before_the_end_of_the_file(extracted: Extract) -> None:
    body = "".join(paragraph(f"paragraph {number}") for number in range(20_000)) + "<never-closed>"
    extraction = extracted(text(body), "odt", max_text_characters=100)
    assert extraction.text_length <= 100
    assert extraction.warnings[0].startswith("text_truncated:")
