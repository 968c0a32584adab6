"""Deleting a document: everything of it goes, nothing comes back, and nobody else loses anything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from docqueue.models import HistoryItem, QueueItem
from docqueue.states import Status
from ingestion import hot, pipeline
from ingestion.errors import CorruptFile, StorageUnavailable
from ingestion.km.local import LocalKM
from ingestion.models import Blob, Chunk, Document, IngestFile, Intake, IntakeStatus, Outcome
from ingestion.services import delete_document, reprocess_document, search
from ingestion.states import file_state
from tests.ingestion.factories import UserFactory, accept_document, accept_zip
from tests.ingestion.leftovers import kept, left
from tests.ingestion.running import until_somebody_waits_for_us

pytestmark = pytest.mark.django_db(transaction=True)


def test_text_chunks_row_and_bytes_are_gone(owner, worker, documents_dir):
    document = accept_document(owner, "one heron")
    worker.run()
    delete_document(document, by="ada")
    assert search(owner.pk, "heron").hits == []
    assert left(Document, Chunk, Blob) == set()
    assert kept(documents_dir) == []


def test_the_file_stays_in_the_list_as_deleted_and_the_counts_add_up(owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha", "b.txt": "beta"})
    worker.run()
    file = intake.files.get(source_path="a.txt")
    delete_document(file.document)
    file.refresh_from_db()
    intake.refresh_from_db()
    assert (file.outcome, file.document, file.blob, file.item_id) == (Outcome.COMPLETED, None, None, None)
    assert file_state(file, None, intake.finished_at) == "Deleted"
    assert (intake.status, intake.counts["completed"]) == (IntakeStatus.COMPLETED, 2)


def test_deleting_it_again_does_nothing(owner, worker):
    document = accept_document(owner)
    worker.run()
    delete_document(document)
    delete_document(document)


def test_bytes_that_another_owner_has_too_stay(owner, worker, documents_dir):
    mine, theirs = accept_document(owner, "one heron"), accept_document(UserFactory(), "one heron")
    worker.run()
    delete_document(mine)
    assert len(kept(documents_dir)) == 1
    assert search(theirs.owner_id, "heron").hits[0].document_id == theirs.pk
    delete_document(theirs)
    assert kept(documents_dir) == []


def test_an_archive_goes_with_the_last_document_that_came_out_of_it(owner, worker, documents_dir):
    intake = accept_zip(owner, {"a.txt": "alpha", "b.txt": "beta"})
    worker.run()
    first, second = intake.files.all()
    delete_document(first.document)
    assert len(kept(documents_dir)) == 2, "the archive is needed as long as something of it is there"
    delete_document(second.document)
    assert kept(documents_dir) == []


def test_an_archive_with_a_failed_file_stays(owner, worker, documents_dir):
    intake = accept_zip(owner, {"a.txt": "alpha", "b.exe": b"MZ" + b"\0" * 200})
    worker.run()
    delete_document(intake.files.get(source_path="a.txt").document)
    assert Intake.objects.get().blob is not None


def test_the_same_file_uploaded_again_is_processed_anew(owner, worker):
    delete_document(_processed(owner, worker, "one heron"))
    again = _processed(owner, worker, "one heron")
    assert IngestFile.objects.get(document=again).outcome == Outcome.COMPLETED
    assert search(owner.pk, "heron").hits[0].document_id == again.pk


def test_the_first_duplicate_becomes_the_document_that_the_others_point_to(owner, worker):
    first, second, third = (_processed(owner, worker, "one heron") for _ in range(3))
    delete_document(first, by="ada")
    worker.run()
    assert IngestFile.objects.get(document=second).outcome == Outcome.COMPLETED
    file = IngestFile.objects.get(document=third)
    assert (file.outcome, file.duplicate_of_id) == (Outcome.DUPLICATE, second.pk)
    assert [hit.document_id for hit in search(owner.pk, "heron").hits] == [second.pk]
    assert Intake.objects.get(files__document=second).status == IntakeStatus.COMPLETED


def test_a_duplicate_that_is_being_deleted_itself_is_passed_over(owner, worker, monkeypatch):
    first, second, third = (_processed(owner, worker, "one heron") for _ in range(3))
    real, other = LocalKM.delete, []

    def delete(self, described):
        """In the midst of the second's deletion somebody deletes the first."""
        if described.id == second.pk:
            other.append(ThreadPoolExecutor(1).submit(closing, delete_document, first))
            until_somebody_waits_for_us()
        real(self, described)

    monkeypatch.setattr(LocalKM, "delete", delete)
    delete_document(second)
    other[0].result(30)
    worker.run()
    assert [hit.document_id for hit in search(owner.pk, "heron").hits] == [third.pk]


def test_deleting_a_duplicate_leaves_its_original_as_it_is(owner, worker, documents_dir):
    first, second = (_processed(owner, worker, "one heron") for _ in range(2))
    delete_document(second)
    assert search(owner.pk, "heron").hits[0].document_id == first.pk
    assert len(kept(documents_dir)) == 1
    assert worker.run() == 0


def test_waiting_work_ends_at_once(owner, worker):
    document = accept_document(owner)
    delete_document(document, by="ada")
    assert not QueueItem.objects.exists()
    file = IngestFile.objects.select_related("intake").get()
    assert (file.outcome, file.intake.status) == (Outcome.CANCELLED, IntakeStatus.CANCELLED)
    assert HistoryItem.objects.get().status == Status.CANCELLED


def test_a_dead_item_goes_too(owner, worker, monkeypatch):
    monkeypatch.setattr(pipeline, "extract", _raise(CorruptFile()))
    delete_document(_processed(owner, worker, "one heron"))
    assert not QueueItem.objects.exists()
    file = IngestFile.objects.get()
    assert (file.outcome, file.error_code) == (Outcome.FAILED, "corrupt_file")


def test_an_item_that_the_cancel_did_not_reach_ends_quietly_when_it_starts(owner, worker, monkeypatch):
    monkeypatch.setattr("ingestion.deleting._cancel", lambda *args: None)
    document = accept_document(owner)
    delete_document(document)
    assert worker.run() == 1
    assert HistoryItem.objects.get().result == {"outcome": "deleted"}
    assert not Document.objects.exists()


@pytest.mark.parametrize("step", ["look_at", "extract", "chunk_pages"])
def test_a_running_handler_brings_nothing_back(owner, worker, monkeypatch, step, documents_dir):
    """Deleted before each of its steps, the last of which opens the completing transaction's writes."""
    document = accept_document(owner, "one heron")
    real = getattr(pipeline, step)

    def meanwhile(*args, **kwargs):
        elsewhere(delete_document, document)
        return real(*args, **kwargs)

    monkeypatch.setattr(pipeline, step, meanwhile)
    worker.run_claimed(worker.claim())
    worker.run_retries()
    assert left(Document, Chunk, QueueItem) == set()
    assert kept(documents_dir) == []
    file = IngestFile.objects.select_related("intake").get()
    assert (file.outcome, file.document, file.intake.status) == (Outcome.CANCELLED, None, IntakeStatus.CANCELLED)


def test_a_deletion_waits_for_a_handler_that_commits_and_takes_what_it_wrote(owner, worker, monkeypatch, documents_dir):
    accept_document(owner, "one heron")
    real, deletion = hot.end, []

    def under_the_lock(document_id, *args, **kwargs):
        document = Document.objects.get(pk=document_id)
        deletion.append(ThreadPoolExecutor(1).submit(closing, delete_document, document))
        until_somebody_waits_for_us()
        real(document_id, *args, **kwargs)

    monkeypatch.setattr(hot, "end", under_the_lock)
    worker.run_claimed(worker.claim())
    deletion[0].result(30)
    assert left(Document, Chunk, Blob, QueueItem) == set()
    assert kept(documents_dir) == []
    assert IngestFile.objects.get().outcome == Outcome.COMPLETED


def test_a_file_that_ends_as_duplicate_of_a_document_just_deleted_is_processed_itself(owner, worker, monkeypatch):
    first = _processed(owner, worker, "one heron")
    second = accept_document(owner, "one heron")
    real = pipeline.known_as
    looks = []

    def known_as(document):
        winner = real(document)
        if not looks:
            looks.append(winner)
            elsewhere(delete_document, first)
        return winner

    monkeypatch.setattr(pipeline, "known_as", known_as)
    worker.run_claimed(worker.claim())
    worker.run_retries()
    assert looks == [first.pk]
    assert IngestFile.objects.get(document=second).outcome == Outcome.COMPLETED
    assert [hit.document_id for hit in search(owner.pk, "heron").hits] == [second.pk]


def test_what_was_handed_to_the_store_after_the_deletion_is_taken_out_again(owner, worker, monkeypatch):
    document = accept_document(owner, "one heron")
    there = set()

    def late(self, described):
        delete_document(document)
        there.add(described.id)
        return "reference"

    monkeypatch.setattr(LocalKM, "keeps_copies", True)
    monkeypatch.setattr(LocalKM, "put", late)
    monkeypatch.setattr(LocalKM, "delete", lambda self, described: there.discard(described.id))
    worker.run_claimed(worker.claim())
    assert there == set()


def test_a_store_that_can_not_be_reached_leaves_everything_as_it_was(owner, worker, monkeypatch, documents_dir):
    document = _processed(owner, worker, "one heron")
    with monkeypatch.context() as patch:
        patch.setattr(LocalKM, "delete", _raise(StorageUnavailable("away")))
        with pytest.raises(StorageUnavailable):
            delete_document(document)
    assert search(owner.pk, "heron").hits[0].document_id == document.pk
    assert IngestFile.objects.get().document_id == document.pk
    delete_document(document)
    assert kept(documents_dir) == []


def test_bytes_that_can_not_be_removed_now_are_left_to_the_sweep(owner, worker, monkeypatch):
    document = _processed(owner, worker, "one heron")
    monkeypatch.setattr("ingestion.storage.delete", _raise(StorageUnavailable("away")))
    delete_document(document)
    assert not Document.objects.exists()
    assert Blob.objects.count() == 1


def test_a_document_that_is_being_reprocessed_can_be_deleted(owner, worker):
    document = _processed(owner, worker, "one heron")
    reprocess_document(document)
    delete_document(document)
    assert worker.run() == 0
    assert left(Document, QueueItem) == set()


def elsewhere(function, *args):
    """Call it on another connection, and wait for it."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(closing, function, *args).result(30)


def closing(function, *args):
    try:
        return function(*args)
    finally:
        connection.close()


def _processed(owner, worker, text):
    document = accept_document(owner, text)
    worker.run()
    return document


def _raise(error):
    def fail(*args, **kwargs):
        raise error

    return fail
