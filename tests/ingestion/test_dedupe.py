"""The same bytes twice: a content is known only once it was completed, and of two at once one wins."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from ingestion.models import Chunk, Document, IngestFile, Outcome
from ingestion.services import process_document_content, search
from tests.ingestion.factories import UserFactory, accept, accept_document, upload

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_second_upload_of_the_same_bytes_points_to_the_first(owner, worker):
    first = accept_document(owner, "one heron")
    worker.run()
    second = accept_document(owner, "one heron", "other-name.txt")
    worker.run()
    file = IngestFile.objects.get(document=second)
    assert (file.outcome, file.duplicate_of_id) == (Outcome.DUPLICATE, first.pk)
    assert [hit.document_id for hit in search(owner.pk, "heron").hits] == [first.pk]


def test_the_same_bytes_of_another_owner_are_no_duplicate(owner, worker):
    accept_document(owner, "one heron")
    other = UserFactory()
    document = accept_document(other, "one heron")
    worker.run()
    assert IngestFile.objects.get(document=document).outcome == Outcome.COMPLETED
    assert document.blob_id == Document.objects.get(owner=owner).blob_id


def test_a_failed_file_never_makes_a_later_upload_a_duplicate(owner, worker, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.pipeline.extract", _fails)
        accept_document(owner, "one heron")
        worker.run()
    second = accept_document(owner, "one heron")
    worker.run()
    assert list(IngestFile.objects.order_by("pk").values_list("outcome", flat=True)) == ["failed", "completed"]
    assert search(owner.pk, "heron").hits[0].document_id == second.pk


def test_an_unfinished_file_does_not_make_a_later_one_a_duplicate(owner, worker):
    accept_document(owner, "one heron")
    claimed = worker.claim()
    second = accept_document(owner, "one heron")
    worker.run()
    assert IngestFile.objects.get(document=second).outcome == Outcome.COMPLETED
    worker.run_claimed(claimed)
    assert IngestFile.objects.exclude(document=second).get().outcome == Outcome.DUPLICATE


def test_after_the_winner_is_deleted_the_same_bytes_are_taken_anew(owner, worker):
    first = accept_document(owner, "one heron")
    worker.run()
    first.delete()
    second = accept_document(owner, "one heron")
    worker.run()
    assert IngestFile.objects.get(document=second).outcome == Outcome.COMPLETED


def test_two_different_files_without_text_are_no_duplicates(owner, worker):
    intake = accept(owner, upload("a.txt", " \n"), upload("b.txt", " \n\n"))
    worker.run()
    assert set(intake.files.values_list("outcome", flat=True)) == {Outcome.COMPLETED_NO_TEXT}


def test_of_two_that_complete_at_once_one_wins_and_the_loser_writes_no_text(owner, monkeypatch):
    """Both have extracted their text before either commits: the constraint decides, the other points to it."""
    documents = [accept_document(owner, "one heron"), accept_document(owner, "one heron")]
    together = threading.Barrier(2, timeout=20)
    from ingestion import pipeline

    real = pipeline.extract

    def extract(*args, **kwargs):
        extraction = real(*args, **kwargs)
        together.wait()
        return extraction

    monkeypatch.setattr(pipeline, "extract", extract)
    results, errors = {}, []

    def work(document):
        try:
            results[document.pk] = process_document_content(document)
        except Exception as error:  # noqa: BLE001 - handed to the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(document,)) for document in documents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors
    assert sorted(result.outcome for result in results.values()) == ["completed", "duplicate"]
    (winner,) = (pk for pk, result in results.items() if result.outcome == "completed")
    (loser,) = (result for result in results.values() if result.outcome == "duplicate")
    assert loser.duplicate_of == winner
    assert set(Chunk.objects.values_list("document", flat=True)) == {winner}


def _fails(*args, **kwargs):
    from ingestion.errors import CorruptFile

    raise CorruptFile
