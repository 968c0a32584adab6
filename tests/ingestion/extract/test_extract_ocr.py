"""Text recognition: off unless it is switched on, asked only for documents without text, and never silent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pypdfium2
import pytest

from ingestion.errors import CorruptFile, ProgramFailed
from ingestion.extract import NoText, PageWriter, extract
from ingestion.limits import Limits
from samples import pdf as pdfs
from samples.pdf import Line, pdf

PROGRAM = "ingestion.extract.ocr.recognise"
SEEN = "text_recognised: the text was recognised in pictures of the pages (OCR), so some of it may be wrong"


def heron(path: Path, out: PageWriter) -> None:
    """A project's own function."""
    assert path.read_bytes().startswith(b"%PDF")
    out.line("a heron, seen")


def blind(path: Path, out: PageWriter) -> None:
    """Sees nothing."""
    out.warn("dark", "nothing to see")


def faulty(path: Path, out: PageWriter) -> None:
    """Fails."""
    raise ValueError("no such thing")


def scan_of(*pages: str, side: tuple[int, int] = (595, 842)) -> bytes:
    """A PDF whose pages are pictures of these lines."""
    drawn = pypdfium2.PdfDocument(pdf("", [[Line(text, size=24)] for text in pages]))
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Title (A scan) >>"]
    for page in drawn:
        bitmap = page.render(scale=2, grayscale=True)
        rows = memoryview(bitmap.buffer).cast("B")
        data = b"".join(rows[at : at + bitmap.width] for at in range(0, bitmap.height * bitmap.stride, bitmap.stride))
        number = len(objects) + 1
        look = b"q %d 0 0 %d 0 0 cm /I Do Q" % side
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Resources << /XObject << /I %d 0 R >> >> "
            b"/Contents %d 0 R >>" % (*side, number + 1, number + 2),
            b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent 8 "
            b"/Length %d >>\nstream\n%s\nendstream" % (bitmap.width, bitmap.height, len(data), data),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(look), look),
        ]
    kids = b" ".join(b"%d 0 R" % (4 + 3 * index) for index in range(len(pages)))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages))
    return pdfs._file(objects)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan"
    path.write_bytes(scan_of("The heron waits.", "An egret flies."))
    return path


def own(function: str) -> Limits:
    return Limits(ocr=f"{__name__}.{function}")


def test_it_is_off_by_default(scan: Path) -> None:
    extraction = extract(scan, "pdf")
    assert (extraction.has_text, extraction.no_text_reason) == (False, NoText.SCAN)


def test_a_projects_function_gives_the_text_and_a_warning_says_how_it_came(scan: Path) -> None:
    extraction = extract(scan, "pdf", own("heron"))
    assert (extraction.pages[0].text, extraction.title, extraction.extractor) == ("a heron, seen", "A scan", "pdf")
    assert extraction.warnings == (SEEN,)


def test_it_is_not_asked_where_there_is_text_or_nothing_to_see_or_another_reader_must_do(
    tmp_path: Path, scan: Path
) -> None:
    for page in ([Line("text")], []):
        path = tmp_path / "other"
        path.write_bytes(pdf("", [page]))
        assert extract(path, "pdf", own("faulty")).no_text_reason in (None, NoText.EMPTY)
    assert not extract(scan, "pdf", own("faulty"), fallback=True).has_text


def test_where_it_sees_nothing_that_is_said(scan: Path) -> None:
    extraction = extract(scan, "pdf", own("blind"))
    assert (extraction.has_text, extraction.no_text_reason) == (False, NoText.NOT_RECOGNISED)
    assert extraction.warnings == ("dark: nothing to see",)


def test_what_it_raises_is_an_error_with_a_code(scan: Path) -> None:
    with pytest.raises(CorruptFile, match="no such thing"):
        extract(scan, "pdf", own("faulty"))


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="the program tesseract is not installed")
def test_the_program_reads_a_scan_page_by_page(scan: Path) -> None:
    extraction = extract(scan, "pdf", Limits(ocr=PROGRAM))
    assert [(page.number, page.text) for page in extraction.pages] == [(1, "The heron waits."), (2, "An egret flies.")]
    assert extraction.warnings == (SEEN,)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of the same name that says what it was called with, and how large the picture is."""
    program = tmp_path / "bin" / "tesseract"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\nhead -n 1 | cut -c 1-12\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return program


def test_the_program_gets_the_languages_and_a_picture_of_each_page(scan: Path, stand_in: Path) -> None:
    extraction = extract(scan, "pdf", Limits(ocr=PROGRAM, ocr_languages="eng+deu"))
    assert extraction.pages[1].text.startswith("stdin stdout -l eng+deu\nP5 2480 3509")


def test_pages_beyond_the_limit_are_left_out_with_a_warning(scan: Path, stand_in: Path) -> None:
    extraction = extract(scan, "pdf", Limits(ocr=PROGRAM, max_ocr_pages=1))
    assert [page.number for page in extraction.pages] == [1]
    assert extraction.page_count == 2
    assert "pages_not_recognised: text was recognised on the first 1 pages (max_ocr_pages)" in extraction.warnings


def test_a_page_as_large_as_a_wall_is_drawn_smaller(tmp_path: Path, stand_in: Path) -> None:
    path = tmp_path / "wall"
    path.write_bytes(scan_of("x", side=(14_000, 7_000)))
    assert "P5 6000 3000" in extract(path, "pdf", Limits(ocr=PROGRAM)).pages[0].text


def test_a_program_that_fails_fails_the_document_with_what_it_said(scan: Path, stand_in: Path) -> None:
    stand_in.write_text("#!/bin/sh\necho no such language >&2\nexit 3\n")
    with pytest.raises(ProgramFailed, match="ended with 3: no such language") as caught:
        extract(scan, "pdf", Limits(ocr=PROGRAM))
    assert caught.value.code == "program_failed"


def test_a_program_that_is_missing_is_named(scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramFailed, match="not installed"):
        extract(scan, "pdf", Limits(ocr=PROGRAM))
