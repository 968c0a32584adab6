"""Reprocessing: a new item for the same document, and the old text until the new one is there."""

from __future__ import annotations

import pytest

from docqueue.models import AuditEntry, HistoryItem, QueueItem
from docqueue.states import Status
from ingestion.errors import CorruptFile, StorageUnavailable
from ingestion.extract import Page
from ingestion.models import Chunk, IngestFile, IntakeStatus, Outcome
from ingestion.services import reprocess_document, search
from tests.ingestion.factories import accept_document

pytestmark = pytest.mark.django_db(transaction=True)


def test_reprocessing_makes_a_new_item_and_ends_completed_again(owner, worker):
    document = accept_document(owner, "one heron")
    worker.run()
    before = IngestFile.objects.get(document=document).item_id
    work = reprocess_document(document, by="ada")
    assert work.created
    assert work.item_id != before
    file = IngestFile.objects.select_related("intake").get(document=document)
    assert (file.outcome, file.intake.finished_at, file.intake.status) == ("", None, IntakeStatus.IN_PROGRESS)
    worker.run()
    file.refresh_from_db()
    assert (file.outcome, file.item_id) == (Outcome.COMPLETED, work.item_id)
    file.intake.refresh_from_db()
    assert file.intake.status == IntakeStatus.COMPLETED
    assert Chunk.objects.filter(document=document).count() == 1


def test_search_answers_from_the_old_text_until_the_new_one_commits(owner, worker, monkeypatch):
    document = accept_document(owner, "old heron")
    worker.run()
    reprocess_document(document)
    seen = []
    from ingestion import pipeline

    real = pipeline.chunk_pages

    def chunk_pages(pages):
        seen.append(len(search(owner.pk, "heron").hits))
        return real((Page(1, "new egret"),))

    monkeypatch.setattr(pipeline, "chunk_pages", chunk_pages)
    assert len(search(owner.pk, "heron").hits) == 1
    worker.run()
    assert seen == [1]
    assert (len(search(owner.pk, "heron").hits), len(search(owner.pk, "egret").hits)) == (0, 1)


def test_a_reprocessing_that_fails_leaves_the_old_text_searchable(owner, worker, monkeypatch):
    document = accept_document(owner, "old heron")
    worker.run()
    reprocess_document(document)
    monkeypatch.setattr("ingestion.pipeline.extract", _raise(CorruptFile()))
    worker.run()
    assert IngestFile.objects.get(document=document).outcome == Outcome.FAILED
    assert len(search(owner.pk, "heron").hits) == 1


def test_a_failed_document_can_be_reprocessed_and_its_dead_item_is_given_up(owner, worker, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.pipeline.extract", _raise(CorruptFile()))
        document = accept_document(owner, "one heron")
        worker.run()
    dead = IngestFile.objects.get(document=document).item_id
    reprocess_document(document, by="ada")
    assert HistoryItem.objects.get(pk=dead).status == Status.CANCELLED
    assert AuditEntry.objects.get(item_id=dead).actor == "ada"
    worker.run()
    file = IngestFile.objects.get(document=document)
    assert (file.outcome, file.error_code, file.intake.status) == ("completed", "", IntakeStatus.COMPLETED)


def test_asking_twice_makes_one_item(owner, worker):
    document = accept_document(owner)
    worker.run()
    first, second = reprocess_document(document), reprocess_document(document)
    assert (first.created, second.created) == (True, False)
    assert first.item_id == second.item_id
    assert QueueItem.objects.count() == 1


def test_a_retry_that_waits_runs_now(owner, worker, monkeypatch):
    document = accept_document(owner)
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.km.local.LocalKM.upload", _raise(StorageUnavailable("away")))
        worker.run()
    item_id = IngestFile.objects.get(document=document).item_id
    assert worker.service.get_status(item_id) == Status.WAITING
    work = reprocess_document(document)
    assert (work.item_id, work.created) == (item_id, False)
    worker.run()
    assert IngestFile.objects.get(document=document).outcome == Outcome.COMPLETED


def test_an_old_item_that_is_put_back_after_a_reprocessing_does_nothing(owner, worker, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.pipeline.extract", _raise(CorruptFile()))
        document = accept_document(owner, "one heron")
        worker.run()
    old = IngestFile.objects.get(document=document).item_id
    monkeypatch.setattr("ingestion.reprocess.discard", lambda *args: None)
    work = reprocess_document(document)
    worker.run()
    worker.service.requeue(old)
    worker.run()
    file = IngestFile.objects.get(document=document)
    assert (file.outcome, file.item_id) == (Outcome.COMPLETED, work.item_id)
    assert HistoryItem.objects.get(pk=old).result == {"outcome": "superseded", "by": work.item_id}


def test_a_dead_item_that_a_person_puts_back_reopens_the_intake_and_completes_it(owner, worker, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.pipeline.extract", _raise(CorruptFile()))
        document = accept_document(owner, "one heron")
        worker.run()
    file = IngestFile.objects.select_related("intake").get(document=document)
    assert file.intake.status == IntakeStatus.FAILED
    worker.service.requeue(file.item_id)
    worker.run()
    file = IngestFile.objects.select_related("intake").get(document=document)
    assert (file.outcome, file.intake.status) == (Outcome.COMPLETED, IntakeStatus.COMPLETED)


def _raise(error):
    def fail(*args, **kwargs):
        raise error

    return fail
