"""Files that are empty or something else than their names say."""

from __future__ import annotations

import pytest

from ingestion.models import IntakeStatus, Outcome
from samples.pdf import Line, pdf
from tests.ingestion import hostile_zips as zips
from tests.ingestion.adversarial.conftest import DOCUMENTS, Door, among_siblings, codes, siblings
from tests.ingestion.factories import upload

pytestmark = pytest.mark.django_db(transaction=True)

PROGRAM = b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0" + bytes(400)
PDF = pdf("On quokkas", [[Line("a rare quokka")]])


def test_an_empty_file_fails_alone_among_others_and_is_refused_when_it_is_all(door: Door) -> None:
    intake = door.finish(door.accepts(siblings()[0], upload("empty.pdf", b""), *siblings()[1:]))
    assert codes(intake)["empty.pdf"] == "empty_file"
    assert intake.status == IntakeStatus.COMPLETED_WITH_ERRORS
    assert door.refuses(upload("empty.pdf", b""))["code"] == "empty_file"


def test_an_empty_file_in_an_archive_fails_alone(door: Door) -> None:
    entries = [zips.entry("empty.txt", b""), zips.entry("empty too.txt", b"", method=zips.STORED)]
    intake = door.finish(door.accepts(upload("papers.zip", among_siblings(*entries))))
    assert (codes(intake)["empty.txt"], codes(intake)["empty too.txt"]) == ("empty_file", "empty_file")


@pytest.mark.parametrize("packed", [False, True], ids=["as a file", "in an archive"])
def test_a_program_named_pdf_is_a_type_mismatch(door: Door, packed: bool) -> None:
    if packed:
        files = [upload("papers.zip", among_siblings(zips.entry("offer.pdf", PROGRAM)))]
    else:
        files = [upload("offer.pdf", PROGRAM), *siblings()]
    assert codes(door.finish(door.accepts(*files)))["offer.pdf"] == "type_mismatch"


def test_a_program_is_never_taken_for_a_document(door: Door) -> None:
    intake = door.finish(door.accepts(upload("offer.pdf", PROGRAM), upload("setup.exe", PROGRAM), *siblings()))
    assert codes(intake)["setup.exe"] == "unsupported_type"
    assert intake.files.get(source_path="offer.pdf").outcome == Outcome.FAILED


def test_a_pdf_named_txt_is_read_as_what_it_is_with_a_warning(door: Door) -> None:
    intake = door.finish(door.accepts(upload("notes.txt", PDF), *siblings()))
    assert intake.status == IntakeStatus.COMPLETED
    (hit,) = door.search("quokka")
    shown = door.api.get(f"{DOCUMENTS}/{hit['document_id']}").json()
    assert (shown["type"], shown["filename"]) == ("pdf", "notes.txt")
    assert shown["warnings"][0].startswith("type_mismatch: ")
