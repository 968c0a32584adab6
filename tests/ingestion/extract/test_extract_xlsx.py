"""Excel workbooks: sheets as pages, values as a person writes them, and no rectangle larger than memory."""

from __future__ import annotations

import datetime as dt
import resource
from contextlib import suppress
from types import SimpleNamespace

import pytest
import python_calamine

from ingestion.errors import CorruptFile, XmlForbiddenEntity
from ingestion.extract import NoText
from ingestion.extract.sheets import cell_text
from samples import office
from tests.ingestion.extract.conftest import Extract
from tests.ingestion.extract.making import RELATIONS, A, S, changed, docx_of, paragraph, part_of, xlsx_of

LAUGHS = '<!DOCTYPE lolz [<!ENTITY l "lol">]><x>&l;</x>'
CORNERS = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'


def test_each_sheet_is_a_page_that_begins_with_its_name(extracted: Extract) -> None:
    book = office.xlsx("Stock", {"First & last": [["a", 1], [None, None], ["b", 2.5]], "Empty": [[]], "Third": [["z"]]})
    extraction = extracted(book, "xlsx")
    assert [(page.number, page.text) for page in extraction.pages] == [
        (1, "First & last\na | 1\nb | 2.5"),
        (3, "Third\nz"),
    ]
    assert (extraction.title, extraction.page_count) == ("Stock", 3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (0.1 + 0.2, "0.3"),
        (1e21, "1e+21"),
        (1234567890123451.0, "1234567890123451"),
        (-2, "-2"),
        (True, "TRUE"),
        (None, ""),
        (dt.datetime.fromisoformat("2026-03-14T00:00"), "2026-03-14"),
        (dt.datetime.fromisoformat("2026-03-14T09:26"), "2026-03-14 09:26:00"),
        (dt.date(2026, 3, 14), "2026-03-14"),
        (" two\nlines ", "two lines"),
    ],
)
def test_cells_read_as_a_person_would_write_them(value: object, text: str) -> None:
    assert cell_text(value) == text


def test_dates_are_dates_in_both_readers(extracted: Extract) -> None:
    book = office.xlsx("", {"Loans": [["since", dt.date(2026, 1, 12)]]})
    assert extracted(book, "xlsx").pages[0].text == "Loans\nsince | 2026-01-12"
    assert extracted(book, "xlsx", max_dense_cells=1).pages[0].text == "Loans\nsince | 2026-01-12"


def test_two_cells_in_opposite_corners_are_two_cells(extracted: Extract) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    extraction = extracted(xlsx_of(CORNERS), "xlsx")
    assert extraction.pages[0].text == "Sheet\n1\n2"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


@pytest.mark.parametrize(
    "rows",
    [
        CORNERS.replace('r="XFD1048576"', "r = 'XFD1048576'"),
        CORNERS.replace('r="XFD1048576"', 'r="xfd1048576"'),
        # Rows that say where they are, cells that do not: they follow one another.
        '<row r="1">' + "<c><v>1</v></c>" * 100 + '</row><row r="1048576"><c><v>2</v></c></row>',
    ],
)
def test_no_way_of_writing_the_corners_makes_the_fast_reader_build_the_rectangle(
    extracted: Extract, monkeypatch: pytest.MonkeyPatch, rows: str
) -> None:
    asked: list[object] = []
    whole = python_calamine.CalamineWorkbook.from_path
    spy = SimpleNamespace(from_path=lambda path: (asked.append(path), whole(path))[1])
    monkeypatch.setattr(python_calamine, "CalamineWorkbook", spy)
    extracted(xlsx_of('<row r="1"><c r="A1"><v>1</v></c></row>'), "xlsx")
    assert len(asked) == 1
    with suppress(CorruptFile):  # some of it is too wrong for any reader
        extracted(xlsx_of(rows), "xlsx")
    assert len(asked) == 1


def test_a_size_that_the_sheet_lies_about_hides_nothing(extracted: Extract) -> None:
    book = xlsx_of('<row r="1"><c r="A1"><v>1</v></c></row><row r="2"><c r="B2"><v>2</v></c></row>')
    lying = changed(
        book,
        {
            "xl/worksheets/sheet1.xml": b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
            b'<dimension ref="A1"/><sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="2"><c r="B2"><v>2</v></c>'
            b"</row></sheetData></worksheet>"
        },
    )
    for limit in (4_000_000, 1):
        assert extracted(lying, "xlsx", max_dense_cells=limit).pages[0].text == "Sheet\n1\n2"


def test_rows_out_of_order_lose_nothing_or_it_is_said(extracted: Extract) -> None:
    book = xlsx_of('<row r="5"><c r="A5"><v>5</v></c></row><row r="2"><c r="C2"><v>2</v></c></row>')
    assert sorted(extracted(book, "xlsx").pages[0].text.split()) == ["2", "5", "Sheet"]
    assert extracted(book, "xlsx").warnings == ()
    sparse = extracted(book, "xlsx", max_dense_cells=1)
    assert sparse.pages[0].text == "Sheet\n5"
    assert sparse.warnings[0].startswith("rows_out_of_order:")


def test_a_workbook_without_cells_has_no_text_though_its_sheets_have_names(extracted: Extract) -> None:
    extraction = extracted(office.xlsx("", {"Sheet1": [[]], "Sheet2": [[]]}), "xlsx")
    assert (extraction.has_text, extraction.no_text_reason) == (False, NoText.EMPTY)


def test_rows_beyond_the_limit_are_cut_with_a_warning(extracted: Extract) -> None:
    book = office.xlsx("", {"Long": [[f"row {number}"] for number in range(1000)], "More": [["x"]]})
    extraction = extracted(book, "xlsx", max_text_characters=100)
    assert extraction.text_length <= 100
    assert extraction.warnings[0].startswith("text_truncated:")


@pytest.mark.parametrize(
    "document",
    [
        docx_of(paragraph("words")),
        changed(office.xlsx("", {"Sheet": [["a"]]}), {"xl/workbook.xml": None}),
        changed(office.xlsx("", {"Sheet": [["a"]]}), {"xl/worksheets/sheet1.xml": b"<worksheet><sheetData>"}),
        changed(office.xlsx("", {"Sheet": [["a"]]}), {"xl/worksheets/sheet1.xml": None}),
    ],
    ids=["a word document", "no workbook", "a sheet cut off", "no sheet"],
)
def test_what_is_no_whole_workbook_is_corrupt(extracted: Extract, document: bytes) -> None:
    with pytest.raises(CorruptFile):
        extracted(document, "xlsx")


def related(*relations: tuple[str, str]) -> bytes:
    """A part that says which parts another one refers to, by kind."""
    each = "".join(
        f'<Relationship Id="r{number}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(relations, start=1)
    )
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{each}</Relationships>'.encode()


def drawn(text: str) -> bytes:
    """A part with a paragraph, as in a text box, a diagram or the title of a chart."""
    return f'<x xmlns:a="{A}"><a:p><a:r><a:t>{text}</a:t></a:r></a:p></x>'.encode()


def test_text_boxes_diagrams_and_charts_stand_below_the_cells_of_their_sheet_each_once(extracted: Extract) -> None:
    changes = {
        "xl/worksheets/_rels/sheet1.xml.rels": related(("drawing", "../drawings/drawing1.xml")),
        "xl/worksheets/_rels/sheet2.xml.rels": related(("drawing", "../drawings/drawing2.xml")),
        "xl/drawings/drawing1.xml": drawn("a box"),
        "xl/drawings/drawing2.xml": drawn("another box"),
        "xl/drawings/_rels/drawing1.xml.rels": related(("chart", "../charts/c.xml"), ("diagramData", "../data.xml")),
        "xl/drawings/_rels/drawing2.xml.rels": related(("chart", "../charts/c.xml"), ("image", "../media/i.png")),
        "xl/charts/c.xml": drawn("title of a chart"),
        "xl/data.xml": drawn("in a diagram"),
    }
    extraction = extracted(changed(office.xlsx("", {"Cells": [["a"]], "Drawn": [[]]}), changes), "xlsx")
    assert [(page.number, page.text) for page in extraction.pages] == [
        (1, "Cells\na\na box\ntitle of a chart\nin a diagram"),
        (2, "Drawn\nanother box"),
    ]


def test_a_sheet_that_is_one_chart_is_a_page_with_what_is_written_in_it(extracted: Extract) -> None:
    book = office.xlsx("", {"Chart": [[]], "Cells": [["a"]]})
    changes: dict[str, bytes | None] = {
        "xl/_rels/workbook.xml.rels": part_of(book, "xl/_rels/workbook.xml.rels")
        .replace('/worksheet" Target="worksheets/sheet1.xml', '/chartsheet" Target="chartsheets/sheet1.xml')
        .encode(),
        "xl/worksheets/sheet1.xml": None,
        "xl/chartsheets/sheet1.xml": f'<chartsheet xmlns="{S}"/>'.encode(),
        "xl/chartsheets/_rels/sheet1.xml.rels": related(("drawing", "../drawings/drawing1.xml")),
        "xl/drawings/drawing1.xml": drawn("title of a chart"),
    }
    extraction = extracted(changed(book, changes), "xlsx")
    assert [(page.number, page.text) for page in extraction.pages] == [(1, "Chart\ntitle of a chart"), (2, "Cells\na")]


def test_what_is_drawn_counts_for_the_limit_of_characters_and_ends_there(extracted: Extract) -> None:
    changes = {
        "xl/worksheets/_rels/sheet1.xml.rels": related(("drawing", "../drawings/drawing1.xml")),
        "xl/drawings/drawing1.xml": drawn("</a:t></a:r></a:p><a:p><a:r><a:t>".join(["words"] * 1_000)),
    }
    extraction = extracted(changed(office.xlsx("", {"S": [["a"]]}), changes), "xlsx", max_text_characters=100)
    assert extraction.pages[0].text.startswith("S\na\nwords\nwords\n")
    assert extraction.text_length <= 100
    assert [warning.partition(":")[0] for warning in extraction.warnings] == ["text_truncated"]


@pytest.mark.parametrize("xml", [LAUGHS, "<a><b></a>"])
def test_a_drawing_is_read_under_the_guard_of_every_part(extracted: Extract, xml: str) -> None:
    changes = {
        "xl/worksheets/_rels/sheet1.xml.rels": related(("drawing", "../drawings/drawing1.xml")),
        "xl/drawings/drawing1.xml": xml.encode(),
    }
    with pytest.raises((XmlForbiddenEntity, CorruptFile), match=r"entities|drawing1"):
        extracted(changed(office.xlsx("", {"S": [["a"]]}), changes), "xlsx")
