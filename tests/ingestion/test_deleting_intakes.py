"""Deleting a whole upload: hidden at once, gone soon, and its duplicates elsewhere become documents of their own."""

from __future__ import annotations

import pytest
from django.utils import timezone

from docqueue.models import QueueItem
from ingestion import deleting, queue_handlers
from ingestion.models import Blob, Chunk, Document, IngestFile, Intake, Outcome
from ingestion.services import delete_intake, search, summarize
from ingestion.states import intake_state
from tests.ingestion.factories import accept, accept_document, accept_zip, upload
from tests.ingestion.leftovers import kept, left

pytestmark = pytest.mark.django_db(transaction=True)


def nothing_is_left(folder):
    return not left(Intake, IngestFile, Document, Chunk, Blob, QueueItem) and not kept(folder)


def test_everything_of_it_is_gone(owner, worker, documents_dir):
    intake = accept_zip(
        owner, {"a.txt": "a heron", "b.txt": "a heron", "c.exe": b"MZ" + b"\0" * 200, ".DS_Store": b"0"}
    )
    worker.run()
    delete_intake(intake, by="ada")
    assert nothing_is_left(documents_dir)


@pytest.mark.parametrize("done", [0, 1, 2, 4])
def test_what_has_not_ended_is_cancelled_wherever_it_is(owner, worker, documents_dir, done):
    intake = accept_zip(owner, {f"{n}.txt": f"note {n}" for n in range(3)})
    for _ in range(done):
        worker.run_claimed(worker.claim())
    delete_intake(intake)
    assert nothing_is_left(documents_dir)
    assert worker.run() == 0


def test_a_duplicate_in_another_intake_becomes_a_document_of_its_own(owner, worker):
    intake = accept(owner, upload("a.txt", "a heron"), upload("b.txt", "a heron"))
    worker.run()
    elsewhere = accept_document(owner, "a heron")
    worker.run()
    delete_intake(intake)
    worker.run()
    assert IngestFile.objects.get().outcome == Outcome.COMPLETED
    assert [hit.document_id for hit in search(owner.pk, "heron").hits] == [elsewhere.pk]


def test_a_large_one_is_hidden_at_once_and_the_duty_does_the_rest(owner, worker, documents_dir, monkeypatch):
    intake = accept(owner, *[upload(f"{n}.txt", f"heron {n}") for n in range(5)])
    worker.run()
    monkeypatch.setattr(deleting, "BUDGET_SECONDS", -1)
    delete_intake(intake)
    assert Document.objects.count() == 4, "the request's time was up"
    assert search(owner.pk, "heron").hits == []
    intake.refresh_from_db()
    assert intake_state(intake, summarize(intake), None, timezone.now()) == "Deleting"
    monkeypatch.undo()
    assert queue_handlers.finish_deletions("default") == 1
    assert nothing_is_left(documents_dir)
    assert queue_handlers.finish_deletions("default") == 0


def test_a_file_that_is_uploaded_meanwhile_as_its_duplicate_is_promoted_in_the_end(owner, worker, monkeypatch):
    intake = accept(owner, *[upload(f"{n}.txt", f"heron {n}") for n in range(2)])
    worker.run()
    monkeypatch.setattr(deleting, "BUDGET_SECONDS", -1)
    delete_intake(intake)
    again = accept_document(owner, "heron 1", "1.txt")
    worker.run()
    assert IngestFile.objects.get(document=again).outcome == Outcome.DUPLICATE, "the other is still there"
    monkeypatch.undo()
    deleting.delete_rest()
    worker.run()
    assert [hit.document_id for hit in search(owner.pk, "heron").hits] == [again.pk]


def test_deleting_it_again_does_nothing(owner, worker):
    intake = accept(owner, upload("a.txt", "a heron"))
    worker.run()
    delete_intake(intake)
    delete_intake(intake)


def test_the_idempotency_key_is_free_at_once(owner):
    first = accept(owner, upload("a.txt", "a"), client_key="k")
    delete_intake(first)
    assert accept(owner, upload("a.txt", "a"), client_key="k").pk != first.pk


def test_an_unpacking_that_runs_meanwhile_leaves_nothing(owner, worker, documents_dir, monkeypatch):
    """Deleted between two batches, by a request that the handler hears of only at its next report."""
    monkeypatch.setattr("ingestion.unpack.BATCH_FILES", 1)
    intake = accept_zip(owner, {f"{n}.txt": f"note {n}" for n in range(4)})
    item = worker.claim()
    from ingestion import unpack

    real, flushed = unpack._flush, []

    def flush(*args):
        flushed.append(args)
        if len(flushed) == 3:
            delete_intake(intake)
        return real(*args)

    monkeypatch.setattr(unpack, "_flush", flush)
    worker.run_claimed(item)
    worker.run_retries()
    assert left(Intake, IngestFile, Document, QueueItem) == set()


def test_documents_that_an_unpacking_adds_while_the_rows_go_are_deleted_too(owner, worker, documents_dir, monkeypatch):
    intake = accept_zip(owner, {f"{n}.txt": f"note {n}" for n in range(3)})
    worker.run_claimed(worker.claim())
    real, asked = deleting._delete_one, []

    def delete(document_id, by):
        """As if the second document came only after the others had been looked for."""
        asked.append(document_id)
        return None if len(asked) == 2 else real(document_id, by)

    monkeypatch.setattr(deleting, "_delete_one", delete)
    delete_intake(intake)
    assert (Document.objects.count(), Intake.objects.count()) == (1, 1)
    assert deleting.delete_rest() == 1
    assert nothing_is_left(documents_dir)
