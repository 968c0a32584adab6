"""What every extraction keeps to: clean text, bounds, an honest word on missing text, errors with a code."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.errors import CorruptFile, PasswordRequired, UnsupportedFile
from ingestion.extract import (
    Extractor,
    NoText,
    PageWriter,
    TextStatus,
    clean_text,
    extract,
    extractor_for,
    preload,
    registry,
    supported_types,
)
from ingestion.extract.clean import clean_line, clean_page
from ingestion.limits import Limits
from ingestion.sniff import sniff


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("a\x00b", "ab"),
        ("a\ufffeb\uffffc\ufdd0d", "abcd"),
        ("a\U0001fffeb\U0010ffffc😀", "abc😀"),
        ("lone \ud800 high, \udfff low", "lone  high,  low"),
        ("soft\u00adhyphen, mark\ufeff", "softhyphen, mark"),
        ("bell\x07 escape\x1b[0m delete\x7f", "bell escape[0m delete"),
        ("one\r\ntwo\rthree\x0bfour\x0cfive", "one\ntwo\nthree\nfour\nfive"),
        ("ä\x85next\u2028line\u2029paragraph", "ä\nnext\nline\nparagraph"),
        ("cafe\u0301", "café"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("tab\tand\nnewline", "tab\tand\nnewline"),
    ],
)
def test_clean_text_drops_what_can_not_be_stored_and_nothing_that_can_be_read(dirty: str, clean: str) -> None:
    assert clean_text(dirty) == clean


def test_no_character_at_all_gets_through_cleaning_that_postgresql_or_utf8_refuses() -> None:
    everything = clean_text("".join(map(chr, range(0x110000))))
    assert "\x00" not in everything
    assert everything.encode()
    assert not any(ord(each) & 0xFFFE == 0xFFFE for each in everything)


def test_a_page_has_no_blanks_at_line_ends_and_one_blank_line_in_a_row() -> None:
    assert clean_page("\n\n a  \n\t\n\n\nb\u3000\nc") == "a\n\nb\nc"
    assert clean_line("  a\n\tb ") == "a b"


def test_cleaning_a_line_of_a_million_blanks_takes_no_longer_than_one_of_letters() -> None:
    assert clean_page(" " * 1_000_000 + "x" + " " * 1_000_000) == "x"


SUPPORTED = [
    *("pdf", "docx", "xlsx", "pptx", "odt", "ods", "odp", "epub"),
    *("csv", "html", "markdown", "text", "json", "eml", "rtf", "xml", "xls", "doc"),
]


def test_the_supported_types_have_an_extractor_each() -> None:
    assert list(supported_types()) == SUPPORTED
    preload()
    names = [extractor_for(each).name for each in supported_types()]
    assert names == list(supported_types())


def test_a_type_without_an_extractor_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFile, match="'png'") as caught:
        extract(tmp_path / "never-read", "png")
    assert caught.value.code == "unsupported_type"


def test_an_office_file_with_a_password_is_said_to_need_it(tmp_path: Path) -> None:
    with pytest.raises(PasswordRequired):
        extract(tmp_path / "never-read", "encrypted_office")


def test_the_answer_of_the_sniffer_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("Just a few words of prose.")
    extraction = extract(path, sniff(path))
    assert (extraction.extractor, extraction.version, extraction.text_status) == ("text", 1, TextStatus.OK)


class PanicException(BaseException):
    """Named as PyO3 names a panic of Rust code."""


@pytest.mark.parametrize("error", [ValueError("bad\nbyte"), RecursionError(), PanicException("index out of bounds")])
def test_whatever_a_parser_raises_is_the_files_fault_with_the_cause_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    with pytest.raises(CorruptFile) as caught:
        _extract_raising(tmp_path, monkeypatch, error)
    assert caught.value.code == "corrupt_file"
    assert caught.value.__cause__ is error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [MemoryError(), FileNotFoundError("gone"), KeyboardInterrupt(), PasswordRequired()])
def test_what_is_not_the_parsers_word_on_the_file_goes_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    with pytest.raises(type(error)) as caught:
        _extract_raising(tmp_path, monkeypatch, error)
    assert caught.value is error


def _extract_raising(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def read(path: Path, out: PageWriter) -> None:
        raise error

    broken = Extractor(name="broken", version=1, read=read)
    monkeypatch.setattr(registry, "extractor_for", lambda detected_type: broken)
    extract(tmp_path / "x", "broken")


@pytest.mark.parametrize("kind", SUPPORTED)
def test_a_file_that_is_not_there_is_the_storages_fault(tmp_path: Path, kind: str) -> None:
    with pytest.raises(FileNotFoundError):
        extract(tmp_path / "missing", kind)


def test_text_beyond_the_limit_is_cut_with_a_warning() -> None:
    out = PageWriter(Limits(max_text_characters=10))
    out.line("12345")
    assert not out.full
    out.line("67890")
    out.line("lost")
    extraction = out.finish("x", 1)
    assert out.full
    assert extraction.pages[0].text == "12345\n6789"
    assert extraction.warnings == ("text_truncated: the text was cut after 10 characters (limit max_text_characters)",)


def test_pages_beyond_the_limit_are_left_out_with_a_warning() -> None:
    out = PageWriter(Limits(max_pages=2))
    for word in ("one", "two", "three"):
        out.line(word)
        out.end_page()
    extraction = out.finish("x", 1)
    assert [page.text for page in extraction.pages] == ["one", "two"]
    assert out.full
    assert extraction.warnings == ("pages_truncated: only the first 2 pages were read (limit max_pages)",)


def test_pages_keep_their_numbers_when_one_between_them_is_empty() -> None:
    out = PageWriter(Limits())
    for word in ("one", " \x00", "three"):
        out.line(word)
        out.end_page()
    extraction = out.finish("x", 1)
    assert [(page.number, page.text) for page in extraction.pages] == [(1, "one"), (3, "three")]
    assert (extraction.page_count, extraction.text_length, extraction.has_text) == (3, 8, True)


def test_a_document_without_text_is_never_ok_and_says_why() -> None:
    out = PageWriter(Limits())
    out.line("\ufffe \x00")
    extraction = out.finish("x", 1)
    assert not extraction.has_text
    assert (extraction.text_status, extraction.no_text_reason) == ("no_text", NoText.EMPTY)
    assert all(reason.sentence.endswith(".") for reason in NoText)
    assert extraction.page_count == 1


def test_the_first_title_stays_and_a_blank_one_does_not_count() -> None:
    out = PageWriter(Limits())
    for title in (None, " \n", "The\nfirst\x00 one", "The second"):
        out.title(title)
    assert out.finish("x", 1).title == "The first one"


def test_warnings_are_bounded_and_not_repeated() -> None:
    out = PageWriter(Limits())
    for number in range(200):
        out.warn("code", "the same")
        out.warn("code", f"{number} " + "x" * 5000)
    warnings = out.finish("x", 1).warnings
    assert len(warnings) == 50
    assert warnings.count("code: the same") == 1
    assert max(map(len, warnings)) <= 1000
