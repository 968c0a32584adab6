"""Items that are gone without a trace: what they stood for gets new ones, a few times, and never two."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from docqueue.models import HistoryItem, QueueItem
from ingestion import lost, unpack
from ingestion.extract import extract
from ingestion.models import Document, IngestFile, Intake, IntakeStatus, Outcome
from ingestion.services import cancel_intake, reconcile, reconcile_intake, reprocess_document
from tests.ingestion.factories import accept, accept_document, accept_zip, upload
from tests.ingestion.running import finish_dead

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def other_session():
    """Runs a statement that keeps its locks, in a session of its own, until the test is over."""
    other = connection.copy()
    other.set_autocommit(False)
    yield other
    other.close()


def lose(item_id: int | None) -> None:
    """Leave nothing of an item, as a restored backup or a hand in the database does."""
    QueueItem.objects.filter(pk=item_id).delete()
    HistoryItem.objects.filter(id=item_id).delete()


def reread(file: IngestFile) -> IngestFile:
    return IngestFile.objects.select_related("intake").get(pk=file.pk)


def test_a_file_whose_item_is_gone_gets_a_new_one_for_the_same_document(owner, worker):
    document = accept_document(owner, priority=7)
    lose(document.file.item_id)
    reconcile()
    file = reread(document.file)
    item = QueueItem.objects.get(pk=file.item_id)
    assert file.item_id != document.file.item_id
    assert (item.document_id, item.priority, item.operation) == (str(document.pk), 7, "document.ingest")
    assert (file.outcome, file.items_lost) == ("", 1)
    worker.run()
    file = reread(file)
    assert (file.outcome, file.document_id, file.intake.status) == ("completed", document.pk, IntakeStatus.COMPLETED)


def test_whoever_looks_at_the_intake_has_its_lost_files_enqueued_too(owner, worker):
    intake = accept(owner, *[upload(f"{n}.txt", f"note {n}") for n in range(3)])
    QueueItem.objects.all().delete()
    assert reconcile_intake(intake)
    assert QueueItem.objects.count() == 3
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"]) == (IntakeStatus.COMPLETED, 3)


def test_a_file_that_loses_its_item_again_and_again_fails(owner):
    document = accept_document(owner)
    for _ in range(lost.MOST_TIMES):
        lose(reread(document.file).item_id)
        reconcile()
        assert reread(document.file).outcome == ""
    lose(reread(document.file).item_id)
    reconcile()
    file = reread(document.file)
    assert (file.outcome, file.error_code, file.intake.status) == (Outcome.FAILED, "item_lost", IntakeStatus.FAILED)
    assert file.hint
    assert not QueueItem.objects.exists()


@pytest.mark.parametrize("known", ["live", "dead", "history"])
def test_a_file_whose_item_is_known_gets_no_other_one(owner, worker, monkeypatch, known):
    monkeypatch.setattr("docqueue.handlers._dead_hooks", {})
    document = accept_document(owner)
    if known == "dead":
        finish_dead(document.file.item_id, "crashed", "signal 11")
    if known == "history":
        worker.service.cancel(document.file.item_id)
    assert lost.find_files([document.file.pk]) == 0
    assert (reread(document.file).item_id, reread(document.file).outcome) == (document.file.item_id, "")


def test_a_file_that_found_its_item_in_the_meantime_is_left_alone(owner):
    """Of two that saw the item gone, the one that comes second finds the first one's."""
    document = accept_document(owner)
    lose(document.file.item_id)
    assert lost.find_files([document.file.pk]) == 1
    item_id = reread(document.file).item_id
    assert lost.find_files([document.file.pk]) == 0
    assert [item.pk for item in QueueItem.objects.all()] == [item_id]


def test_a_file_that_somebody_else_holds_is_left_for_the_next_time(owner, other_session):
    document = accept_document(owner)
    lose(document.file.item_id)
    with other_session.cursor() as cursor:
        cursor.execute("select from ingestion_ingestfile where id = %s for update", [document.file.pk])
    assert reconcile() == 1
    assert not QueueItem.objects.exists()
    other_session.rollback()
    reconcile()
    assert QueueItem.objects.count() == 1


@pytest.mark.parametrize("moment", ["before it starts", "while it runs"])
def test_a_run_whose_item_was_lost_changes_nothing_any_more(owner, worker, monkeypatch, moment):
    document = accept_document(owner)
    claim = worker.claim()

    def lose_and_find(*args: object, **options: object) -> object:
        lose(claim.id)
        assert reconcile() == 1
        return extract(*args, **options)

    if moment == "while it runs":
        with monkeypatch.context() as patch:
            patch.setattr("ingestion.pipeline.extract", lose_and_find)
            worker.run_claimed(claim)
    else:
        lose(claim.id)
        reconcile()
        worker.run_claimed(claim)
    file = reread(document.file)
    assert (file.outcome, file.item_id == claim.id, file.items_lost) == ("", False, 1)
    assert worker.run() == 1
    assert reread(file).outcome == Outcome.COMPLETED
    assert not reconcile()


def test_an_unpacking_that_lost_its_item_and_goes_on_makes_no_file_twice(owner, worker, monkeypatch):
    intake = accept_zip(owner, {f"{n}.txt": f"text {n}" for n in range(4)})
    claim = worker.claim()

    def lose_and_store(*args: object) -> object:
        lose(claim.id)
        reconcile()
        return store(*args)

    store = unpack._store
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.unpack._store", lose_and_store)
        worker.run_claimed(claim)
    assert Intake.objects.get(pk=intake.pk).items_lost == 1
    assert QueueItem.objects.filter(operation="document.ingest").count() == 4, "what it has done stays done"
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"]) == (IntakeStatus.COMPLETED, 4)
    assert (Document.objects.count(), HistoryItem.objects.filter(operation="document.ingest").count()) == (4, 4)


def test_a_lost_file_of_a_cancelled_intake_is_cancelled(owner):
    document = accept_document(owner)
    lose(document.file.item_id)
    cancel_intake(document.file.intake)
    reconcile()
    file = reread(document.file)
    assert (file.outcome, file.intake.status) == (Outcome.CANCELLED, IntakeStatus.CANCELLED)


def test_a_lost_reprocessing_goes_on_though_its_intake_was_cancelled_before(owner, worker):
    document = accept_document(owner)
    cancel_intake(document.file.intake)
    item_id = reprocess_document(document).item_id
    lose(item_id)
    reconcile()
    worker.run()
    assert reread(document.file).outcome == Outcome.COMPLETED


def test_a_file_without_an_item_is_enqueued_once_the_unpacking_is_over(owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha", "b.txt": "beta"})
    worker.run_claimed(worker.claim())
    QueueItem.objects.all().delete()
    intake.files.update(item_id=None)
    Intake.objects.filter(pk=intake.pk).update(
        unpacked_at=None, item_id=worker.service.enqueue(None, "intake.unpack").id
    )
    reconcile()
    assert intake.files.filter(item_id=None).count() == 2, "the unpacking will see to them"
    QueueItem.objects.all().delete()
    Intake.objects.filter(pk=intake.pk).update(unpacked_at=timezone.now())
    reconcile()
    assert not intake.files.filter(item_id=None).exists()
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"]) == (IntakeStatus.COMPLETED, 2)


def test_a_file_whose_document_is_gone_too_fails(owner):
    document = accept_document(owner)
    lose(document.file.item_id)
    Document.objects.filter(pk=document.pk).delete()
    reconcile()
    assert reread(document.file).error_code == "item_lost"


@pytest.mark.parametrize("begun", [False, True], ids=["not begun", "half unpacked"])
def test_an_intake_whose_unpacking_is_gone_gets_a_new_one(owner, worker, begun):
    intake = accept_zip(owner, {"a.txt": "alpha", "b.txt": "beta"})
    if begun:  # a worker that lost its item has planned the archive and brought one file into the queue
        worker.run_claimed(worker.claim())
        second = intake.files.get(ordinal=1)
        Intake.objects.filter(pk=intake.pk).update(unpacked_at=None)
        IngestFile.objects.filter(pk=second.pk).update(item_id=None, document=None, blob=None)
        QueueItem.objects.filter(pk=second.item_id).delete()
    lose(intake.item_id)
    reconcile()
    again = Intake.objects.get(pk=intake.pk)
    assert QueueItem.objects.get(pk=again.item_id).operation == "intake.unpack"
    assert (again.items_lost, again.item_id == intake.item_id) == (1, False)
    worker.run()
    again.refresh_from_db()
    assert (again.status, again.counts["completed"]) == (IntakeStatus.COMPLETED, 2)


def test_an_unpacking_that_is_lost_again_and_again_fails(owner):
    intake = accept_zip(owner, {"a.txt": "alpha"})
    for _ in range(lost.MOST_TIMES):
        lose(Intake.objects.get(pk=intake.pk).item_id)
        reconcile()
    assert QueueItem.objects.count() == 1
    lose(Intake.objects.get(pk=intake.pk).item_id)
    reconcile()
    intake.refresh_from_db()
    assert (intake.status, intake.error_code) == (IntakeStatus.FAILED, "item_lost")


def test_a_lost_unpacking_that_was_cancelled_stays_so(owner):
    intake = accept_zip(owner, {"a.txt": "alpha"})
    lose(intake.item_id)
    Intake.objects.filter(pk=intake.pk).update(cancel_requested_at=timezone.now())
    reconcile()
    intake.refresh_from_db()
    assert (intake.status, QueueItem.objects.count()) == (IntakeStatus.CANCELLED, 0)


def test_an_unpacking_that_somebody_found_first_is_left_alone(owner):
    intake = accept_zip(owner, {"a.txt": "alpha"})
    lose(intake.item_id)
    assert lost.find_unpacking(intake)
    assert not lost.find_unpacking(intake)
    assert QueueItem.objects.count() == 1


def test_a_sweep_enqueues_a_slice_and_comes_back_for_the_rest(owner):
    intake = accept(owner, *[upload(f"{n}.txt", f"note {n}") for n in range(5)])
    IngestFile.objects.update(item_id=F("item_id") + 1_000_000)
    QueueItem.objects.all().delete()
    for done in (2, 4, 5):
        assert reconcile(limit=2) == 1
        assert (intake.files.filter(items_lost=1).count(), QueueItem.objects.count()) == (done, done)
    assert reconcile(limit=2) == 0
