"""The other way to read a format, for files on which the usual reader crashes, hangs or takes all memory."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ingestion.errors import CorruptFile, IngestionError, PasswordRequired
from ingestion.extract import Extraction, NoText, extract, pdf, xlsx
from ingestion.limits import Limits
from samples import office
from samples.pdf import Line
from samples.pdf import pdf as pdf_of
from tests.ingestion.extract.test_extract_damaged import damaged

WARNING = "fallback_reader: the usual reader of {} failed, so another one took the text"
BOOK = office.xlsx("Birds", {"First": [["heron", 1, 2.5], [None, "egret"]], "Second": [["ibis"]]})


def fallback(path: Path, data: bytes, kind: str, **limits: int) -> Extraction:
    path.write_bytes(data)
    return extract(path, kind, Limits(**limits), fallback=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "document"


def _never(*args: object) -> None:
    raise AssertionError("the usual reader was used")


def test_a_pdf_has_the_same_text_without_pdfium(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf.pypdfium2, "PdfDocument", _never)
    found = fallback(path, pdf_of("On domes", [[Line("first")], [], [Line("third, für alle")]]), "pdf")
    assert [(page.number, page.text) for page in found.pages] == [(1, "first"), (3, "third, für alle")]
    assert (found.title, found.page_count, found.extractor) == ("On domes", 3, "pdf")
    assert found.warnings == (WARNING.format("pdf"),)


def test_a_workbook_has_the_same_text_without_calamine(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(BOOK)
    usual = extract(path, "xlsx")
    monkeypatch.setattr(xlsx.python_calamine.CalamineWorkbook, "from_path", _never, raising=False)
    found = fallback(path, BOOK, "xlsx")
    assert (found.pages, found.title) == (usual.pages, usual.title)
    assert found.warnings == (WARNING.format("xlsx"),)


def test_a_format_with_one_reader_is_read_by_it_without_a_warning(path: Path) -> None:
    found = fallback(path, b"The heron waits.", "text")
    assert (found.pages[0].text, found.warnings) == ("The heron waits.", ())


def test_the_usual_reader_is_used_unless_the_fallback_is_asked_for(path: Path) -> None:
    path.write_bytes(BOOK)
    assert extract(path, "xlsx").warnings == ()


def test_the_fallback_keeps_to_the_limits(path: Path) -> None:
    document = pdf_of("", [[Line(f"page {number}")] for number in range(1, 8)])
    assert [page.text for page in fallback(path, document, "pdf", max_pages=2).pages] == ["page 1", "page 2"]
    assert fallback(path, document, "pdf", max_text_characters=8).text_length <= 8


def test_pages_without_text_say_why_here_too(path: Path) -> None:
    assert fallback(path, pdf_of("", [[]]), "pdf").no_text_reason is NoText.EMPTY


def test_a_password_is_asked_for(corpus: Path) -> None:
    with pytest.raises(PasswordRequired):
        extract(corpus / "pdf-horrors/encryption_openpassword.pdf", "pdf", fallback=True)


def test_what_a_password_only_forbids_is_read_as_by_the_usual_reader(corpus: Path) -> None:
    name = corpus / "pdf-horrors/encryption_notextaccess.pdf"
    both = [extract(name, "pdf", fallback=each).pages[0].text.split() for each in (False, True)]
    assert both[0] == both[1]
    assert both[0]


def test_real_pdfs_have_the_same_words(corpus: Path) -> None:
    name = corpus / "pdf-horrors/text_only_pdfa1b.pdf"
    both = [" ".join(extract(name, "pdf", fallback=each).pages[0].text.split()) for each in (False, True)]
    assert both[0] == both[1]
    assert "It only contains some text." in both[1]


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"\x00" * 5000])
def test_what_is_no_pdf_is_corrupt(path: Path, data: bytes) -> None:
    with pytest.raises(CorruptFile):
        fallback(path, data, "pdf")


def test_damage_ends_with_text_or_an_error_of_ingestion(path: Path, corpus: Path) -> None:
    chance = random.Random("pdf slowly")
    files = [each.read_bytes() for each in sorted((corpus / "tika").glob("*.pdf")) if each.stat().st_size < 30_000]
    ends = {"text": 0, "refused": 0}
    for _ in range(60):
        try:
            ends["text"] += fallback(path, damaged(chance.choice(files), chance), "pdf").has_text
        except IngestionError:
            ends["refused"] += 1
    assert all(ends.values())
