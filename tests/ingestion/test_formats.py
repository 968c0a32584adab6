"""Formats that a project adds: known by their content, read by their own reader, and looked through by a check."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.core import checks

from ingestion import formats
from ingestion.archives import plan_archive
from ingestion.extract import Extractor, Format, PageWriter, extract, is_readable, set_formats, supported_types
from ingestion.limits import Limits
from ingestion.sniff import is_text, sniff
from ingestion.unsupported import unsupported
from tests.ingestion.factories import zipped

pytestmark = pytest.mark.django_db  # Django 6.1 runs the checks with all databases


def read(path: Path, out: PageWriter) -> None:
    out.line(path.read_bytes()[4:].decode())


READER = Extractor(name="note", version=3, read=read)
NOTE = Format(
    type="note",
    mime="application/x-note",
    suffixes=(".NOTE", "nt"),
    matches=lambda head: head.startswith(b"NOTE"),
    extractor=READER,
)
SLIDES = Format(type="ppt", extractor=READER)
BROKEN = replace(NOTE, type="broken", matches=lambda head: 1 / 0)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """The formats of the settings, after each test."""
    yield
    formats.install()


def of(data: bytes, name: str = "") -> str:
    return sniff(io.BytesIO(data), name).type


def test_an_added_format_is_known_by_its_content_and_read_by_its_reader(tmp_path: Path) -> None:
    set_formats([NOTE])
    path = tmp_path / "x.note"
    path.write_bytes(b"NOTEThe heron waits.")
    detected = sniff(path)
    assert (detected.type, detected.mime, detected.mismatch) == ("note", "application/x-note", False)
    extraction = extract(path, detected)
    assert (extraction.pages[0].text, extraction.extractor, extraction.version) == ("The heron waits.", "note", 3)
    assert "note" in supported_types()
    assert not is_text(path)


def test_only_its_own_endings_are_true_names_of_it() -> None:
    set_formats([NOTE])
    found = [sniff(io.BytesIO(b"NOTE"), name).mismatch for name in ("a.note", "a.NT", "a", "a.unheard", "a.pdf")]
    assert found == [False, False, False, False, True]
    assert sniff(io.BytesIO(b"%PDF-1.4\n1 0 obj"), "a.note").mismatch


def test_signatures_known_here_come_before_an_added_one_unless_it_says_first() -> None:
    late = replace(NOTE, matches=lambda head: True)
    set_formats([late])
    assert (of(b"%PDF-1.4\n"), of(b"PK\x03\x04"), of(b"plain words")) == ("pdf", "zip", "note")
    set_formats([replace(late, first=True)])
    assert (of(b"%PDF-1.4\n"), of(b"PK\x03\x04"), of(b"")) == ("note", "note", "empty")


def test_a_type_that_is_only_recognised_here_needs_no_more_than_a_reader(tmp_path: Path) -> None:
    assert not is_readable("ppt")
    set_formats([SLIDES])
    path = tmp_path / "x"
    path.write_bytes(b"1234words")
    assert extract(path, "ppt").pages[0].text == "words"
    assert sniff(io.BytesIO(b"NOTE"), "a.pps").mismatch


def test_an_added_format_is_none_of_an_archives_unsupported_ones() -> None:
    content = io.BytesIO(zipped({"a.note": b"NOTE\x00\x01", "b.bin": b"\x7fELF\x00\x01"}))
    plan = plan_archive(content)
    set_formats([NOTE])
    assert unsupported(content, plan, Limits()) == {1: "elf"}


def test_a_format_that_is_not_in_the_settings_any_more_is_forgotten() -> None:
    set_formats([NOTE])
    set_formats([])
    assert of(b"NOTE") == "text"
    assert "note" not in supported_types()


def test_a_function_that_fails_is_logged_and_the_file_is_what_it_would_be_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    set_formats([BROKEN, NOTE])
    with caplog.at_level(logging.ERROR):
        assert of(b"NOTE") == "note"
        assert of(b"words") == "text"
    assert "'broken' failed" in caplog.text


def test_the_setting_names_formats_by_their_paths(settings) -> None:
    settings.INGESTION = {**settings.INGESTION, "FORMATS": [f"{__name__}.NOTE", f"{__name__}.SLIDES"]}
    formats.install()
    assert {"note", "ppt"} <= set(supported_types())
    assert formats.load(settings.INGESTION["FORMATS"])[1] == []


BOTH = (NOTE, SLIDES)


def test_a_path_may_lead_to_several_formats(settings) -> None:
    settings.INGESTION = {**settings.INGESTION, "FORMATS": [f"{__name__}.BOTH"]}
    formats.install()
    assert {"note", "ppt"} <= set(supported_types())


NEEDY = replace(SLIDES, extractor=replace(READER, program="docqueue-no-such-program"))


def test_a_program_that_a_format_needs_and_is_not_there_is_told_by_the_check(settings) -> None:
    settings.INGESTION = {**settings.INGESTION, "FORMATS": [f"{__name__}.NEEDY"]}
    (problem,) = _problems()
    assert (problem.id, "docqueue-no-such-program" in problem.msg) == ("ingestion.W001", True)


NO_FORMAT = READER
DOUBLE = replace(NOTE, type="pdf")
LOCKED = replace(NOTE, type="encrypted_office")
NAMELESS = replace(NOTE, type="A b")
LONG = replace(NOTE, type="x" * 33)
UNTOLD = replace(NOTE, matches=None)
NO_MIME = replace(NOTE, mime="note")
NO_READER = replace(NOTE, extractor=read)  # type: ignore[arg-type]
ONE_SUFFIX = replace(NOTE, suffixes=".note")  # type: ignore[arg-type]
NOT_CALLED = replace(NOTE, matches=b"NOTE")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ABSENT", "can not be loaded"),
        ("NO_FORMAT", "is no Format but of the type Extractor"),
        ("DOUBLE", "'pdf', which has a reader already"),
        ("LOCKED", "which has a reader already"),
        ("NAMELESS", "has the type 'A b'"),
        ("LONG", "has the type"),
        ("UNTOLD", "can not be told from other files"),
        ("NO_MIME", "media type 'note'"),
        ("NO_READER", "has no extractor"),
        ("ONE_SUFFIX", "suffixes"),
        ("NOT_CALLED", "can not be called"),
    ],
)
def test_a_wrong_format_is_told_by_the_check_and_left_out(settings, name: str, told: str) -> None:
    settings.INGESTION = {**settings.INGESTION, "FORMATS": [f"{__name__}.{name}", f"{__name__}.SLIDES"]}
    formats.install()
    assert "ppt" in supported_types()
    assert "note" not in supported_types()
    (problem,) = _problems()
    assert problem.id == "ingestion.E002"
    assert f"{__name__}.{name}" in problem.msg
    assert told in problem.msg
    assert problem.hint


def test_two_formats_of_one_type_are_one_too_many(settings) -> None:
    settings.INGESTION = {**settings.INGESTION, "FORMATS": [f"{__name__}.NOTE"] * 2}
    assert "which has a reader already" in _problems()[0].msg


def test_a_module_that_fails_while_it_is_loaded_is_named_with_its_error(settings, tmp_path, monkeypatch) -> None:
    (tmp_path / "faulty_formats.py").write_text("raise ValueError('no such thing')")
    monkeypatch.syspath_prepend(tmp_path)
    settings.INGESTION = {**settings.INGESTION, "FORMATS": ["faulty_formats.X"]}
    formats.install()
    assert "ValueError: no such thing" in _problems()[0].msg


def test_a_wrong_setting_is_told_by_the_check_and_stops_no_start(settings) -> None:
    settings.INGESTION = {**settings.INGESTION, "MAX_ENTRYS": 7}
    formats.install()
    (problem,) = _problems()
    assert (problem.id, "MAX_ENTRIES" in problem.msg) == ("ingestion.E001", True)


def test_text_recognition_that_can_not_work_is_told_by_the_check(settings, monkeypatch, tmp_path) -> None:
    assert _problems() == []
    settings.INGESTION = {**settings.INGESTION, "OCR": "nowhere.recognise"}
    assert [problem.id for problem in _problems()] == ["ingestion.E003"]
    settings.INGESTION = {**settings.INGESTION, "OCR": "ingestion.extract.ocr.recognise"}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [problem.id for problem in _problems()] == ["ingestion.W001"]
    (tmp_path / "tesseract").touch(mode=0o755)
    assert _problems() == []


def _problems() -> list[checks.CheckMessage]:
    return checks.run_checks(tags=["ingestion"])
