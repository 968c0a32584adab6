"""The desk: what each button does, what the audit has of it, and what whoever came second is told."""

from __future__ import annotations

import threading

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from docqueue.models import AuditEntry, QueueItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from ingestion.acting import acting_as
from ingestion.errors import AlreadyUnderWay, CorruptFile
from ingestion.models import Document, IngestFile, Intake, IntakeStatus, Outcome
from ingestion.reprocess_many import REPROCESS_MANY
from tests.ingestion.factories import UserFactory, accept, accept_document, accept_zip, upload
from tests.ingestion.running import until_somebody_waits_for_us

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada(transactional_db):
    return operator("ada")


@pytest.fixture
def bob(transactional_db):
    return operator("bob")


@pytest.fixture
def failed(owner, worker, monkeypatch):
    """An intake with two files that failed and one that did not."""
    intake = accept(owner, *[upload(f"{n}.txt", f"text {n}") for n in range(3)])
    worker.run_claimed(worker.claim())
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.pipeline.extract", _torn)
        worker.run()
    return intake


def operator(name):
    client = Client()
    client.force_login(UserFactory(username=name, is_staff=True, is_superuser=True))
    return client


def do(client, kind, pk, verb, **given):
    """A click on a button of a page, confirmed."""
    address = reverse(f"admin:ingestion_{kind}_do", args=[pk, verb])
    return client.post(address, {"confirmed": "yes", "reason": "as asked", **given}, follow=True).content.decode()


def page(client, kind, pk):
    return client.get(reverse(f"admin:ingestion_{kind}_change", args=[pk])).content.decode()


def audited(action):
    """The entries of this action: who, why, and about what."""
    return [(one.actor, one.reason, one.filter) for one in AuditEntry.objects.filter(action=action).order_by("id")]


# -- intakes


def test_the_failed_files_of_an_intake_are_retried_with_their_number_on_the_button(ada, worker, failed):
    assert "Retry 2 failed files" in page(ada, "intake", failed.pk)
    told = do(ada, "intake", failed.pk, "retry")
    order = QueueItem.objects.get(operation=REPROCESS_MANY)
    assert f"Queue item {order.pk} puts them into the queue" in told
    [(actor, reason, about)] = audited("retry_intake")
    assert (actor, reason, about) == ("ada", "as asked", {"intake": failed.pk})
    assert AuditEntry.objects.get(action="retry_intake").count == 2
    assert LogEntry.objects.get().is_change()
    worker.run()
    assert not failed.files.exclude(outcome=Outcome.COMPLETED).exists()


def test_who_retries_an_intake_second_is_told_who_was_first_and_nothing_is_done_twice(ada, bob, failed):
    do(ada, "intake", failed.pk, "retry")
    told = do(bob, "intake", failed.pk, "retry")
    assert "is about to do it" in told
    assert "Last: retry_intake by ada" in told
    assert QueueItem.objects.filter(operation=REPROCESS_MANY).count() == 1
    assert len(audited("retry_intake")) == 1


def test_an_intake_without_failed_files_has_nothing_to_retry(ada, owner, worker):
    intake = accept(owner)
    worker.run()
    assert "Retry" not in page(ada, "intake", intake.pk)
    assert "It has not failed" in do(ada, "intake", intake.pk, "retry")
    assert audited("retry_intake") == []


def test_cancelling_an_intake_asks_with_the_number_of_files_that_stop(ada, owner, worker):
    intake = accept(owner, *[upload(f"{n}.txt", str(n)) for n in range(3)])
    worker.run_claimed(worker.claim())
    address = reverse("admin:ingestion_intake_do", args=[intake.pk, "cancel"])
    asked = ada.post(address, {"reason": "too many"}).content.decode()
    assert "Yes, Cancel 2 files that have not ended" in asked
    assert 'value="too many"' in asked
    assert ada.get(address).status_code == 200
    intake.refresh_from_db()
    assert intake.cancel_requested_at is None, "nothing was done yet"
    assert "1 intake is being cancelled" in do(ada, "intake", intake.pk, "cancel")
    intake.refresh_from_db()
    assert intake.status == IntakeStatus.CANCELLED
    assert audited("cancel_intake") == [("ada", "as asked", {"intake": intake.pk})]


def test_who_cancels_an_intake_second_is_told_so(ada, bob, owner, worker):
    intake = accept(owner)
    running = worker.claim()
    do(ada, "intake", intake.pk, "cancel")
    told = do(bob, "intake", intake.pk, "cancel")
    assert "its end was asked for before" in told
    assert "Last: cancel_intake by ada" in told
    worker.run_claimed(running)
    ended = do(bob, "intake", intake.pk, "cancel")
    assert "is cancelled already" in ended
    assert "by ada" in ended
    assert len(audited("cancel_intake")) == 1


def test_an_intake_that_was_begun_anew_can_be_cancelled_anew(ada, owner, worker):
    intake = accept(owner)
    do(ada, "intake", intake.pk, "cancel")
    acting_as(UserFactory(is_superuser=True)).reprocess_file(_file(intake))
    assert "1 intake is being cancelled" in do(ada, "intake", intake.pk, "cancel")
    assert len(audited("cancel_intake")) == 2


def test_deleting_an_intake_asks_with_counts_and_the_second_hears_of_the_first(ada, bob, owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha", "b.txt": "beta", "c.exe": b"MZ" + b"\0" * 200})
    worker.run()
    asked = ada.post(reverse("admin:ingestion_intake_do", args=[intake.pk, "delete"])).content.decode()
    assert "files</th><td>3<" in asked
    assert "documents</th><td>3<" in asked
    assert "1 intake is deleted" in do(ada, "intake", intake.pk, "delete")
    assert not Intake.objects.exists()
    assert audited("delete_intake") == [("ada", "as asked", {"intake": intake.pk, "name": "papers.zip"})]
    told = do(bob, "intake", intake.pk, "delete")
    assert "is not there any more. Last: delete_intake by ada" in told
    assert len(audited("delete_intake")) == 1
    gone = bob.get(reverse("admin:ingestion_intake_change", args=[intake.pk]), follow=True).content.decode()
    assert "Last: delete_intake by ada" in gone


def test_an_intake_is_not_retried_while_its_first_order_waits_even_if_both_ask_at_once(failed):
    """The second waits for the row that the first has locked, and then sees what the first has begun."""
    first, second = (acting_as(UserFactory(username=name, is_superuser=True)) for name in ("ada", "bob"))
    told = []

    def late():
        try:
            second.retry_intake(failed)
        except AlreadyUnderWay as error:
            told.append(str(error))
        finally:
            connection.close()

    thread = threading.Thread(target=late)
    with transaction.atomic():
        started = first.retry_intake(failed)
        thread.start()
        until_somebody_waits_for_us()
    thread.join(20)
    assert told == [f"Item #{started.item_id} is about to do it."]
    assert QueueItem.objects.filter(operation=REPROCESS_MANY).count() == 1


# -- files


def test_a_failed_file_is_retried_and_the_second_hears_of_the_first(ada, bob, worker, failed):
    file = failed.files.filter(outcome=Outcome.FAILED).first()
    dead = file.item_id
    told = do(ada, "ingestfile", file.pk, "retry")
    file.refresh_from_db()
    assert file.item_id != dead
    assert f"Item #{file.item_id} processes it anew" in told
    about = {"intake": failed.pk, "file": file.pk, "document": file.document_id}
    assert audited("retry_file") == [("ada", "as asked", about)]
    again = do(bob, "ingestfile", file.pk, "retry")
    assert "It has not failed" in again
    assert "Last: retry_file by ada" in again
    assert len(audited("retry_file")) == 1


def test_of_two_that_reprocess_a_file_the_second_changes_nothing(ada, bob, worker, failed):
    file = failed.files.get(outcome=Outcome.COMPLETED)
    assert "Item #" in reprocess(ada, "ingestfile", file.pk, from_stage="indexing")
    told = reprocess(bob, "ingestfile", file.pk)
    assert "is at it already" in told
    assert "Last: reprocess_file by ada" in told
    assert QueueItem.objects.filter(document_id=str(file.document_id)).count() == 1
    assert [actor for actor, _, _ in audited("reprocess_file")] == ["ada"]


def test_a_file_is_cancelled_and_one_that_has_ended_is_not(ada, bob, owner):
    file = _file(accept(owner))
    assert "Cancel …" in page(ada, "ingestfile", file.pk)
    assert "work on 1 file is being cancelled" in do(ada, "ingestfile", file.pk, "cancel")
    file.refresh_from_db()
    assert file.outcome == Outcome.CANCELLED
    about = {"intake": file.intake_id, "file": file.pk, "document": file.document_id}
    assert audited("cancel_file") == [("ada", "as asked", about)]
    assert "Cancel …" not in page(bob, "ingestfile", file.pk)
    told = do(bob, "ingestfile", file.pk, "cancel")
    assert "has ended already" in told
    assert "Last: cancel_file by ada" in told


def test_a_file_that_waits_for_its_archive_can_not_be_cancelled_by_itself(ada, owner):
    intake = accept_zip(owner, {"a.txt": "alpha"})
    row = IngestFile.objects.create(intake=intake, ordinal=1, source_path="a.txt", safe_name="a.txt")
    assert "Cancel the whole intake" in do(ada, "ingestfile", row.pk, "cancel")
    row.refresh_from_db()
    assert row.outcome == ""
    assert "has no item in the queue" in page(ada, "ingestfile", row.pk)


# -- documents


def test_a_document_is_reprocessed_by_an_item_of_its_own(ada, owner, worker):
    document = accept_document(owner)
    worker.run()
    link = reverse("admin:ingestion_document_reprocess") + f"?only={document.pk}"
    assert link in page(ada, "document", document.pk)
    preview = ada.get(link).content.decode()
    assert "can be processed anew</th><td>1<" in preview
    assert 'name="priority"' not in preview, "it has that of its upload"
    told = reprocess(ada, "document", document.pk, reason="the parser is better now")
    item = QueueItem.objects.get()
    assert (item.operation, item.document_id) == ("document.ingest", str(document.pk))
    assert f"Item #{item.pk} processes it anew" in told
    [(actor, reason, about)] = audited("reprocess_document")
    assert (actor, reason, about["document"]) == ("ada", "the parser is better now", document.pk)
    assert AuditEntry.objects.get(action="reprocess_document").item_id == item.pk


def test_deleting_a_document_asks_with_its_pieces_and_the_second_is_told(ada, bob, owner, worker):
    document = accept_document(owner, "a heron", "herons.txt")
    worker.run()
    file = document.file
    asked = ada.post(reverse("admin:ingestion_document_do", args=[document.pk, "delete"])).content.decode()
    assert "piece of text</th><td>1<" in asked
    assert "1 document is deleted" in do(ada, "document", document.pk, "delete")
    assert not Document.objects.exists()
    about = {"document": document.pk, "name": "herons.txt", "intake": file.intake_id, "file": file.pk}
    assert audited("delete_document") == [("ada", "as asked", about)]
    assert "Last: delete_document by ada" in do(bob, "document", document.pk, "delete")
    assert "Deleted" in page(ada, "ingestfile", file.pk), "its file stays, and says so"
    assert "delete_document" in page(ada, "intake", file.intake_id)


def test_a_delete_that_lost_within_the_service_says_so(ada, owner, worker, monkeypatch):
    document = accept_document(owner)
    worker.run()
    monkeypatch.setattr("ingestion.acting.delete_document", lambda *_, **__: False)
    told = do(ada, "document", document.pk, "delete")
    assert "it was gone already" in told
    assert "is deleted" not in told


def test_the_bytes_are_a_download_that_the_audit_has(ada, owner, worker):
    document = accept_document(owner, "<script>alert(1)</script>", "evil.html")
    worker.run()
    file = document.file
    for kind, pk in (("document", document.pk), ("ingestfile", file.pk)):
        address = reverse(f"admin:ingestion_{kind}_content", args=[pk])
        assert address in page(ada, kind, pk)
        answer = ada.get(address)
        assert b"".join(answer.streaming_content) == b"<script>alert(1)</script>"
        assert answer["Content-Disposition"] == 'attachment; filename="evil.html"'
        assert answer["Content-Type"] == "application/octet-stream"
        assert answer["X-Content-Type-Options"] == "nosniff"
    assert AuditEntry.objects.filter(action__in=("download_document", "download_file"), actor="ada").count() == 2


def test_bytes_that_are_not_kept_are_told_of_on_the_page(ada, owner):
    file = _file(accept(owner))
    IngestFile.objects.filter(pk=file.pk).update(blob=None)
    answer = ada.get(reverse("admin:ingestion_ingestfile_content", args=[file.pk]), follow=True)
    assert "The bytes of this file are not kept" in answer.content.decode()
    assert not AuditEntry.objects.exists()


# -- lists


def test_several_are_cancelled_at_once_and_each_that_was_not_is_named(ada, owner, worker):
    done = accept(owner)
    worker.run()
    waiting = [accept(owner, upload(f"{n}.txt", str(n))) for n in range(2)]
    pks = [done.pk, *(intake.pk for intake in waiting), 4711]
    form = {"action": "cancel", "_selected_action": pks}
    listing = reverse("admin:ingestion_intake_changelist")
    assert "Yes, Cancel 2 files that have not ended" in ada.post(listing, form).content.decode()
    told = ada.post(listing, {**form, "confirmed": "yes"}, follow=True).content.decode()
    assert "2 intakes are being cancelled" in told
    assert f"intake {done.pk}: This intake is completed already" in told
    assert "intake 4711 is not there any more" in told
    assert Intake.objects.filter(status=IntakeStatus.CANCELLED).count() == 2


@pytest.mark.parametrize(("kind", "key"), [("ingestfile", "files"), ("document", "documents")])
def test_of_the_ticked_rows_only_the_failed_ones_are_retried_after_a_preview(ada, failed, kind, key):
    pks = [{"ingestfile": file.pk, "document": file.document_id}[kind] for file in failed.files.all()]
    form = {"action": "retry", "_selected_action": pks}
    preview = ada.post(reverse(f"admin:ingestion_{kind}_changelist"), form).content.decode()
    assert "can be processed anew</th><td>2<" in preview
    selection = ada.post(reverse(f"admin:ingestion_{kind}_changelist"), form).context["selection"]
    form = {"selection": selection, "priority": "-50", "reason": "mended"}
    ada.post(reverse(f"admin:ingestion_{kind}_reprocess"), form, follow=True)
    order = QueueItem.objects.get(operation=REPROCESS_MANY)
    assert order.payload["selection"] == {key: pks, "outcome": "failed"}
    [(actor, reason, about)] = audited("reprocess_many")
    assert (actor, reason, about[key]) == ("ada", "mended", pks)


# -- the audit of what the API and programs do


def test_a_program_leaves_no_entry_and_the_owner_does(owner):
    from ingestion.services import cancel_intake, delete_intake

    intake = accept(owner)
    cancel_intake(intake)
    assert audited("cancel_intake") == []
    delete_intake(intake, by="owner")
    assert [actor for actor, _, _ in audited("delete_intake")] == ["owner"]


def test_the_item_of_a_retry_has_the_entry_on_its_own_page(ada, failed):
    file = failed.files.filter(outcome=Outcome.FAILED).first()
    do(ada, "ingestfile", file.pk, "retry")
    file.refresh_from_db()
    assert QueueItem.objects.get(pk=file.item_id).status == Status.PENDING
    told = ada.get(reverse("admin:docqueue_queueitem_change", args=[file.item_id])).content.decode()
    assert "retry_file" in told
    assert "as asked" in told


def test_the_audit_takes_what_a_program_says_of_a_thing(transactional_db):
    service = DocumentQueueService()
    service.audit("moved", by="ada\0", reason="r" * 2000, shelf=7)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.filter, entry.item_id, entry.count) == ("moved", {"shelf": 7}, None, 1)
    assert len(entry.reason) == 1000


def reprocess(client, kind, pk, **given):
    """The preview of one row, confirmed."""
    address = reverse(f"admin:ingestion_{kind}_reprocess")
    selection = client.get(address, {"only": pk}).context["selection"]
    return client.post(address, {"selection": selection, **given}, follow=True).content.decode()


def _file(intake):
    return intake.files.select_related("document", "intake", "parent", "blob").get()


def _torn(*args, **kwargs):
    raise CorruptFile
