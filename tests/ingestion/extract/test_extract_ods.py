"""OpenDocument spreadsheets: sheets as pages, values as displayed, and nothing larger than what was written."""

from __future__ import annotations

import resource
import time

import pytest

from ingestion.errors import CorruptFile
from ingestion.extract import NoText
from ingestion.extract.ods import MAX_REPEATED_CHARACTERS
from samples.opendocument import ods, odt, opendocument
from tests.ingestion.extract.conftest import Extract
from tests.ingestion.extract.making import changed, part_of

HUGE = "1048576"


def cell(text: str = "", attributes: str = "") -> str:
    return f"<table:table-cell {attributes}>{f'<text:p>{text}</text:p>' if text else ''}</table:table-cell>"


def row(cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{cells}</table:table-row>"


def times(columns: str = "", rows: str = "") -> str:
    named = {"columns": columns, "rows": rows}
    return " ".join(f'table:number-{name}-repeated="{count}"' for name, count in named.items() if count)


def book(rows: str, around: str = "") -> bytes:
    return opendocument("spreadsheet", "A title", f'{around}<table:table table:name="Sheet">{rows}</table:table>')


def pages(extraction: object) -> list[tuple[int, str]]:
    return [(page.number, page.text) for page in extraction.pages]  # type: ignore[attr-defined]


def test_each_sheet_is_a_page_that_begins_with_its_name(extracted: Extract) -> None:
    document = ods("Stock", {"First & last": [["a", 1], ["", ""], ["b", 2]], "Empty": [], "Third": [["z"]]})
    extraction = extracted(document, "ods")
    assert pages(extraction) == [(1, "First & last\na | 1\nb | 2"), (3, "Third\nz")]
    assert (extraction.title, extraction.page_count) == ("Stock", 3)


def test_values_are_those_displayed_else_those_kept(extracted: Extract) -> None:
    cells = cell("12.50 €", 'office:value-type="currency" office:value="12.5"')
    cells += cell("", 'office:value-type="float" office:value="7"')
    cells += cell("", 'office:value-type="date" office:date-value="2026-03-14"')
    cells += cell("", 'office:value-type="boolean" office:boolean-value="true"')
    cells += "<table:table-cell><text:p>two</text:p><text:p>lines</text:p></table:table-cell>"
    assert pages(extracted(book(row(cells)), "ods")) == [(1, "Sheet\n12.50 € | 7 | 2026-03-14 | true | two lines")]


def test_what_is_repeated_a_few_times_is_there_so_often(extracted: Extract) -> None:
    cells = cell("", times("3")) + cell("a", times("2")) + cell("", times("2")) + cell("b") + cell("", times("9"))
    assert pages(extracted(book(row(cells, times(rows="2"))), "ods")) == [
        (1, "Sheet\na | a |  |  | b\na | a |  |  | b")
    ]


def test_a_million_empty_rows_and_columns_cost_nothing(extracted: Extract) -> None:
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    empty = row(cell("", times(HUGE)), times(rows=HUGE))
    rows = empty * 1000 + row(cell("", times(HUGE)) + cell("last") + cell("", times(HUGE))) + empty * 1000
    extraction = extracted(book(rows), "ods")
    assert pages(extraction) == [(1, "Sheet\nlast")]
    assert extraction.warnings == ()
    assert time.process_time() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


@pytest.mark.parametrize(
    "rows",
    [
        row(cell("x", times(HUGE))),
        row(cell("x"), times(rows=HUGE)),
        row(cell("x", times(HUGE)), times(rows=HUGE)),
        row(cell("x", times(HUGE))) * 1000,
        row(cell("x", times(HUGE)) * 1000),
        row(cell("x" * 100_000, times(HUGE)) * 10),
        row((cell("x") + cell("", times(HUGE))) * 1000 + cell("x")),
        row(cell("x", times("9" * 5000)), times(rows="9" * 5000)),
    ],
)
def test_filled_cells_repeated_without_end_are_bounded_for_the_whole_document(extracted: Extract, rows: str) -> None:
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    extraction = extracted(book(rows), "ods")
    assert extraction.text_length <= MAX_REPEATED_CHARACTERS + len(rows) + 10
    assert [warning.partition(":")[0] for warning in extraction.warnings] == ["repeats_left_out"]
    assert time.process_time() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


@pytest.mark.parametrize("count", ["0", "-5", "some", ""])
def test_a_count_that_makes_no_sense_is_one(extracted: Extract, count: str) -> None:
    attributes = f'table:number-columns-repeated="{count}"'
    assert pages(extracted(book(row(cell("x", attributes))), "ods")) == [(1, "Sheet\nx")]


def test_comments_and_shapes_are_read_and_hints_for_entering_values_are_not(extracted: Extract) -> None:
    comment = "<office:annotation><dc:creator>Ann</dc:creator><text:p>comment</text:p></office:annotation>"
    hint = "<table:content-validations><table:help-message><text:p>enter</text:p></table:help-message>"
    shape = (
        "<table:shapes><draw:frame><draw:text-box><text:p>boxed</text:p></draw:text-box></draw:frame></table:shapes>"
    )
    cells = f"<table:table-cell>{comment}<text:p>a</text:p></table:table-cell>{cell('b')}"
    document = book(shape + row(cells), hint + "</table:content-validations>")
    assert pages(extracted(document, "ods")) == [(1, "Sheet\nboxed\na | b\ncomment")]


def test_a_table_within_a_cell_stays_there(extracted: Extract) -> None:
    inner = f"<table:table>{row(cell('x') + cell('y'))}</table:table>"
    document = book(row(cell("a") + f"<table:table-cell>{inner}</table:table-cell>"))
    assert pages(extracted(document, "ods")) == [(1, "Sheet\na | x | y")]


def test_a_spreadsheet_without_cells_has_no_text_though_its_sheets_have_names(extracted: Extract) -> None:
    extraction = extracted(ods("", {"Sheet1": [], "Sheet2": [[""]]}), "ods")
    assert (extraction.has_text, extraction.no_text_reason) == (False, NoText.EMPTY)


def test_a_text_is_no_spreadsheet(extracted: Extract) -> None:
    with pytest.raises(CorruptFile, match="not an OpenDocument spreadsheet"):
        extracted(odt("", ["x"]), "ods")


def test_rows_beyond_the_limit_are_cut_with_a_warning(extracted: Extract) -> None:
    document = ods("", {"Long": [[f"row {number}"] for number in range(1000)], "More": [["x"]]})
    extraction = extracted(document, "ods", max_text_characters=100)
    assert extraction.text_length <= 100
    assert extraction.warnings[0].startswith("text_truncated:")


def paged(*kinds: str) -> bytes:
    """A page style for each of these headers and footers, P0 and on, and a sheet of each; the last sheet is empty."""
    masters = "".join(
        f'<style:master-page style:name="M{number}">{around}</style:master-page>' for number, around in enumerate(kinds)
    )
    styles = "".join(
        f'<style:style style:name="P{number}" style:family="table" style:master-page-name="M{number}"/>'
        for number in range(len(kinds))
    )
    sheets = "".join(
        f'<table:table table:name="S{number}" table:style-name="P{number}">{row(cell(f"cell {number}"))}</table:table>'
        for number in range(len(kinds))
    )
    empty = '<table:table table:name="Empty" table:style-name="P0"/>'
    document = opendocument("spreadsheet", "", sheets + empty, styles)
    spaces = part_of(document, "content.xml").partition("<office:document-content ")[2].partition(">")[0]
    return changed(
        document, {"styles.xml": f"<office:document-styles {spaces}>{masters}</office:document-styles>".encode()}
    )


def test_headers_and_footers_stand_on_the_sheets_that_have_them_and_text(extracted: Extract) -> None:
    first = "<style:header><text:p>Head</text:p></style:header><style:footer><text:p>Foot</text:p></style:footer>"
    second = (
        '<style:header style:display="false"><text:p>not shown</text:p></style:header>'
        "<style:footer><text:p>Secret, page <text:page-number>1</text:page-number></text:p>"
        "<text:p>Page <text:page-number>1</text:page-number></text:p></style:footer>"
    )
    extraction = extracted(paged(first, second), "ods")
    assert pages(extraction) == [(1, "S0\ncell 0\nHead\nFoot"), (2, "S1\ncell 1\nSecret, page")]
    assert extraction.page_count == 3
