"""One file from upload to search."""

from __future__ import annotations

import pytest

from docqueue import outcomes
from docqueue.models import HistoryItem, QueueItem
from ingestion import intakes
from ingestion.errors import ExtractFailed, StorageUnavailable
from ingestion.extract import registry
from ingestion.models import Chunk, Document, IngestFile, IntakeStatus, Outcome, Stage
from ingestion.progress import SMALL_BYTES
from ingestion.services import process_document_content, reprocess_document, search
from tests.ingestion.factories import accept, accept_document, upload

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_uploaded_file_is_stored_and_queued_before_the_call_returns(owner, documents_dir):
    intake = accept(owner, upload("note.txt", "The heron waits."))
    file = intake.files.get()
    assert (file.stage, file.outcome, file.percent) == (Stage.PENDING, "", 0)
    assert file.item_id is not None
    assert (documents_dir / file.blob.storage_key).read_text() == "The heron waits."
    assert intake.status == IntakeStatus.PENDING


def test_a_file_ends_completed_and_its_words_are_found(owner, worker):
    document = accept_document(owner, "A heron stands in shallow water.", "heron.txt")
    worker.run()
    file = IngestFile.objects.get(document=document)
    assert (file.stage, file.outcome, file.percent) == (Stage.COMPLETED, Outcome.COMPLETED, 100)
    assert file.intake.status == IntakeStatus.COMPLETED
    assert file.intake.finished_at is not None
    (hit,) = search(owner.pk, "herons").hits
    assert hit.document_id == document.pk
    assert "<mark>heron</mark>" in hit.snippet


def test_a_file_goes_through_its_stages_in_order(owner, worker):
    accept_document(owner, "a heron\n" * SMALL_BYTES)
    worker.run()
    stages = list(dict.fromkeys(stage for _, stage in worker.said))
    assert stages == [Stage.UPLOADING, Stage.INDEXING]
    percents = [percent for percent, _ in worker.said]
    assert percents == sorted(percents)


def test_a_small_file_that_is_quickly_done_says_nothing_on_its_way(owner, worker):
    accept_document(owner)
    worker.run()
    assert worker.said == []
    assert IngestFile.objects.get().percent == 100


def test_a_cancel_is_seen_between_the_pages_and_is_no_fault_of_the_file(owner, worker, monkeypatch):
    document = accept_document(owner, "a heron\n" * SMALL_BYTES)
    asked = []

    def cancel_requested(item):
        asked.append(item)
        return len(asked) > 3  # after the stages were told

    monkeypatch.setattr(worker, "cancel_requested", cancel_requested)
    outcome = worker.run_claimed(worker.claim())
    document.refresh_from_db()
    assert isinstance(outcome, outcomes.GivenUp)
    assert (document.file.outcome, document.chunk_count) == (Outcome.CANCELLED, 0)


def test_the_completed_item_keeps_the_result_of_the_work(owner, worker):
    document = accept_document(owner, "twelve words of text")
    worker.run()
    result = HistoryItem.objects.get(document_id=str(document.pk)).result
    assert result == {"outcome": "completed", "pages": 1, "chunks": 1, "characters": 20}


def test_a_file_without_text_is_completed_and_says_why_it_can_not_be_found(owner, worker):
    document = accept_document(owner, b"   \n \n", "blank.txt")
    worker.run()
    document.refresh_from_db()
    assert document.file.outcome == Outcome.COMPLETED_NO_TEXT
    assert document.text_note
    assert not document.searchable


def test_a_file_of_an_unsupported_type_fails_with_code_and_hint_and_its_item_is_dead_at_once(owner, worker):
    document = accept_document(owner, b"MZ" + b"\0" * 200, "setup.exe")
    assert worker.run() == 1
    file = IngestFile.objects.get(document=document)
    assert (file.outcome, file.stage, file.error_code) == (Outcome.FAILED, Stage.INDEX_FAILED, "unsupported_type")
    assert file.hint
    assert worker.service.get_item(file.item_id).status == "dead"
    assert file.intake.status == IntakeStatus.FAILED


@pytest.mark.parametrize("quoted", ["\0", "\ud800", "\x1b[31m", "x" * 5_000])
def test_a_parser_may_quote_anything_in_its_error_and_the_file_still_ends(owner, worker, monkeypatch, quoted):
    def read(path, out):
        raise ValueError(f"not a word: {quoted}")

    usual = registry.extractor_for("text")
    monkeypatch.setattr("ingestion.extract.text.EXTRACTOR", type(usual)(name="text", version=1, read=read))
    document = accept_document(owner)
    worker.run()
    file = IngestFile.objects.get(document=document)
    assert (file.outcome, file.error_code) == (Outcome.FAILED, "corrupt_file")
    assert "not a word" in file.error_message


def test_one_bad_file_among_many_fails_alone(owner, worker):
    intake = accept(owner, upload("a.txt", "alpha"), upload("b.exe", b"MZ" + b"\0" * 200), upload("c.txt", "gamma"))
    worker.run()
    outcomes = list(intake.files.order_by("ordinal").values_list("outcome", flat=True))
    assert outcomes == ["completed", "failed", "completed"]
    intake.refresh_from_db()
    assert intake.status == IntakeStatus.COMPLETED_WITH_ERRORS
    assert intake.counts["failed"] == 1


def test_a_fault_that_may_pass_is_retried_and_then_completes(owner, worker, monkeypatch):
    document = accept_document(owner)
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.km.local.LocalKM.put", _raise(StorageUnavailable("away")))
        worker.run()
    file = IngestFile.objects.get(document=document)
    assert (file.outcome, worker.service.get_item(file.item_id).status) == ("", "waiting")
    worker.run_retries()
    file.refresh_from_db()
    assert file.outcome == Outcome.COMPLETED


def test_a_fault_that_does_not_pass_ends_the_file_on_the_last_attempt(owner, worker, monkeypatch):
    document = accept_document(owner)
    monkeypatch.setattr("ingestion.km.local.LocalKM.put", _raise(StorageUnavailable("away")))
    worker.run()
    for _ in range(4):
        worker.run_retries()
    file = IngestFile.objects.get(document=document)
    assert (file.outcome, file.stage, file.error_code) == ("failed", Stage.UPLOAD_FAILED, "storage_unavailable")
    assert file.intake.finished_at is not None


def test_a_file_that_takes_too_much_memory_gets_one_more_try_and_then_fails(owner, worker, monkeypatch):
    document = accept_document(owner)
    monkeypatch.setattr("ingestion.pipeline.extract", _raise(MemoryError()))
    assert (worker.run(), IngestFile.objects.get(document=document).outcome) == (1, "")
    assert worker.run_retries() == 1
    file = IngestFile.objects.get(document=document)
    assert (file.outcome, file.error_code) == (Outcome.FAILED, "out_of_memory")
    assert file.hint


def test_nothing_is_written_when_the_work_fails_on_the_way(owner, monkeypatch):
    document = accept_document(owner)
    monkeypatch.setattr("ingestion.pipeline.extract", _raise(ExtractFailed("no")))
    with pytest.raises(ExtractFailed):
        process_document_content(document)
    document.refresh_from_db()
    assert document.receipt_sha256 is None
    assert not Chunk.objects.filter(document=document).exists()


def test_the_one_function_works_without_a_queue_item(owner):
    document = accept_document(owner, "called by hand")
    result = process_document_content(document)
    assert (result.outcome, result.chunks) == ("completed", 1)
    assert Document.objects.get(pk=document.pk).searchable


def test_a_stale_run_whose_item_was_taken_over_changes_nothing(owner, worker):
    document = accept_document(owner, "only once")
    stale = worker.claim()
    worker.service.release(stale)
    worker.run()
    before = Document.objects.values().get(pk=document.pk)
    worker.run_claimed(stale)
    assert Document.objects.values().get(pk=document.pk) == before
    assert Chunk.objects.filter(document=document).count() == 1
    assert IngestFile.objects.get(document=document).outcome == Outcome.COMPLETED


def test_an_empty_file_among_others_fails_alone_as_empty(owner, worker):
    intake = accept(owner, upload("a.txt", "alpha"), upload("b.txt", ""))
    worker.run()
    empty = intake.files.get(ordinal=1)
    assert (empty.outcome, empty.error_code, empty.stage) == (Outcome.FAILED, "empty_file", Stage.UPLOAD_FAILED)
    assert intake.files.get(ordinal=0).outcome == Outcome.COMPLETED


def test_bytes_that_are_no_known_type_fail_as_unknown(owner, worker):
    document = accept_document(owner, bytes(range(256)) * 4, "mystery.bin")
    worker.run()
    assert IngestFile.objects.get(document=document).error_code == "unknown_format"


def test_a_file_is_read_by_its_content_and_a_wrong_name_is_noted(owner, worker):
    document = accept_document(owner, "<!doctype html><html><body><p>heron</p></body></html>", "page.pdf")
    worker.run()
    document.refresh_from_db()
    assert document.content_type == "text/html"
    assert document.warnings[0].startswith("type_mismatch: ")
    assert document.searchable


def _raise(error):
    def fail(*args, **kwargs):
        raise error

    return fail


def test_a_large_file_has_time_to_travel_also_when_it_is_processed_anew(owner, worker, monkeypatch):
    monkeypatch.setattr(intakes, "LARGE_BYTES", 4 * intakes.SLOW_BYTES_A_SECOND)
    small, large = accept_document(owner, "small"), accept_document(owner, "large " * 2_000_000)  # 12 MB
    times = dict(QueueItem.objects.values_list("document_id", "timeout_seconds"))
    assert times == {str(small.pk): 300, str(large.pk): 304}
    worker.run()
    reprocess_document(large)
    assert QueueItem.objects.get().timeout_seconds == 304


def test_two_gib_have_more_than_twenty_minutes():
    assert intakes.seconds_for(2 * 1024**3) == 300 + 1024
    assert intakes.seconds_for(intakes.LARGE_BYTES) is None
