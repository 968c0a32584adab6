"""Files that are not what their names say: read with a warning, or failed with the name of what they are."""

from __future__ import annotations

import struct

import pytest

from ingestion.errors import TypeMismatch
from ingestion.models import IngestFile, Intake, Outcome, Stage
from samples.office import docx
from tests.ingestion.factories import accept, accept_document, accept_zip, upload

pytestmark = pytest.mark.django_db(transaction=True)

EXE = b"MZ" + bytes(58) + struct.pack("<L", 64) + b"PE\x00\x00" + bytes(200)
PAGE = "<!doctype html><html><body><p>404 heron not found</p></body></html>"


@pytest.fixture
def strict(settings):
    settings.INGESTION = {**settings.INGESTION, "ON_TYPE_MISMATCH": "fail_file"}


def test_what_can_be_read_under_another_name_is_read_with_a_warning(owner, worker):
    document = accept_document(owner, PAGE, "page.pdf")
    worker.run()
    document.refresh_from_db()
    assert document.searchable
    assert document.warnings == ["type_mismatch: the name promises another type than the content, which is html"]


def test_by_policy_it_fails_and_is_told_what_it_is(owner, worker, strict):
    document = accept_document(owner, PAGE, "page.pdf")
    worker.run()
    file = IngestFile.objects.get(document=document)
    assert (file.outcome, file.error_code, file.stage) == (Outcome.FAILED, "type_mismatch", Stage.INDEX_FAILED)
    assert ".pdf" in file.error_message
    assert "text/html" in file.hint


def test_by_policy_a_true_name_passes_and_one_that_says_nothing_too(owner, worker, strict):
    intake = accept(owner, upload("page.html", PAGE), upload("page", PAGE + "1"), upload("a.txt", PAGE + "2"))
    worker.run()
    assert set(intake.files.values_list("outcome", flat=True)) == {Outcome.COMPLETED}


def test_what_can_not_be_read_under_another_name_fails_as_a_mismatch_with_any_policy(owner, worker):
    intake = accept(owner, upload("offer.pdf", EXE), upload("tool.exe", EXE + b"1"), upload("tool", EXE + b"2"))
    worker.run()
    codes = intake.files.order_by("ordinal").values_list("error_code", flat=True)
    assert list(codes) == ["type_mismatch", "unsupported_type", "unsupported_type"]
    assert "portable-executable" in intake.files.get(ordinal=0).hint


def test_an_ending_that_means_anything_claims_nothing(owner, worker, strict):
    intake = accept(owner, upload("data.dat", "The heron waits."), upload("data.bin", PAGE))
    worker.run()
    assert set(intake.files.values_list("outcome", flat=True)) == {Outcome.COMPLETED}


def test_bytes_of_no_known_type_are_unknown_under_any_name(owner, worker):
    document = accept_document(owner, bytes(range(256)) * 4, "offer.pdf")
    worker.run()
    assert IngestFile.objects.get(document=document).error_code == "unknown_format"


@pytest.mark.parametrize("content", [PAGE, "Not found", '{"error": 404}', EXE])
def test_what_is_named_like_a_zip_and_is_none_is_refused_at_the_door(owner, content):
    with pytest.raises(TypeMismatch) as caught:
        accept(owner, upload("papers.zip", content))
    assert caught.value.hint
    assert not Intake.objects.exists()


def test_a_document_that_is_named_like_a_zip_is_taken_for_what_it_is(owner, worker):
    document = accept_document(owner, docx("A title", ["The heron waits."]), "papers.zip")
    worker.run()
    document.refresh_from_db()
    assert (document.type, document.searchable) == ("docx", True)


def test_an_error_page_named_like_a_zip_inside_an_archive_fails_alone(owner, worker):
    intake = accept_zip(owner, {"inner.zip": PAGE, "a.txt": "alpha"})
    worker.run()
    ends = intake.files.order_by("ordinal").values_list("safe_name", "outcome", "error_code")
    assert list(ends) == [("inner.zip", "failed", "type_mismatch"), ("a.txt", "completed", "")]
