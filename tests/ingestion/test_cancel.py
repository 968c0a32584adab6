"""Cancelling: what waits ends at once, what runs is asked to stop, what is completed stays."""

from __future__ import annotations

import pytest

from docqueue.models import QueueItem
from ingestion import cancelling
from ingestion.models import Chunk, IngestFile, IntakeStatus, Outcome, Stage
from ingestion.services import AlreadyFinished, cancel_document, cancel_intake, reprocess_document
from tests.ingestion.factories import accept, accept_document, accept_zip, upload

pytestmark = pytest.mark.django_db(transaction=True)


def notes(count):
    return [upload(f"{n}.txt", f"note number {n}") for n in range(count)]


def test_cancelling_an_intake_ends_its_waiting_files_at_once(owner):
    intake = accept(owner, *notes(3))
    cancel_intake(intake, by="ada")
    intake.refresh_from_db()
    assert (intake.status, intake.stage) == (IntakeStatus.CANCELLED, Stage.CANCELLED)
    assert set(intake.files.values_list("outcome", flat=True)) == {Outcome.CANCELLED}
    assert not QueueItem.objects.exists()


def test_files_that_are_completed_stay(owner, worker):
    intake = accept(owner, *notes(3))
    worker.run_claimed(worker.claim())
    cancel_intake(intake)
    assert sorted(intake.files.values_list("outcome", flat=True)) == ["cancelled", "cancelled", "completed"]
    assert Chunk.objects.count() == 1


def test_a_zip_that_waits_to_be_unpacked_is_cancelled_whole(owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha"})
    cancel_intake(intake)
    intake.refresh_from_db()
    assert (intake.status, worker.run()) == (IntakeStatus.CANCELLED, 0)


def test_a_running_unpacking_stops_and_what_it_did_not_reach_is_cancelled(owner, worker, monkeypatch):
    monkeypatch.setattr("ingestion.unpack.BATCH_FILES", 1)
    intake = accept_zip(owner, {f"{n}.txt": f"note {n}" for n in range(4)})
    item = worker.claim()
    real = worker.cancel_requested
    asked = []

    def cancel_requested(item):
        asked.append(item)
        if len(asked) == 3:
            cancel_intake(intake)
        return real(item)

    monkeypatch.setattr(worker, "cancel_requested", cancel_requested)
    worker.run_claimed(item)
    worker.run()
    intake.refresh_from_db()
    assert intake.status == IntakeStatus.CANCELLED
    assert not intake.files.filter(outcome="").exists()
    assert not QueueItem.objects.exists()
    assert set(intake.files.values_list("outcome", flat=True)) == {Outcome.CANCELLED}


def test_a_running_file_stops_when_it_notices(owner, worker):
    document = accept_document(owner)
    item = worker.claim()
    cancel_document(document)
    assert IngestFile.objects.get(document=document).outcome == ""
    worker.run_claimed(item)
    file = IngestFile.objects.select_related("intake").get(document=document)
    assert (file.outcome, file.intake.status) == (Outcome.CANCELLED, IntakeStatus.CANCELLED)
    assert worker.service.get_status(file.item_id) == "cancelled"


def test_items_that_a_cancel_did_not_reach_end_when_they_start(owner, worker, monkeypatch):
    """An intake of thousands is not cancelled item by item within one request."""
    monkeypatch.setattr(cancelling, "BUDGET_SECONDS", -1)
    intake = accept(owner, *notes(5))
    cancel_intake(intake)
    assert QueueItem.objects.count() == 4
    worker.run()
    intake.refresh_from_db()
    assert set(intake.files.values_list("outcome", flat=True)) == {Outcome.CANCELLED}
    assert (intake.status, QueueItem.objects.count()) == (IntakeStatus.CANCELLED, 0)


def test_a_cancelled_document_can_be_reprocessed(owner, worker):
    intake = accept(owner, *notes(1))
    cancel_intake(intake)
    reprocess_document(intake.files.get().document)
    worker.run()
    assert intake.files.get().outcome == Outcome.COMPLETED
    intake.refresh_from_db()
    assert intake.status == IntakeStatus.COMPLETED


@pytest.mark.parametrize("before", [False, True], ids=["for the first time", "and had been before"])
def test_a_cancel_reaches_what_is_processed_anew_as_well(owner, worker, monkeypatch, before):
    """Also those items that it had no time for: they end when they start."""
    intake = accept(owner, *notes(4))
    if before:
        cancel_intake(intake)
    else:
        worker.run()
    for file in intake.files.all():
        reprocess_document(file.document)
    monkeypatch.setattr(cancelling, "BUDGET_SECONDS", -1)
    cancel_intake(intake)
    worker.run()
    assert set(intake.files.values_list("outcome", flat=True)) == {Outcome.CANCELLED}
    assert not QueueItem.objects.exists()


def test_what_has_ended_can_not_be_cancelled(owner, worker):
    document = accept_document(owner)
    worker.run()
    with pytest.raises(AlreadyFinished):
        cancel_document(document)
    with pytest.raises(AlreadyFinished):
        cancel_intake(IngestFile.objects.get(document=document).intake)
