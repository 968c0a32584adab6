"""JSON: one value, lines of values, and a named place where it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingestion.errors import ContentTooLarge, IngestionError, InvalidJson, JsonTooDeep
from ingestion.extract import NoText, extract
from tests.ingestion.extract.conftest import Extract


def test_a_value_becomes_an_outline_of_names_and_values(extracted: Extract) -> None:
    source = {"name": "Ada", "tags": ["x", "y"], "at": {"lat": 1.50, "on": True}, "none": None, "rows": [{"a": 1}, []]}
    assert extracted(json.dumps(source), "json").pages[0].text.split("\n") == [
        "name: Ada",
        "tags:",
        " - x",
        " - y",
        "at:",
        " lat: 1.5",
        " on: true",
        "none: null",
        "rows:",
        " -",
        "  a: 1",
        " -",
    ]


def test_numbers_stay_as_written_whatever_their_length(extracted: Extract) -> None:
    digits = "7" * 5_000
    text = extracted(f'{{"long": {digits}, "exact": 0.10, "huge": 1e999}}', "json").pages[0].text
    assert text == f"long: {digits}\nexact: 0.10\nhuge: 1e999"


def test_a_name_that_occurs_twice_is_kept_twice(extracted: Extract) -> None:
    assert extracted('{"a": 1, "a": 2}', "json").pages[0].text == "a: 1\na: 2"


@pytest.mark.parametrize(
    "source", ['{"n": 1}\n{"n": 2}\n', '\ufeff{\n "n": 1\n}\n{\n "n": 2\n}', '{"n":1}\r\n\r\n{"n":2}']
)
def test_values_on_lines_of_their_own_are_all_read(extracted: Extract, source: str) -> None:
    assert extracted(source, "json").pages[0].text == "n: 1\nn: 2"


def test_a_broken_line_among_good_ones_is_left_out_with_its_place(extracted: Extract) -> None:
    extraction = extracted('{"n": 1}\n{"n": 2}\n{"n": \n{"n": 4}\n{"n": 5, "cut', "json")
    assert extraction.pages[0].text == "n: 1\nn: 2\nn: 4"
    assert len(extraction.warnings) == 2
    assert extraction.warnings[0].startswith("json_line_invalid: line 3 was left out.")
    assert "line 5, column 10" in extraction.warnings[1]


def test_a_thousand_broken_lines_are_counted_and_ten_named(extracted: Extract) -> None:
    extraction = extracted("1\n2\n" + "[broken\n" * 1_000, "json")
    assert len(extraction.warnings) == 11
    assert extraction.warnings[-1] == "json_line_invalid: lines that were left out in all: 1,000"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("", "no JSON value"),
        ("  \n", "no JSON value"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{\n  "a": 1,\n}', r"line [23], column"),  # the comma or the brace, by the version of Python
        ('{"a": 1} {"a": 2}', "line 1, column 10"),
        ('["tab\there"]', "line 1, column 6"),
        ("[1]\n#", "line 2, column 1"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(extracted: Extract, source: str, place: str) -> None:
    with pytest.raises(InvalidJson, match=place) as caught:
        extracted(source, "json")
    assert caught.value.code == "invalid_json"


@pytest.mark.parametrize("depth", [201, 900, 200_000])
def test_json_nested_too_deeply_is_refused(extracted: Extract, depth: int) -> None:
    for source in ("[" * depth + "1" + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        with pytest.raises(JsonTooDeep) as caught:
            extracted(source, "json")
        assert caught.value.code == "json_too_deep"
    assert extracted("[" * 200 + "1" + "]" * 200, "json").has_text


def test_json_in_utf16_is_read_and_lone_surrogates_are_dropped(extracted: Extract) -> None:
    assert extracted('{"ä": "ö"}'.encode("utf-16"), "json").pages[0].text == "ä: ö"
    assert extracted(r'["a\ud800b \ud83d\ude00"]', "json").pages[0].text == "- ab 😀"


def test_empty_values_are_valid_and_have_no_text(extracted: Extract) -> None:
    for source in ("[]", "{}", '""'):
        assert extracted(source, "json").no_text_reason is NoText.EMPTY


def test_json_lines_of_any_size_are_read_and_one_huge_value_is_refused(extracted: Extract) -> None:
    lines = '{"n": 1}\n{"n": 2}\nbroken\n' + '{"n": 3}\n' * 50
    extraction = extracted(lines, "json", max_json_bytes=100)
    assert extraction.pages[0].text.count("n: 3") == 50
    assert extraction.warnings == ("json_line_invalid: lines that are not valid JSON and were left out: 1",)
    for source in ("[" + "1," * 100 + "1]", "[\n" + "1,\n" * 100 + "1]"):
        with pytest.raises(ContentTooLarge):
            extracted(source, "json", max_json_bytes=100)


def test_the_public_suite_is_read_as_it_says(corpus: Path) -> None:
    files = sorted((corpus / "json-suite").glob("*.json"))
    assert files
    codes = {path.name: _code(path) for path in files}
    assert {name: code for name, code in codes.items() if name.startswith("y_") and code} == {}
    assert {name: code for name, code in codes.items() if name.startswith("n_") and code != "invalid_json"} == {}
    assert set(codes.values()) <= {"", "invalid_json", "json_too_deep"}


def _code(path: Path) -> str:
    try:
        extract(path, "json")
    except IngestionError as error:
        return error.code
    return ""
