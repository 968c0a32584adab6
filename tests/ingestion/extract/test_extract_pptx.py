"""PowerPoint presentations: every slide that was written, in the order of the show, with what stands beside it."""

from __future__ import annotations

import pytest

from ingestion.errors import CorruptFile
from ingestion.extract import NoText
from samples import office, slides
from tests.ingestion.extract.conftest import Extract
from tests.ingestion.extract.making import RELATIONS, A, P, changed, part_of, pptx_of, shape

STRICT = {
    P: "http://purl.oclc.org/ooxml/presentationml/main",
    A: "http://purl.oclc.org/ooxml/drawingml/main",
    RELATIONS: "http://purl.oclc.org/ooxml/officeDocument/relationships",
}


def pages(extraction: object) -> list[tuple[int, str]]:
    return [(page.number, page.text) for page in extraction.pages]  # type: ignore[attr-defined]


def test_each_slide_is_a_page_and_the_title_is_the_documents(extracted: Extract) -> None:
    extraction = extracted(slides.pptx("The sky", [["Orion", "Rigel & more"], [""], ["Lyra"]]), "pptx")
    assert (extraction.title, extraction.page_count) == ("The sky", 3)
    assert pages(extraction) == [(1, "Orion\nRigel & more"), (3, "Lyra")]


def test_slides_come_in_the_order_of_the_show_not_of_their_names(extracted: Extract) -> None:
    document = slides.pptx("", [["first"], ["second"]])
    shown = f'<p:presentation xmlns:p="{P}" xmlns:r="{RELATIONS}"><p:sldIdLst><p:sldId id="257" r:id="rId4"/>'
    shown += '<p:sldId id="256" r:id="rId3"/></p:sldIdLst></p:presentation>'
    turned = changed(document, {"ppt/presentation.xml": shown.encode()})
    assert pages(extracted(turned, "pptx")) == [(1, "second"), (2, "first")]


def test_what_masters_and_layouts_say_is_not_on_the_slides(extracted: Extract) -> None:
    document = slides.pptx("", [["words"]])
    assert b"Click to add title" in document
    assert pages(extracted(document, "pptx")) == [(1, "words")]


def test_a_word_in_several_runs_is_one_word_and_a_break_is_one(extracted: Extract) -> None:
    text = (
        "<a:p><a:r><a:t>obser</a:t></a:r><a:r><a:rPr b='1'/><a:t>vatory</a:t></a:r><a:br/><a:r><a:t>b</a:t></a:r></a:p>"
    )
    assert pages(extracted(pptx_of(f"<p:sp><p:txBody>{text}</p:txBody></p:sp>"), "pptx")) == [(1, "observatory\nb")]


def test_shapes_in_groups_are_read_and_a_row_of_a_table_is_a_line(extracted: Extract) -> None:
    cells = "".join(f"<a:tc><a:txBody><a:p><a:r><a:t>{each}</a:t></a:r></a:p></a:txBody></a:tc>" for each in "ab")
    empty = "<a:tc><a:txBody><a:p/></a:txBody></a:tc>"
    table = f"<p:graphicFrame><a:graphic><a:tbl><a:tr>{cells}{empty}</a:tr><a:tr>{empty}</a:tr></a:tbl></a:graphic>"
    group = f"<p:grpSp>{shape('outer')}<p:grpSp>{shape('inner')}</p:grpSp></p:grpSp>{table}</p:graphicFrame>"
    assert pages(extracted(pptx_of(group), "pptx")) == [(1, "outer\ninner\na | b")]


def test_diagrams_notes_and_comments_stand_below_their_slide_in_this_order(extracted: Extract) -> None:
    document = pptx_of(
        shape("the slide"),
        shape("the next"),
        comments="<p:cm><p:pos/><p:text>as it was</p:text></p:cm><x><a:p><a:r><a:t>as it is</a:t></a:r></a:p></x>",
        notesSlide=shape("the notes") + shape("7", placeholder="sldNum") + shape("the club", placeholder="ftr"),
        diagramData="<x><a:p><a:r><a:t>in a box</a:t></a:r></a:p></x>",
    )
    assert pages(extracted(document, "pptx")) == [
        (1, "the slide\nin a box\nthe notes\nas it was\nas it is"),
        (2, "the next"),
    ]


def test_the_slides_number_is_no_text_but_its_footer_is(extracted: Extract) -> None:
    document = pptx_of(shape("3", placeholder="sldNum") + shape("the club", placeholder="ftr") + shape("last"))
    assert pages(extracted(document, "pptx")) == [(1, "the club\nlast")]


def test_a_hidden_slide_is_read_with_a_warning(extracted: Extract) -> None:
    extraction = extracted(pptx_of(shape("secret"), hidden=True), "pptx")
    assert pages(extraction) == [(1, "secret")]
    assert extraction.warnings == ("hidden_slides_read: slides that are hidden in the show were read too: 1",)


def test_what_is_said_twice_for_older_programs_is_read_once(extracted: Extract) -> None:
    twice = f"<mc:AlternateContent><mc:Choice>{shape('new')}</mc:Choice><mc:Fallback>{shape('old')}</mc:Fallback>"
    assert pages(extracted(pptx_of(twice + "</mc:AlternateContent>"), "pptx")) == [(1, "new")]


def test_files_embedded_in_slides_are_counted_in_a_warning(extracted: Extract) -> None:
    extraction = extracted(pptx_of(shape("x"), package="", oleObject=""), "pptx")
    assert extraction.warnings == ("embedded_files_not_read: files embedded in the document that were not read: 2",)


def test_the_strict_variant_is_read_too(extracted: Extract) -> None:
    document = slides.pptx("", [["strict"]])
    parts = {}
    for part in ("ppt/presentation.xml", "ppt/_rels/presentation.xml.rels", "ppt/slides/slide1.xml"):
        text = part_of(document, part)
        for name, strict in STRICT.items():
            text = text.replace(name, strict)
        parts[part] = text.encode()
    assert pages(extracted(changed(document, parts), "pptx")) == [(1, "strict")]


def test_one_part_that_a_thousand_slides_refer_to_is_read_once(extracted: Extract) -> None:
    document = slides.pptx("", [["once"], ["twice"]])
    listed = '<p:sldId id="256" r:id="rId3"/>' * 1000
    shown = f'<p:presentation xmlns:p="{P}" xmlns:r="{RELATIONS}"><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>'
    extraction = extracted(changed(document, {"ppt/presentation.xml": shown.encode()}), "pptx")
    assert (extraction.page_count, pages(extraction)) == (1, [(1, "once")])
    both = pptx_of(shape("one"), shape("two"), notesSlide=shape("note"))
    again = changed(
        both, {"ppt/slides/_rels/slide2.xml.rels": part_of(both, "ppt/slides/_rels/slide1.xml.rels").encode()}
    )
    assert pages(extracted(again, "pptx")) == [(1, "one\nnote"), (2, "two")]


@pytest.mark.parametrize("part", ["ppt/presentation.xml", "ppt/slides/slide1.xml"])
def test_a_presentation_with_a_part_missing_is_corrupt(extracted: Extract, part: str) -> None:
    with pytest.raises(CorruptFile, match="missing"):
        extracted(changed(slides.pptx("", [["x"]]), {part: None}), "pptx")


def test_a_workbook_is_no_presentation(extracted: Extract) -> None:
    with pytest.raises(CorruptFile, match="not a PowerPoint presentation"):
        extracted(office.xlsx("", {"Sheet": [["a"]]}), "pptx")


@pytest.mark.parametrize("shown", [[], [[""]]], ids=["no slide", "an empty slide"])
def test_a_presentation_without_words_has_no_text(extracted: Extract, shown: list[list[str]]) -> None:
    assert extracted(slides.pptx("", shown), "pptx").no_text_reason is NoText.EMPTY


def test_slides_beyond_the_limit_are_left_out_and_text_beyond_it_is_cut(extracted: Extract) -> None:
    document = slides.pptx("", [["a" * 60], ["b" * 60], ["c" * 60]])
    extraction = extracted(document, "pptx", max_pages=2)
    assert (len(extraction.pages), extraction.page_count) == (2, 3)
    assert extraction.warnings[0].startswith("pages_truncated:")
    extraction = extracted(document, "pptx", max_text_characters=100)
    assert extraction.text_length <= 100
    assert extraction.warnings[0].startswith("text_truncated:")
