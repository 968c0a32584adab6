"""A zip from upload to searchable documents, through restarts and with bad entries."""

from __future__ import annotations

import pytest

from docqueue.models import QueueItem
from ingestion import storage, unpack
from ingestion.models import Blob, IngestFile, Intake, IntakeKind, IntakeStatus, Outcome, Stage
from ingestion.services import search
from tests.ingestion.factories import accept_zip, upload, zipped
from tests.ingestion.running import finish_dead

pytestmark = pytest.mark.django_db(transaction=True)

PAPERS = {f"folder/paper{n}.txt": f"paper number {n} mentions walrus{n}" for n in range(5)}


def test_a_zip_is_accepted_as_one_item_and_its_files_are_known_at_once(owner):
    intake = accept_zip(owner, PAPERS)
    assert (intake.kind, intake.planned_files, intake.unpacked_at) == (IntakeKind.ZIP, 5, None)
    assert list(QueueItem.objects.values_list("operation", flat=True)) == ["intake.unpack"]


def test_each_file_of_a_zip_becomes_a_document_that_search_finds(owner, worker):
    intake = accept_zip(owner, PAPERS)
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"]) == (IntakeStatus.COMPLETED, 5)
    assert [hit.title for hit in search(owner.pk, "walrus3").hits] == ["paper3.txt"]
    assert intake.files.get(ordinal=3).source_path == "folder/paper3.txt"


def test_system_files_are_skipped_and_counted(owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha", "__MACOSX/._a.txt": b"\0", ".DS_Store": b"\0"})
    worker.run()
    intake.refresh_from_db()
    assert (intake.counts["skipped"], intake.counts["completed"], intake.status) == (2, 1, "completed")


def test_a_damaged_entry_fails_alone_with_its_code(owner, worker):
    content = bytearray(zipped({"good.txt": "alpha " * 50, "bad.txt": "beta " * 50}))
    at = content.index(b"bad.txt") + len(b"bad.txt")
    content[at + 5] ^= 0xFF
    from tests.ingestion.factories import accept

    intake = accept(owner, upload("papers.zip", bytes(content)))
    worker.run()
    bad = intake.files.get(safe_name="bad.txt")
    assert (bad.outcome, bad.stage) == (Outcome.FAILED, Stage.UNZIP_FAILED)
    assert bad.error_code in {"crc_mismatch", "corrupt_entry", "size_mismatch"}
    assert intake.files.get(safe_name="good.txt").outcome == Outcome.COMPLETED
    intake.refresh_from_db()
    assert intake.status == IntakeStatus.COMPLETED_WITH_ERRORS


def test_unpacking_goes_on_at_the_first_entry_that_is_not_done(owner, worker, monkeypatch):
    """The process dies after three of five entries: the next run stores the other two and makes no item twice."""
    intake = accept_zip(owner, PAPERS)
    monkeypatch.setattr(unpack, "BATCH_FILES", 1)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "put_stream", _dies_after(3, storage.put_stream))
        item = worker.claim()
        worker.run_and_die(item)
    assert intake.files.filter(item_id__isnull=False).count() == 3
    worker.service.release(item)
    stored = []
    real = storage.put_stream
    monkeypatch.setattr(storage, "put_stream", lambda *args, **kwargs: stored.append(1) or real(*args, **kwargs))
    worker.run()
    assert len(stored) == 2
    items = list(intake.files.values_list("item_id", flat=True))
    assert len(set(items)) == 5
    intake.refresh_from_db()
    assert intake.counts["completed"] == 5


def test_two_runs_of_the_same_unpacking_make_one_item_a_file(owner, worker):
    """A worker that lost its lease unpacks on while another has begun anew."""
    intake = accept_zip(owner, PAPERS)
    stale = worker.claim()
    worker.service.release(stale)
    newer = worker.claim()
    worker.run_claimed(stale)
    worker.run_claimed(newer)
    assert intake.files.count() == 5
    assert QueueItem.objects.filter(operation="document.ingest").count() == 5


def test_an_unpacking_that_died_fails_the_files_it_did_not_reach_and_the_rest_go_on(owner, worker, monkeypatch):
    intake = accept_zip(owner, PAPERS)
    monkeypatch.setattr(unpack, "BATCH_FILES", 1)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "put_stream", _dies_after(2, storage.put_stream))
        item = worker.claim()
        worker.run_and_die(item)
    worker.service.move_to_dead(item, "the process ended three times", code="crashed")
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.error_code) == (IntakeStatus.COMPLETED_WITH_ERRORS, "crashed")
    assert (intake.counts["completed"], intake.counts["failed"]) == (2, 3)
    failed = intake.files.filter(outcome=Outcome.FAILED)
    assert set(failed.values_list("stage", "error_code")) == {(Stage.UNZIP_FAILED, "crashed")}


def test_a_dead_unpacking_that_is_put_back_unpacks_the_rest(owner, worker):
    intake = accept_zip(owner, PAPERS)
    finish_dead(intake.item_id, "timed_out", "too slow")
    intake.refresh_from_db()
    assert intake.status == IntakeStatus.FAILED
    worker.service.requeue(intake.item_id)
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.error_code, intake.counts["completed"]) == (IntakeStatus.COMPLETED, "", 5)


def test_the_archive_that_is_gone_from_storage_fails_the_intake_with_a_code(owner, worker):
    intake = accept_zip(owner, PAPERS)
    storage.delete(intake.blob.storage_key)
    worker.run()
    for _ in range(4):
        worker.run_retries()
    intake.refresh_from_db()
    assert (intake.status, intake.error_code) == (IntakeStatus.FAILED, "blob_missing")
    assert intake.finished_at is not None


def test_one_content_under_two_names_is_stored_once(owner, worker):
    intake = accept_zip(owner, {"a.txt": "the same words", "b.txt": "the same words"})
    worker.run()
    assert len(set(intake.files.values_list("blob", flat=True))) == 1
    assert sorted(intake.files.values_list("outcome", flat=True)) == ["completed", "duplicate"]
    assert Blob.objects.count() == 2  # the archive and the text


def test_many_small_files_go_through_in_batches(owner, worker, monkeypatch):
    monkeypatch.setattr(unpack, "BATCH_FILES", 16)
    intake = accept_zip(owner, {f"{n}.txt": f"small text {n}" for n in range(50)})
    worker.run()
    intake.refresh_from_db()
    assert intake.counts["completed"] == 50
    assert not IngestFile.objects.filter(outcome="").exists()
    assert Intake.objects.get().percent == 100


def _dies_after(count, real):
    left = [count]

    def put(chunks, **options):
        if not left[0]:
            raise SystemExit
        left[0] -= 1
        return real(chunks, **options)

    return put
