"""OpenDocument presentations: a page a slide, with what stands beside it."""

from __future__ import annotations

import pytest

from ingestion.errors import CorruptFile
from ingestion.extract import NoText
from samples.opendocument import odp, odt, opendocument
from tests.ingestion.extract.conftest import Extract

HIDING = (
    '<style:style style:name="dp1" style:family="drawing-page"><style:drawing-page-properties '
    'presentation:visibility="hidden"/></style:style>'
)


def frame(words: str, attributes: str = "") -> str:
    return f"<draw:frame {attributes}><draw:text-box><text:p>{words}</text:p></draw:text-box></draw:frame>"


def page(content: str, style: str = "") -> str:
    return f'<draw:page draw:style-name="{style}">{content}</draw:page>'


def presentation(*shown: str) -> bytes:
    return opendocument("presentation", "A title", "".join(shown), HIDING)


def pages(extraction: object) -> list[tuple[int, str]]:
    return [(each.number, each.text) for each in extraction.pages]  # type: ignore[attr-defined]


def test_each_slide_is_a_page_and_an_empty_one_counts(extracted: Extract) -> None:
    extraction = extracted(odp("The sky", [["Orion", "Rigel"], [""], ["Lyra"]]), "odp")
    assert (extraction.title, extraction.page_count) == ("The sky", 3)
    assert pages(extraction) == [(1, "Orion\nRigel"), (3, "Lyra")]


def test_shapes_in_groups_and_tables_are_read(extracted: Extract) -> None:
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    row = f"<table:table-row>{cell.format('a')}{cell.format('b')}</table:table-row>"
    shapes = f"<draw:g><draw:custom-shape><text:p>arrow</text:p></draw:custom-shape>{frame('boxed')}</draw:g>"
    table = f"<draw:frame><table:table>{row}</table:table></draw:frame>"
    assert pages(extracted(presentation(page(shapes + table)), "odp")) == [(1, "arrow\nboxed\na | b")]


def test_notes_and_comments_stand_below_the_slide(extracted: Extract) -> None:
    comment = "<office:annotation><dc:creator>Ann</dc:creator><text:p>comment</text:p></office:annotation>"
    notes = f"<presentation:notes><draw:page-thumbnail/>{frame('notes')}</presentation:notes>"
    shown = page(comment + frame("first") + frame("second") + notes)
    assert pages(extracted(presentation(shown, page(frame("next"))), "odp")) == [
        (1, "first\nsecond\nnotes\ncomment"),
        (2, "next"),
    ]


def test_placeholders_that_were_never_filled_in_say_nothing(extracted: Extract) -> None:
    prompt = frame("Click to add text", 'presentation:placeholder="true"')
    assert pages(extracted(presentation(page(prompt + frame("words"))), "odp")) == [(1, "words")]


def test_a_hidden_slide_is_read_with_a_warning(extracted: Extract) -> None:
    extraction = extracted(presentation(page(frame("shown")), page(frame("secret"), "dp1")), "odp")
    assert pages(extraction) == [(1, "shown"), (2, "secret")]
    assert extraction.warnings == ("hidden_slides_read: slides that are hidden in the show were read too: 2",)


def test_a_presentation_without_words_has_no_text(extracted: Extract) -> None:
    for shown in ([], [[""]]):
        assert extracted(odp("", shown), "odp").no_text_reason is NoText.EMPTY


def test_a_text_is_no_presentation(extracted: Extract) -> None:
    with pytest.raises(CorruptFile, match="not an OpenDocument presentation"):
        extracted(odt("", ["x"]), "odp")


def test_slides_beyond_the_limit_are_left_out_with_a_warning(extracted: Extract) -> None:
    extraction = extracted(odp("", [["a"], ["b"], ["c"]]), "odp", max_pages=2)
    assert len(extraction.pages) == 2
    assert extraction.warnings[0].startswith("pages_truncated:")
