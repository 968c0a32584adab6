"""Word documents: everything a reader sees, once, on the page it is on."""

from __future__ import annotations

from typing import Any

import pytest

from ingestion.errors import CorruptFile
from ingestion.extract import NoText
from ingestion.extract.container import Container
from samples import office
from tests.ingestion.extract.conftest import Extract
from tests.ingestion.extract.making import RELATIONS, STRICT_W, changed, docx_of, paragraph

BREAK = '<w:p><w:r><w:br w:type="page"/></w:r></w:p>'
RENDERED = "<w:r><w:lastRenderedPageBreak/></w:r>"


def pages(extraction: object) -> list[tuple[int, str]]:
    return [(page.number, page.text) for page in extraction.pages]  # type: ignore[attr-defined]


def test_paragraphs_tables_and_title(extracted: Extract) -> None:
    extraction = extracted(office.docx("On domes", ["# Heading", "Text & more", [["a", "b"], ["", "d"]]]), "docx")
    assert extraction.title == "On domes"
    assert pages(extraction) == [(1, "Heading\nText & more\na | b\nd")]


def test_a_word_in_several_runs_is_one_word_and_marks_are_what_they_look_like(extracted: Extract) -> None:
    runs = (
        "<w:p><w:r><w:t>obser</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>vatory</w:t></w:r><w:r><w:tab/><w:t>a</w:t>"
        "<w:br/><w:t>b</w:t><w:noBreakHyphen/><w:t>c</w:t><w:softHyphen/><w:t>d</w:t></w:r></w:p>"
    )
    assert extracted(docx_of(runs), "docx").pages[0].text == "observatory\ta\nb-cd"


def test_breaks_set_by_the_author_and_seen_by_word_make_pages(extracted: Extract) -> None:
    body = (
        paragraph("one") + BREAK + paragraph("two", RENDERED) + f"<w:p>{RENDERED}<w:r><w:t>three</w:t></w:r></w:p>"
        "<w:p><w:r><w:t>still three, </w:t><w:lastRenderedPageBreak/><w:t>four</w:t></w:r></w:p>"
    )
    assert pages(extracted(docx_of(body), "docx")) == [
        (1, "one"),
        (2, "two"),
        (3, "three\nstill three,"),
        (4, "four"),
    ]


def test_sections_and_paragraphs_that_begin_a_page_do_so(extracted: Extract) -> None:
    section = "<w:p><w:pPr><w:sectPr>{}</w:sectPr></w:pPr><w:r><w:t>end of section</w:t></w:r></w:p>"
    body = (
        section.format("")
        + paragraph("next page")
        + section.format('<w:type w:val="continuous"/>')
        + paragraph("same page")
        + paragraph("new", "<w:pPr><w:pageBreakBefore/></w:pPr>")
        + paragraph("not new", '<w:pPr><w:pageBreakBefore w:val="0"/></w:pPr>')
    )
    assert pages(extracted(docx_of(body), "docx")) == [
        (1, "end of section"),
        (2, "next page\nend of section\nsame page"),
        (3, "new\nnot new"),
    ]


def test_two_breaks_in_a_row_leave_an_empty_page(extracted: Extract) -> None:
    assert pages(extracted(docx_of(paragraph("a") + BREAK + BREAK + paragraph("b")), "docx")) == [(1, "a"), (3, "b")]


def test_notes_stand_below_the_paragraph_that_refers_to_them(extracted: Extract) -> None:
    body = (
        '<w:p><w:r><w:t>text</w:t><w:footnoteReference w:id="2"/></w:r><w:r><w:commentReference w:id="0"/></w:r></w:p>'
        + paragraph("after")
    )
    notes = f'<w:footnote w:id="1">{paragraph("not referred to")}</w:footnote>'
    notes += f'<w:footnote w:id="2">{paragraph("the note")}</w:footnote>'
    comments = f'<w:comment w:id="0">{paragraph("the comment")}</w:comment>'
    extraction = extracted(docx_of(body, footnotes=notes, comments=comments), "docx")
    assert extraction.pages[0].text == "text\nthe note\nthe comment\nafter"


def test_headers_and_footers_come_once_at_the_end(extracted: Extract) -> None:
    extraction = extracted(docx_of(paragraph("body"), header=paragraph("Head"), footer=paragraph("Foot")), "docx")
    assert extraction.pages[0].text == "body\nHead\nFoot"


def test_what_was_deleted_moved_away_or_is_said_twice_is_left_out(extracted: Extract) -> None:
    body = (
        "<w:p><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        "<w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom><w:r><w:instrText>HYPERLINK x</w:instrText></w:r>"
        "<w:r><mc:AlternateContent><mc:Choice><w:p><w:r><w:t>box</w:t></w:r></w:p></mc:Choice>"
        "<mc:Fallback><w:p><w:r><w:t>box</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent><w:t>kept</w:t></w:r></w:p>"
    )
    assert extracted(docx_of(body), "docx").pages[0].text == "box\nkept"


def test_a_table_inside_a_table_stays_in_its_row(extracted: Extract) -> None:
    inner = f"<w:tbl><w:tr><w:tc>{paragraph('x')}</w:tc><w:tc>{paragraph('y')}</w:tc></w:tr></w:tbl>"
    outer = f"<w:tbl><w:tr><w:tc>{paragraph('a')}</w:tc><w:tc>{inner}{paragraph('b')}</w:tc></w:tr></w:tbl>"
    assert extracted(docx_of(outer), "docx").pages[0].text == "a | x | y b"


def test_the_strict_variant_is_read_too(extracted: Extract) -> None:
    assert extracted(docx_of(paragraph("strict"), namespace=STRICT_W), "docx").pages[0].text == "strict"


def test_a_document_without_words_has_no_text(extracted: Extract) -> None:
    assert extracted(docx_of("<w:p/>"), "docx").no_text_reason is NoText.EMPTY


def test_a_workbook_is_no_word_document(extracted: Extract) -> None:
    with pytest.raises(CorruptFile, match="not a Word document"):
        extracted(office.xlsx("", {"Sheet": [["a"]]}), "docx")


def test_a_document_whose_body_is_missing_is_corrupt(extracted: Extract) -> None:
    with pytest.raises(CorruptFile, match="missing"):
        extracted(changed(office.docx("", ["x"]), {"word/document.xml": None}), "docx")


def test_xml_that_breaks_off_is_corrupt_with_the_parsers_word(extracted: Extract) -> None:
    document = changed(office.docx("", ["x"]), {"word/document.xml": b"<w:document><w:body>"})
    with pytest.raises(CorruptFile, match=r"word/document\.xml"):
        extracted(document, "docx")


def test_reading_stops_at_the_limit_and_before_the_end_of_the_file(extracted: Extract) -> None:
    body = "".join(paragraph(f"paragraph {number}") for number in range(20_000)) + "<never-closed>"
    extraction = extracted(docx_of(body), "docx", max_text_characters=100)
    assert extraction.text_length <= 100
    assert extraction.warnings[0].startswith("text_truncated:")


def test_a_part_is_read_once_however_many_relations_name_it(
    extracted: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    real = Container.parse

    def parse(self: Container, name: str, *args: Any, **kwargs: Any) -> None:
        parsed.append(name)
        real(self, name, *args, **kwargs)

    monkeypatch.setattr(Container, "parse", parse)
    kinds = [kind for kind in ("header", "footnotes") for _ in range(200)]
    relations = "".join(
        f'<Relationship Id="r{n}" Type="{RELATIONS}/{kind}" Target="{kind}.xml"/>' for n, kind in enumerate(kinds)
    )
    document = changed(
        docx_of(paragraph("body"), header=paragraph("Head"), footnotes=""),
        {
            "word/_rels/document.xml.rels": (
                '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
                f"{relations}</Relationships>"
            ).encode()
        },
    )
    assert extracted(document, "docx").pages[0].text == "body\nHead"
    assert (parsed.count("word/header.xml"), parsed.count("word/footnotes.xml")) == (1, 1)


def chunked(*chunks: tuple[str, bytes], times: int = 1) -> bytes:
    """A document of the words before and after, with these files taken over between them."""
    space = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    used = "".join(f'<w:altChunk {space} r:id="c{number}"/>' for number in range(len(chunks))) * times
    relations = "".join(
        f'<Relationship Id="c{number}" Type="{RELATIONS}/aFChunk" Target="{name}"/>'
        for number, (name, _) in enumerate(chunks)
    )
    changes: dict[str, bytes | None] = {f"word/{name}": content for name, content in chunks}
    changes["word/_rels/document.xml.rels"] = (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relations}'
        "</Relationships>"
    ).encode()
    return changed(docx_of(paragraph("before") + used + paragraph("after")), changes)


MESSAGE = (
    b"Subject: unseen\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<html><body><p>saved page</p></body></html>\r\n"
    b"--b\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--b--\r\n"
)


def test_web_pages_and_text_that_the_document_takes_over_stand_in_their_place(extracted: Extract) -> None:
    page = b"<!DOCTYPE html><html><title>no</title><body><table><tr><td>a<td>b</table></body></html>"
    extraction = extracted(chunked(("x.mht", MESSAGE), ("y.html", page), ("z.txt", b"plain words")), "docx")
    assert pages(extraction) == [(1, "before\nsaved page\na | b\nplain words\nafter")]
    assert extraction.warnings == ()


def test_a_file_taken_over_is_read_once_however_often_it_is_named(extracted: Extract) -> None:
    extraction = extracted(chunked(("x.txt", b"plain words"), ("x.txt", b"plain words"), times=9), "docx")
    assert pages(extraction) == [(1, "before\nplain words\nafter")]


def test_a_file_taken_over_in_another_format_is_named_as_not_read(extracted: Extract) -> None:
    extraction = extracted(chunked(("x.rtf", b"{\\rtf1 words}")), "docx")
    assert pages(extraction) == [(1, "before\nafter")]
    assert extraction.warnings == ("embedded_files_not_read: files embedded in the document that were not read: 1",)
