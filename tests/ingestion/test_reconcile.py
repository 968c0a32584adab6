"""Items that end without their handler having a say: the file says so all the same, whoever looks first."""

from __future__ import annotations

import pytest

from docqueue.handlers import dead_hook
from ingestion.models import IngestFile, Intake, IntakeStatus, Outcome, Stage
from ingestion.queue_handlers import reconcile_intakes
from ingestion.services import reconcile, reconcile_intake
from tests.ingestion.factories import accept, accept_document, accept_zip, upload
from tests.ingestion.running import finish_dead

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def deaf(monkeypatch):
    """No hook is called: the process that settled the item ended first."""
    monkeypatch.setattr("docqueue.handlers._dead_hooks", {})


def test_the_hook_ends_the_file_of_an_item_whose_process_died(owner):
    document = accept_document(owner)
    finish_dead(document.file.item_id, "crashed", "signal 11")
    file = IngestFile.objects.select_related("intake").get(document=document)
    assert (file.outcome, file.error_code, file.error_message) == (Outcome.FAILED, "crashed", "signal 11")
    assert file.stage == Stage.UPLOAD_FAILED
    assert file.hint
    assert file.intake.status == IntakeStatus.FAILED


def test_both_operations_have_a_hook():
    assert dead_hook("document.ingest") is not None
    assert dead_hook("intake.unpack") is not None


def test_what_the_hook_missed_is_found_by_whoever_looks(owner, deaf):
    document = accept_document(owner)
    finish_dead(document.file.item_id, "timed_out", "300 s")
    assert IngestFile.objects.get(document=document).outcome == ""
    intake = Intake.objects.get()
    assert reconcile_intake(intake)
    file = IngestFile.objects.select_related("intake").get(document=document)
    assert (file.outcome, file.error_code, file.intake.status) == (Outcome.FAILED, "timed_out", IntakeStatus.FAILED)


def test_the_sweep_finds_dead_files_dead_unpackings_and_intakes_nobody_ended(owner, worker, deaf, monkeypatch):
    document = accept_document(owner, "one")
    finish_dead(document.file.item_id, "crashed", "signal 11")
    archive = accept_zip(owner, {"a.txt": "alpha"})
    finish_dead(archive.item_id, "crashed", "signal 9")
    unended = accept(owner, upload("b.txt", "beta"))
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.queue_handlers.finish_intake", lambda pk: False)
        worker.run()
    assert Intake.objects.filter(finished_at=None).count() == 3
    assert reconcile() == 3
    assert Intake.objects.filter(finished_at=None).count() == 0
    assert Intake.objects.get(pk=unended.pk).status == IntakeStatus.COMPLETED
    assert Intake.objects.get(pk=archive.pk).error_code == "crashed"
    assert reconcile() == 0


def test_the_sweep_leaves_alone_what_is_alive(owner, worker):
    accept_document(owner, "waiting")
    accept_zip(owner, {"a.txt": "alpha"})
    claimed = worker.claim()
    assert reconcile() == 0
    assert not IngestFile.objects.exclude(outcome="").exists()
    worker.run_claimed(claimed)


def test_an_item_cancelled_in_the_queue_cancels_its_file(owner, worker, deaf):
    document = accept_document(owner)
    worker.service.cancel(document.file.item_id, by="ada")
    reconcile()
    assert IngestFile.objects.get(document=document).outcome == Outcome.CANCELLED


def test_an_unpacking_cancelled_in_the_queue_cancels_the_intake(owner, worker, deaf):
    intake = accept_zip(owner, {"a.txt": "alpha"})
    worker.service.cancel(intake.item_id, by="ada")
    reconcile()
    intake.refresh_from_db()
    assert intake.status == IntakeStatus.CANCELLED


def test_an_intake_whose_last_file_committed_before_the_process_died_is_ended_by_the_duty(owner, worker, monkeypatch):
    intake = accept(owner, upload("a.txt", "alpha"), upload("b.exe", b"MZ" + b"\0" * 200))
    # What a crash may leave of stored numbers makes no difference: the files are asked.
    Intake.objects.filter(pk=intake.pk).update(counts={"completed": 7}, percent=3)
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.queue_handlers.finish_intake", lambda pk: False)
        worker.run()
    intake.refresh_from_db()
    assert (intake.finished_at, intake.files.filter(outcome="").count()) == (None, 0)
    assert reconcile_intakes("default") == 1
    intake.refresh_from_db()
    assert intake.status == IntakeStatus.COMPLETED_WITH_ERRORS
    assert (intake.counts["completed"], intake.counts["failed"]) == (1, 1)


def test_several_files_that_end_at_once_end_their_intake_once(owner, worker):
    intake = accept(owner, *[upload(f"{n}.txt", f"note {n}") for n in range(4)])
    worker.run()
    intake.refresh_from_db()
    first = intake.finished_at
    assert not reconcile_intake(intake)
    intake.refresh_from_db()
    assert intake.finished_at == first
