"""CSV: the right delimiter, every row, and nothing lost to a quotation mark too many."""

from __future__ import annotations

import pytest

from ingestion.extract.csv_table import find_delimiter
from tests.ingestion.extract.conftest import Extract


@pytest.mark.parametrize(
    ("table", "delimiter"),
    [
        ("a,b,c\n1,2,3\n4,5,6\n", ","),
        ("a;b;c\n1;2,5;3\n4;5,25;6\n", ";"),
        ("name;price;weight\nx;1,50;2,25\ny;1,75;3,25\n", ";"),
        ("a\tb\n1, one\t2\n3, three\t4\n", "\t"),
        ("a|b|c\n1|2|3\n", "|"),
        # Names of columns that hold another delimiter, as in hospital price files.
        ("description,code | 1,code | 1 | type,price | gross\nKnee,123,CPT,10.5\nHip,456,CPT,11\n", ","),
        ("Report of March\n\na,b,c\n1,2,3\n4,5,6\n7,8,9\n", ","),
        ('"a,b";"c"\n"d,e";"f"\n', ";"),
    ],
)
def test_the_delimiter_is_the_one_that_makes_a_table(table: str, delimiter: str) -> None:
    assert find_delimiter(table.splitlines(keepends=True)) == delimiter


@pytest.mark.parametrize("text", ["one\ntwo\nthree\n", "Well, he said, it rains.\nNo comma here.\nNor here.\n", ""])
def test_prose_is_no_table(text: str) -> None:
    assert find_delimiter(text.splitlines(keepends=True)) is None


def test_rows_become_lines_with_cells_divided(extracted: Extract) -> None:
    extraction = extracted('\ufeffName,Note,\r\n"Ada, Countess","line one\r\nline ""two""",\r\n,,\r\nlast,,x', "csv")
    assert extraction.pages[0].text == 'Name | Note\nAda, Countess | line one line "two"\nlast |  | x'
    assert extraction.warnings == ()


def test_ragged_rows_and_mixed_line_ends_are_kept(extracted: Extract) -> None:
    extraction = extracted("a,b,c\r1,2\n3,4,5,6\r\n7,8,9\n", "csv")
    assert extraction.pages[0].text == "a | b | c\n1 | 2\n3 | 4 | 5 | 6\n7 | 8 | 9"


def test_a_file_without_a_table_is_text_and_says_so(extracted: Extract) -> None:
    extraction = extracted("only one column\nof words\n", "csv")
    assert extraction.pages[0].text == "only one column\nof words"
    assert extraction.warnings[0].startswith("no_table_found:")


@pytest.mark.parametrize("rows_after", [3, 3_000])
def test_a_quotation_mark_never_closed_costs_no_other_row(extracted: Extract, rows_after: int) -> None:
    after = "".join(f"{number},value {number},x\n" for number in range(rows_after))
    extraction = extracted(f'a,b,c\n1,"open,2\n{after}', "csv")
    lines = extraction.pages[0].text.split("\n")
    assert lines[:3] == ["a | b | c", "1 | open | 2", "0 | value 0 | x"]
    assert len(lines) == rows_after + 2
    assert extraction.warnings == ("csv_unclosed_quote: a quotation mark is never closed in line 2",)


def test_many_quotation_marks_never_closed_take_no_square_of_the_time(extracted: Extract) -> None:
    rows = "".join(f'{number},"open,x\n' + "a,b,c\n" * 600 for number in range(100))
    extraction = extracted(rows, "csv")
    assert extraction.pages[0].text.count("\n") + 1 == 100 * 601


def test_a_cell_of_a_megabyte_is_read(extracted: Extract) -> None:
    extraction = extracted('a,b\n1,"' + "word " * 250_000 + '"\n2,3\n', "csv")
    assert extraction.text_length > 1_000_000
    assert extraction.pages[0].text.endswith("\n2 | 3")


def test_rows_beyond_the_limit_are_cut_with_a_warning(extracted: Extract) -> None:
    extraction = extracted("a,b\n" * 10_000, "csv", max_text_characters=1_000)
    assert extraction.text_length <= 1_000
    assert extraction.warnings[0].startswith("text_truncated:")
