"""Excel workbooks of before 2007: what a container or a record claims never decides how much memory is taken."""

from __future__ import annotations

import resource
import struct

import pytest

from ingestion.errors import ContentTooLarge, CorruptFile, PasswordRequired, UnsupportedFile
from ingestion.extract import NoText
from ingestion.extract.ole import new_container
from tests.ingestion.extract import making_xls as xls
from tests.ingestion.extract.conftest import Extract

ONE = [(0, 0, "one")]


def test_each_sheet_is_a_page_that_begins_with_its_name(extracted: Extract) -> None:
    book = xls.xls_of({"First": [(0, 0, "a"), (0, 1, 1.0), (4, 0, "b"), (4, 1, 2.5)], "Empty": [], "Dritte ü": ONE})
    extraction = extracted(book, "xls")
    assert [(page.number, page.text) for page in extraction.pages] == [
        (1, "First\na | 1\nb | 2.5"),
        (3, "Dritte ü\none"),
    ]
    assert extraction.page_count == 3


def test_a_workbook_without_cells_has_no_text_though_its_sheets_have_names(extracted: Extract) -> None:
    extraction = extracted(xls.xls_of({"Sheet1": [], "Sheet2": []}), "xls")
    assert (extraction.has_text, extraction.no_text_reason) == (False, NoText.EMPTY)


def test_a_workbook_larger_than_small_streams_and_one_table_of_sectors_is_read(extracted: Extract) -> None:
    rows = [(row, 0, "x" * 1_000) for row in range(2_500)]
    extraction = extracted(xls.xls_of({"Long": rows}), "xls")
    assert extraction.pages[0].text.count("\n") == len(rows)


def test_rows_beyond_the_limit_are_cut_with_a_warning(extracted: Extract) -> None:
    extraction = extracted(
        xls.xls_of({"Long": [(row, 0, "text") for row in range(100)]}), "xls", max_text_characters=50
    )
    assert extraction.text_length <= 50
    assert extraction.warnings[0].startswith("text_truncated:")


def test_cells_in_opposite_corners_are_refused_before_the_rectangle_between_them_is_built(extracted: Extract) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ContentTooLarge, match="max_dense_cells") as caught:
        extracted(xls.xls_of({"Sheet": [(0, 0, 1.0), (65_535, 65_535, 2.0)]}), "xls")
    assert caught.value.hint
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_a_size_that_a_sheet_lies_about_takes_no_memory_and_hides_nothing(extracted: Extract) -> None:
    claimed = xls.record(xls.DIMENSIONS, struct.pack("<LLHHH", 0, 0xFFFFFFFF, 0, 0xFFFF, 0))
    book = new_container("Workbook", xls.workbook({"Sheet": xls.sheet(ONE, claimed)}))
    assert extracted(book, "xls").pages[0].text == "Sheet\none"


def test_many_names_for_one_sheet_are_refused(extracted: Extract) -> None:
    stream = xls.workbook({"A": xls.sheet(ONE), "B": xls.sheet(ONE)})
    places = [at for at in range(len(stream)) if stream[at : at + 2] == struct.pack("<H", xls.SHEET)]
    twice = bytearray(stream)
    twice[places[1] + 4 : places[1] + 8] = twice[places[0] + 4 : places[0] + 8]
    with pytest.raises(CorruptFile, match="overlap"):
        extracted(new_container("Workbook", twice), "xls")


def test_a_formula_gives_its_value_whatever_is_wrong_with_the_formula(extracted: Extract) -> None:
    nonsense = struct.pack("<HHHdHLH", 0, 0, 0, 42.0, 0, 0, 0xFFFF)
    book = new_container(
        "Workbook", xls.workbook({"Sheet": xls.begin(16) + xls.record(xls.FORMULA, nonsense) + xls.record(xls.END)})
    )
    assert extracted(book, "xls").pages[0].text == "Sheet\n42"


def test_a_chart_inside_a_sheet_adds_no_cells_to_it(extracted: Extract) -> None:
    chart = xls.begin(32) + xls.cell(60_000, 200, 7.0) + xls.record(xls.END)
    book = new_container("Workbook", xls.workbook({"Sheet": xls.sheet(ONE, chart)}))
    assert extracted(book, "xls").pages[0].text == "Sheet\none"


def text_box(text: str, *pieces: bytes) -> bytes:
    """The records of a text box: how long its text is, the text in pieces, and how it is formatted."""
    announced = xls.record(0x01B6, struct.pack("<HHHHHHHL", 0, 0, 0, 0, 0, len(text), 16, 0))
    return announced + b"".join(xls.record(0x003C, piece) for piece in pieces) + xls.record(0x003C, bytes(16))


def test_text_boxes_and_comments_stand_below_the_cells_of_their_sheet(extracted: Extract) -> None:
    first = text_box("plain\rbox", b"\0plain\rbox")
    wide = [b"\1" + piece.encode("utf-16-le") for piece in ("größer – ", "und länger")]
    second = text_box("größer – und länger", *wide)
    sheets = {"Cells": xls.sheet(ONE), "Boxes": xls.sheet(ONE, first + second), "Only boxes": xls.sheet([], first)}
    extraction = extracted(new_container("Workbook", xls.workbook(sheets)), "xls")
    assert [(page.number, page.text) for page in extraction.pages] == [
        (1, "Cells\none"),
        (2, "Boxes\none\nplain\nbox\ngrößer – und länger"),
        (3, "Only boxes\nplain\nbox"),
    ]


def test_a_text_box_that_announces_more_than_comes_is_left_out(extracted: Extract) -> None:
    broken = text_box("x" * 60_000, b"\0few") + xls.record(0x005D) + xls.record(0x003C, b"\0not its text")
    book = new_container("Workbook", xls.workbook({"Sheet": xls.sheet(ONE, broken)}))
    assert extracted(book, "xls").pages[0].text == "Sheet\none"


def test_a_sheet_that_is_one_chart_counts_as_a_page(extracted: Extract) -> None:
    records = xls.workbook({"Chart": xls.begin(32) + xls.record(xls.END), "Cells": xls.sheet(ONE)})
    kind = records.index("Chart".encode("utf-16-le")) - 3
    chart_first = records[:kind] + b"\2" + records[kind + 1 :]
    extraction = extracted(new_container("Workbook", bytearray(chart_first)), "xls")
    assert [(page.number, page.text) for page in extraction.pages] == [(2, "Cells\none")]


@pytest.mark.parametrize("scheme", [0, 1], ids=["obfuscated", "encrypted"])
def test_a_workbook_with_a_password_needs_it(extracted: Extract, scheme: int) -> None:
    locked = xls.record(xls.LOCKED, struct.pack("<H", scheme) + bytes(4))
    with pytest.raises(PasswordRequired):
        extracted(xls.xls_of({"Sheet": ONE}, locked), "xls")


def test_a_workbook_of_before_excel_5_is_refused_with_a_next_step(extracted: Extract) -> None:
    with pytest.raises(UnsupportedFile, match="Excel 5") as caught:
        extracted(b"\x09\x04\x06\x00" + bytes(100), "xls")
    assert ".xlsx" in caught.value.hint


@pytest.mark.parametrize("share", [0.05, 0.5, 0.8])
def test_a_workbook_cut_off_is_corrupt(extracted: Extract, share: float) -> None:
    book = xls.xls_of({"Long": [(row, 0, "text") for row in range(1_000)]})
    with pytest.raises(CorruptFile):
        extracted(book[: int(len(book) * share)], "xls")


def test_a_container_whose_chains_run_in_circles_is_corrupt(extracted: Extract) -> None:
    book = bytearray(xls.xls_of({"Long": [(row, 0, "text") for row in range(1_000)]}))
    table = len(book) - 4096  # the last sector says which sector follows which
    for place in range(table, len(book), 4):
        struct.pack_into("<L", book, place, 1)
    struct.pack_into("<L", book, table, 0)
    with pytest.raises(CorruptFile):
        extracted(bytes(book), "xls")


@pytest.mark.parametrize(
    "book",
    [
        new_container("WordDocument", b"text"),
        new_container("Workbook", b""),
        new_container("Workbook", xls.workbook({"Sheet": xls.begin(16)})),
        new_container(
            "Workbook", xls.begin(5) + xls.record(xls.SHEET, struct.pack("<LBB", 1 << 30, 0, 0)) + xls.record(xls.END)
        ),
    ],
    ids=["a word document", "no records", "a sheet without an end", "a sheet outside of the file"],
)
def test_what_is_no_whole_workbook_is_corrupt(extracted: Extract, book: bytes) -> None:
    with pytest.raises(CorruptFile):
        extracted(book, "xls")
