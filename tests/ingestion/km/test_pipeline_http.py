"""Documents on their way to a knowledge store over HTTP: judged by what that store received, with real items."""

from __future__ import annotations

import hashlib
from contextlib import closing

import pytest
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone

from docqueue.models import Attempt, QueueItem
from docqueue.states import Status
from ingestion import sending
from ingestion.api import presenting
from ingestion.errors import StorageAway
from ingestion.km.describing import describe
from ingestion.km.fake_moods import Mood
from ingestion.models import Document, IngestFile, Intake, IntakeStatus, Outcome
from ingestion.services import cancel_intake, delete_document, reprocess_document, search
from ingestion.tags import set_document_tags
from tests.ingestion.factories import accept, accept_document, accept_zip, upload
from tests.ingestion.running import InlineWorker

pytestmark = pytest.mark.django_db(transaction=True)
DOCUMENTS = "/documents*"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("ingestion.km.http.PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("ingestion.km.http.HEALTH_SECONDS", 0.5)
    monkeypatch.setattr("ingestion.km.breaker.OPEN_SECONDS", 0.0)
    monkeypatch.setattr("ingestion.km.breaker.LONGEST_SECONDS", 0.0)


def papers(count: int) -> dict[str, str]:
    return {f"{n}.txt": f"paper {n} about herons" for n in range(count)}


def received(km) -> list[str]:
    """Hashes of what the store got, by its own account; each once."""
    assert {one.bodies for one in km.shelf.objects.values()} <= {1}
    return sorted(one.sha256 for one in km.shelf.objects.values())


def hashes(files: dict[str, str]) -> list[str]:
    return sorted(hashlib.sha256(text.encode()).hexdigest() for text in files.values())


def state(intake: Intake) -> dict:
    return presenting.intake(RequestFactory().get("/"), Intake.objects.get(pk=intake.pk))


def sent(km) -> list[dict]:
    return [one for one in km.log if one["path"] in ("/documents", "/documents/batch")]


def test_a_document_is_sent_once_and_found_here_as_well_as_there(owner, worker, http_km):
    document = accept_document(owner, "The heron waits.", tags=["birds"])
    worker.run()
    document.refresh_from_db()
    [there] = http_km.shelf.objects.values()
    assert document.km_ref == f"http:{there.ref}"
    assert (there.about["type"], there.about["tags"], there.about["owner"]) == ("text", ["birds"], str(owner.pk))
    assert search(owner.pk, "heron").hits[0].document_id == document.pk


def test_small_files_of_an_archive_go_in_one_request_and_a_large_one_alone(owner, worker, http_km):
    files = papers(50) | {"large.txt": "herons " * 50_000}
    intake = accept_zip(owner, files)
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"]) == (IntakeStatus.COMPLETED, 51)
    assert received(http_km) == hashes(files)
    assert sorted(one["path"] for one in sent(http_km)) == ["/documents", "/documents/batch"]
    assert Document.objects.filter(km_ref__startswith="http:km-").count() == 51


def test_one_of_fifty_that_the_store_refuses_fails_alone(owner, worker, http_km):
    http_km.behave(Mood(kind="refuse", name="20.txt", status=413, detail="at most 10 bytes here"))
    intake = accept_zip(owner, papers(50))
    worker.run()
    intake.refresh_from_db()
    assert (intake.counts["completed"], intake.counts["failed"]) == (49, 1)
    file = intake.files.get(outcome=Outcome.FAILED)
    assert (file.source_path, file.error_code, file.stage) == ("20.txt", "km_rejected_4xx", "upload_failed")
    assert "at most 10 bytes here" in file.error_message
    assert file.hint
    assert received(http_km) == hashes({name: text for name, text in papers(50).items() if name != "20.txt"})
    assert Attempt.objects.filter(outcome="failed").count() == 1


@pytest.mark.parametrize(
    "mood",
    [
        Mood(kind="refuse", status=503),
        Mood(kind="refuse", path=DOCUMENTS, status=503),
        Mood(kind="refuse", path=DOCUMENTS, status=429, retry_after=30),
        Mood(kind="refuse", status=500),
        Mood(kind="refuse", status=401),
        Mood(kind="refuse", path=DOCUMENTS, status=404),
        Mood(kind="cut", at="at_once"),
        Mood(kind="wrong_body"),
    ],
    ids=lambda mood: f"{mood.kind} {mood.path} {mood.status}",
)
def test_while_the_store_serves_nobody_files_wait_and_spend_no_attempt(owner, worker, http_km, mood):
    files = papers(4)
    single, intake = accept_document(owner, "on its own"), accept_zip(owner, files)
    if mood.status == 404:
        http_km.behave(mood, Mood(kind="refuse", path="/health", status=404))
    else:
        http_km.behave(mood)
    for _ in range(3):
        worker.run_retries()
    assert not http_km.shelf.objects
    assert set(IngestFile.objects.values_list("outcome", "waiting_reason")) == {("", "km_unavailable")}
    waits = QueueItem.objects.get(pk=single.file.item_id)
    assert (waits.status, waits.wait_reason, waits.attempt) == (Status.WAITING, "snoozed", 0)
    for row in (single.file.intake, intake):
        said = state(row)
        assert (said["waiting_reason"], said["finished"]) == ("km_unavailable", False)
    said = state(single.file.intake)
    assert said["state"].startswith("Waiting: KM unavailable, looks again in ")
    assert said["message_code"] == "waiting_for_km"
    [line] = {one.text for one in map(_line, intake.files.all())}
    assert line == "Waiting: KM unavailable"

    http_km.behave()
    for _ in range(3):
        worker.run_retries()
    assert set(IngestFile.objects.values_list("outcome", "waiting_reason")) == {(Outcome.COMPLETED.value, "")}
    assert received(http_km) == hashes(files | {"": "on its own"})
    assert not Attempt.objects.exclude(outcome="snoozed").exists()


def _line(file: IngestFile):
    from ingestion.states import file_line

    return file_line(file, QueueItem.objects.get(pk=file.item_id), timezone.now())


@pytest.mark.parametrize(
    ("mood", "code"),
    [
        (Mood(kind="refuse", path="/documents", status=500), "km_5xx"),
        (Mood(kind="cut", path="/documents"), "km_interrupted"),
        (Mood(kind="wrong_body", path="/documents"), "km_bad_answer"),
    ],
    ids=["500", "cut", "wrong body"],
)
def test_a_document_that_a_healthy_store_fails_with_spends_its_attempts_and_then_fails(
    owner, worker, http_km, mood, code
):
    http_km.behave(mood)
    document = accept_document(owner)
    for _ in range(6):
        worker.run_retries()
    file = IngestFile.objects.get(document=document)
    assert (file.outcome, file.error_code) == (Outcome.FAILED, code)
    assert Attempt.objects.filter(item_id=file.item_id).count() == 5
    http_km.behave()
    reprocess_document(document)
    worker.run()
    assert IngestFile.objects.get(document=document).outcome == Outcome.COMPLETED
    assert len(received(http_km)) == 1


def test_an_item_that_is_put_off_by_a_healthy_store_for_an_hour_begins_to_spend_attempts(
    owner, worker, http_km, monkeypatch
):
    http_km.behave(Mood(kind="refuse", path="/documents", status=503))
    document = accept_document(owner)
    worker.run_retries()
    assert not Attempt.objects.filter(outcome="failed").exists()
    monkeypatch.setattr("ingestion.queue_handlers.PATIENCE_SECONDS", 0)
    worker.run_retries()
    [attempt] = Attempt.objects.filter(item_id=document.file.item_id, outcome="failed")
    assert attempt.code == "km_5xx"


def test_a_batch_that_is_put_off_for_an_hour_by_a_healthy_store_is_left_to_its_files(
    owner, worker, http_km, monkeypatch
):
    http_km.behave(Mood(kind="refuse", path="/documents/batch", status=503))
    accept_zip(owner, papers(3))
    worker.run_retries()
    assert set(IngestFile.objects.values_list("waiting_reason", flat=True)) == {"km_unavailable"}
    monkeypatch.setattr("ingestion.queue_handlers.PATIENCE_SECONDS", 0)
    worker.run_retries()
    worker.run()
    assert received(http_km) == hashes(papers(3))
    assert set(IngestFile.objects.values_list("outcome", flat=True)) == {Outcome.COMPLETED}


@pytest.mark.parametrize("path", ["/documents", "/documents/batch"])
def test_an_answer_that_was_lost_after_the_store_had_stored_sends_nothing_twice(owner, worker, http_km, path):
    http_km.behave(Mood(kind="cut", path=path, at="answer", requests=1))
    files = papers(3) | {"large.txt": "herons " * 50_000}
    accept_zip(owner, files)
    worker.run()
    assert received(http_km) == hashes(files)
    assert set(IngestFile.objects.values_list("outcome", flat=True)) == {Outcome.COMPLETED}


def test_a_batch_that_can_not_be_sent_for_good_leaves_it_to_the_files(owner, worker, http_km):
    http_km.behave(Mood(kind="refuse", path="/documents/batch", status=500))
    intake = accept_zip(owner, papers(3))
    worker.run()
    intake.refresh_from_db()
    assert intake.counts["completed"] == 3
    assert received(http_km) == hashes(papers(3))
    assert not QueueItem.objects.filter(operation="document.send").exists(), "no dead item for what went well"


def test_the_same_content_twice_is_sent_once(owner, worker, http_km):
    intake = accept_zip(owner, {"a.txt": "one heron", "b.txt": "one heron", "c.txt": "one egret"})
    again = accept(owner, upload("d.txt", "one heron"))
    worker.run()
    intake.refresh_from_db()
    ends = [*intake.files.values_list("outcome", flat=True), again.files.get().outcome]
    assert sorted(ends) == [Outcome.COMPLETED, Outcome.COMPLETED, Outcome.DUPLICATE, Outcome.DUPLICATE]
    assert received(http_km) == hashes({"a": "one heron", "c": "one egret"})


def test_what_is_no_document_is_not_sent_ahead(owner, worker, http_km):
    from tests.ingestion.factories import zipped

    accept_zip(owner, {"a.txt": "alpha", "empty.txt": "", "in.zip": zipped({"b.txt": "beta"}), "c.txt": "gamma"})
    worker.run()
    assert received(http_km) == hashes({"a": "alpha", "b": "beta", "c": "gamma"})


def test_a_cancelled_intake_is_not_sent(owner, worker, http_km):
    intake = accept(owner, *(upload(f"{n}.txt", f"paper {n}") for n in range(5)))
    cancel_intake(intake, by="ann")
    worker.run()
    assert http_km.shelf.objects == {}
    intake.refresh_from_db()
    assert intake.status == IntakeStatus.CANCELLED
    assert not QueueItem.objects.exists()


def test_a_local_store_has_no_items_that_send(owner):
    accept(owner, *(upload(f"{n}.txt", f"paper {n}") for n in range(5)))
    assert set(QueueItem.objects.values_list("operation", "status")) == {("document.ingest", "pending")}


def test_a_deleted_document_goes_from_the_store_as_soon_as_that_can_be_reached(owner, worker, http_km):
    document = accept_document(owner)
    worker.run()
    http_km.behave(Mood(kind="refuse", status=503))
    delete_document(document)
    assert not Document.objects.exists()
    assert search(owner.pk, "heron").hits == []
    worker.run()
    assert len(http_km.shelf.objects) == 1
    http_km.behave()
    worker.run_retries()
    assert http_km.shelf.objects == {}
    assert not QueueItem.objects.exists()


def test_a_document_that_is_deleted_while_it_is_sent_does_not_stay_there(owner, worker, http_km, monkeypatch):
    documents = [accept_document(owner, "sent alone")]
    intake = accept(owner, *(upload(f"{n}.txt", f"paper {n}") for n in range(3)))
    documents.append(intake.files.get(ordinal=1).document)
    put = http_km.shelf.put

    def put_and_delete(about, body):
        for document in documents:
            if about["key"].startswith(f"{document.pk}:"):
                with closing(connection):
                    delete_document(Document.objects.get(pk=document.pk))
                    InlineWorker().run()  # what was to delete the copy may be there first
        return put(about, body)

    monkeypatch.setattr(http_km.shelf, "put", put_and_delete)
    worker.run()
    assert received(http_km) == hashes({"0": "paper 0", "2": "paper 2"})


def test_a_batch_that_died_after_it_had_sent_leaves_nothing_of_what_was_deleted_meanwhile(owner, worker, http_km):
    intake = accept(owner, *(upload(f"{n}.txt", f"paper {n}") for n in range(3)))
    documents = [describe(file.document) for file in intake.files.order_by("ordinal")]
    put = http_km.shelf.put

    def put_and_die(about, body):
        if about["key"] == documents[1].key:
            with closing(connection):
                delete_document(Document.objects.get(pk=documents[1].id))
                InlineWorker().run()  # what was to delete the copy may be there first
        return put(about, body)

    claimed = worker.claim()
    assert claimed.operation == "document.send"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_km.shelf, "put", put_and_die)
        patch.setattr(sending, "_keep", _raise(SystemExit()))
        with pytest.raises(SystemExit):
            sending.send(claimed.payload, claimed)
    assert documents[1].key in http_km.shelf.objects
    worker.service.release(claimed)
    worker.run()
    assert received(http_km) == hashes({"0": "paper 0", "2": "paper 2"})


def _raise(error):
    def fail(*_args, **_kwargs):
        raise error

    return fail


def test_tags_are_told_to_the_store(owner, worker, http_km):
    document = accept_document(owner)
    worker.run()
    http_km.behave(Mood(kind="refuse", status=503))
    set_document_tags(document, ["birds"])
    worker.run()
    http_km.behave()
    worker.run_retries()
    [there] = http_km.shelf.objects.values()
    assert there.about["tags"] == ["birds"]


def test_reprocessing_asks_the_store_and_sends_only_what_it_does_not_have(owner, worker, http_km):
    document = accept_document(owner)
    worker.run()
    reprocess_document(document)
    worker.run()
    assert len(sent(http_km)) == 1
    http_km.shelf.objects.clear()
    reprocess_document(document)
    worker.run()
    assert len(received(http_km)) == 1
    document.refresh_from_db()
    assert document.km_ref == f"http:{next(iter(http_km.shelf.objects.values())).ref}"


def test_what_a_local_store_has_is_sent_when_it_is_reprocessed(owner, worker, http_km, settings):
    theirs = settings.INGESTION
    settings.INGESTION = {**theirs, "KM": "ingestion.km.local.LocalKM"}
    document = accept_document(owner)
    worker.run()
    settings.INGESTION = theirs
    reprocess_document(document, from_stage="indexing")
    worker.run()
    assert len(received(http_km)) == 1


def test_looks_that_find_the_store_away_enqueue_nothing_for_what_was_deleted(owner, worker, http_km):
    intake = accept(owner, *(upload(f"{n}.txt", f"paper {n}") for n in range(3)))
    http_km.behave(Mood(kind="refuse", status=503))
    worker.run_retries()
    delete_document(intake.files.get(ordinal=1).document)
    for _ in range(5):
        worker.run_retries()
    assert QueueItem.objects.filter(operation="document.forget").count() <= 1
    http_km.behave()
    worker.run_retries()
    worker.run_retries()
    assert received(http_km) == hashes({"0": "paper 0", "2": "paper 2"})
    assert not QueueItem.objects.exists()


def test_a_batch_waits_while_the_documents_storage_is_away(owner, worker, http_km, monkeypatch):
    accept(owner, *(upload(f"{n}.txt", f"paper {n}") for n in range(3)))

    def away(key):
        raise StorageAway("nobody answers")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingestion.storage.local_path", away)
        patch.setattr("ingestion.storage.open", away)
        worker.run()
    assert set(IngestFile.objects.values_list("waiting_reason", flat=True)) == {"storage_unavailable"}
    assert not Attempt.objects.filter(outcome="failed").exists()
    worker.run_retries()
    assert received(http_km) == hashes({str(n): f"paper {n}" for n in range(3)})
    assert len([one for one in http_km.log if one["path"] == "/documents/batch"]) == 1
