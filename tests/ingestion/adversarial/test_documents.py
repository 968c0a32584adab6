"""Documents that are locked, without text, or built to harm whoever reads them."""

from __future__ import annotations

from typing import Any

import pytest

from ingestion.models import Chunk, Document, IntakeStatus, Outcome
from tests.ingestion.adversarial import pdfs
from tests.ingestion.adversarial.conftest import DOCUMENTS, Door, codes, siblings
from tests.ingestion.extract.making import changed, docx_of, paragraph, xlsx_of
from tests.ingestion.factories import upload

pytestmark = pytest.mark.django_db(transaction=True)

LAUGHS = '<!DOCTYPE lolz [<!ENTITY l0 "lol">{}]>'.format(
    "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


def document(door: Door, name: str) -> dict[str, Any]:
    """A document as the API shows it."""
    pk = Document.objects.get(file__safe_name=name).pk
    shown: dict[str, Any] = door.api.get(f"{DOCUMENTS}/{pk}").json()
    return shown


def test_a_pdf_that_needs_a_password_says_so_and_one_that_only_forbids_is_read(door: Door) -> None:
    text = pdfs.written(b"a rare quokka")
    locked, restricted = pdfs.locked(text, user=b"secret", owner=b"o"), pdfs.locked(text, user=b"", owner=b"secret")
    intake = door.finish(door.accepts(upload("locked.pdf", locked), upload("restricted.pdf", restricted), *siblings()))
    assert (codes(intake)["locked.pdf"], codes(intake)["restricted.pdf"]) == ("password_required", "completed")
    assert [hit["filename"] for hit in door.search("quokka")] == ["restricted.pdf"]


def test_real_pdfs_with_passwords_end_the_same_way(door: Door, corpus: Any) -> None:
    names = [f"encryption_{what}.pdf" for what in ("openpassword", "nocopy", "noprinting", "notextaccess")]
    files = [upload(name, (corpus / "pdf-horrors" / name).read_bytes()) for name in names]
    intake = door.finish(door.accepts(*files, *siblings()))
    assert [codes(intake)[name] for name in names] == ["password_required", "completed", "completed", "completed"]


def test_a_scan_is_completed_without_text_and_says_for_people_and_programs_that_it_needs_ocr(door: Door) -> None:
    intake = door.finish(door.accepts(upload("scan.pdf", pdfs.scan()), upload("blank.txt", b" \n"), *siblings()))
    shown = document(door, "scan.pdf")
    assert (shown["outcome"], shown["text_status"], shown["text_reason"]) == (
        "completed_no_text", "no_text", "needs_ocr",
    )  # fmt: skip
    assert "OCR" in shown["text_note"]
    assert not shown["searchable"]
    assert document(door, "blank.txt")["text_reason"] == "empty"
    assert document(door, "first.txt")["text_reason"] is None
    assert door.api.get(f"/api/v1/intakes/{intake.pk}").json()["files_no_text"] == 2


def test_a_pdf_with_nul_noncharacters_and_half_characters_in_its_text_is_completed_and_clean(door: Door) -> None:
    odd = {1: "0000", 2: "FFFE", 3: "D800", 4: "DC00", 5: "FFFF", 6: "FDD0"}
    text = b"a quo\x02kka\x01 and\x03 a num\x05bat\x04 \x03\x04 end\x06"
    content = pdfs.with_characters(text, odd, "D80000510000FFFEDC00")
    intake = door.finish(door.accepts(upload("odd.pdf", content), *siblings()))
    assert intake.status == IntakeStatus.COMPLETED
    assert [hit["filename"] for hit in door.search("quokka")] == ["odd.pdf"]
    kept = Chunk.objects.get(document__file__safe_name="odd.pdf").text + document(door, "odd.pdf")["title"]
    assert not set(kept) & {"\0", "\ufffe", "\uffff", "\ufdd0"}
    assert not any("\ud800" <= character <= "\udfff" for character in kept)


def _bomb() -> bytes:
    return changed(docx_of(paragraph("a bomb")), {"word/media/zeros.bin": bytes(40_000_000)})


def _text_bomb() -> bytes:
    return docx_of(paragraph("x" * 40_000_000))


BOMBS = {
    "zeros.docx": (_bomb, "ratio_exceeded"),
    "text.docx": (_text_bomb, "ratio_exceeded"),
    "laughs.docx": (lambda: docx_of(paragraph("&l9;"), prolog=LAUGHS), "xml_forbidden_entity"),
    "outside.docx": (lambda: docx_of(paragraph("&x;"), prolog=OUTSIDE), "xml_forbidden_entity"),
    "laughs.xlsx": (lambda: xlsx_of("", prolog=LAUGHS), "xml_forbidden_entity"),
}


def test_office_files_that_are_bombs_fail_alone_and_nothing_outside_is_read(door: Door) -> None:
    bombs = [upload(name, build()) for name, (build, _) in BOMBS.items()]
    intake = door.finish(door.accepts(*bombs, *siblings()))
    found = codes(intake)
    assert {name: found[name] for name in BOMBS} == {name: code for name, (_, code) in BOMBS.items()}
    assert not door.search("root")


def test_a_sheet_with_two_cells_in_opposite_corners_is_read_and_has_two_cells(door: Door) -> None:
    rows = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>quokka</t></is></c></row>'
        '<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>numbat</t></is></c></row>'
    )
    intake = door.finish(door.accepts(upload("sparse.xlsx", xlsx_of(rows)), *siblings()))
    assert intake.status == IntakeStatus.COMPLETED
    text = Chunk.objects.get(document__file__safe_name="sparse.xlsx").text
    assert text.split() == ["Sheet", "quokka", "numbat"]
    assert codes(intake)["sparse.xlsx"] == Outcome.COMPLETED
