"""Reprocessing: a new item for the same document, and the old text until the new one is there."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from docqueue.models import AuditEntry, HistoryItem, QueueItem
from docqueue.states import Status
from ingestion.errors import CorruptFile, InvalidStage, StorageUnavailable
from ingestion.extract import Page
from ingestion.models import Chunk, Document, IngestFile, IntakeStatus, Outcome
from ingestion.search.chunking import chunk_pages
from ingestion.services import reconcile, reprocess_document, search
from tests.ingestion.factories import accept_document
from tests.ingestion.running import finish_dead

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


def test_who_searches_while_the_new_text_is_written_finds_the_old_and_never_both_or_none(owner, worker, monkeypatch):
    """A search in a session of its own, when everything is written and nothing is committed."""
    document = accept_document(owner, "old heron")
    worker.run()
    reprocess_document(document)
    from ingestion import pipeline

    real, seen = pipeline._end_as_completed, []
    monkeypatch.setattr(pipeline, "chunk_pages", lambda pages: list(chunk_pages((Page(1, "new egret"),))))

    def end(*args):
        ended = real(*args)
        assert Chunk.objects.get(document=document).text == "new egret"
        with ThreadPoolExecutor(1) as pool:
            seen.append(pool.submit(_hits, owner.pk).result(30))
        return ended

    monkeypatch.setattr(pipeline, "_end_as_completed", end)
    worker.run()
    assert seen == [(1, 0)]
    assert _hits(owner.pk) == (0, 1)


def _hits(owner_id):
    try:
        return tuple(len(search(owner_id, word).hits) for word in ("heron", "egret"))
    finally:
        if threading.current_thread() is not threading.main_thread():
            connection.close()


@pytest.mark.parametrize("how", ["refused", "killed"])
def test_a_reprocessing_that_fails_leaves_text_document_and_receipt_as_they_were(owner, worker, monkeypatch, how):
    document = accept_document(owner, "old heron")
    worker.run()
    before = Document.objects.values().get(pk=document.pk)
    work = reprocess_document(document)
    if how == "killed":
        finish_dead(work.item_id, "crashed", "it ended its process each time")
        reconcile()
    else:
        monkeypatch.setattr("ingestion.pipeline.extract", _raise(CorruptFile()))
        worker.run()
    file = IngestFile.objects.get(document=document)
    assert (file.outcome, file.stage) == (Outcome.FAILED, "upload_failed" if how == "killed" else "index_failed")
    assert len(search(owner.pk, "heron").hits) == 1
    assert Document.objects.values().get(pk=document.pk) == before
    assert before["receipt_sha256"]
    again = accept_document(owner, "old heron")
    worker.run()
    assert IngestFile.objects.get(document=again).duplicate_of_id == document.pk, "the content is still known"


def test_from_indexing_on_the_store_keeps_its_reference(owner, worker, monkeypatch):
    document = accept_document(owner)
    worker.run()
    Document.objects.filter(pk=document.pk).update(km_ref="local:42")
    monkeypatch.setattr("ingestion.km.local.LocalKM.put", _raise(AssertionError("it was handed over again")))
    reprocess_document(document, from_stage="indexing")
    worker.run()
    document.refresh_from_db()
    assert (document.km_ref, document.file.outcome) == ("local:42", Outcome.COMPLETED)


def test_from_uploading_on_the_store_is_handed_the_bytes_again(owner, worker):
    document = accept_document(owner)
    worker.run()
    Document.objects.filter(pk=document.pk).update(km_ref="local:42")
    reprocess_document(document)
    worker.run()
    document.refresh_from_db()
    assert document.km_ref == f"local:{document.pk}"


@pytest.mark.parametrize("stage", ["", "pending", "unzipping", "completed"])
def test_a_document_is_processed_from_no_other_stage(owner, worker, stage):
    document = accept_document(owner)
    worker.run()
    with pytest.raises(InvalidStage):
        reprocess_document(document, from_stage=stage)
    assert not QueueItem.objects.exists()


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
        patch.setattr("ingestion.km.local.LocalKM.put", _raise(StorageUnavailable("away")))
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
