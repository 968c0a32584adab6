"""Processing many anew: by an item of its own, slice by slice, nothing twice and nothing for ever."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest
from django.db import transaction
from django.utils import timezone

from docqueue.exceptions import InvalidPriority
from docqueue.models import AuditEntry, HistoryItem, QueueItem
from docqueue.states import Status
from ingestion import reprocess_many, storage
from ingestion.errors import CorruptFile, InvalidStage
from ingestion.models import Blob, Document, IngestFile, Intake, IntakeKind, IntakeStatus, Outcome, Stage
from ingestion.reprocess_many import Order, order_progress, start_order
from ingestion.selecting import Selection
from ingestion.services import cancel_intake, search
from tests.ingestion.factories import UserFactory, accept, accept_document, accept_zip, upload
from tests.ingestion.running import WorkerProcess

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def failed(owner, worker, monkeypatch):
    """Five files that failed with corrupt_file, and one that did not."""
    intake = accept(owner, *[upload(f"{n}.txt", f"heron number {n}") for n in range(5)])
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.pipeline.extract", _raise(CorruptFile()))
        worker.run()
    accept_document(owner, "a well read egret")
    worker.run()
    return intake


def ask(**selection):
    given = {key: selection.pop(key) for key in ("from_stage", "priority", "by") if key in selection}
    return start_order(Order.of(Selection(**selection), **given))


def ingests():
    return QueueItem.objects.filter(operation="document.ingest")


def test_all_that_failed_with_a_code_is_processed_anew(owner, worker, failed):
    started = ask(owner=owner.pk, error_code="corrupt_file", by="ada")
    assert (started.counts.reprocessable, QueueItem.objects.get(pk=started.item_id).priority) == (5, -50)
    worker.run()
    failed.refresh_from_db()
    assert (failed.status, failed.counts["completed"]) == (IntakeStatus.COMPLETED, 5)
    assert HistoryItem.objects.get(pk=started.item_id).result == {"documents": 5, "skipped": 0, "archives": 0}
    assert len(search(owner.pk, "heron").hits) == 5
    assert set(AuditEntry.objects.filter(action="discard").values_list("actor", flat=True)) == {"ada"}
    assert not QueueItem.objects.exists(), "dead items were given up"


def test_what_was_asked_for_is_not_begun_before_a_worker_has_it(owner, failed):
    ask(owner=owner.pk, error_code="corrupt_file")
    assert not ingests().exclude(status=Status.DEAD).exists()
    assert set(failed.files.values_list("outcome", flat=True)) == {Outcome.FAILED}


def test_the_new_items_have_the_priority_that_was_asked_for_and_their_intakes_name(owner, worker, failed):
    ask(owner=owner.pk, error_code="corrupt_file", priority="high")
    worker.run_claimed(worker.claim())
    items = ingests()
    assert {(item.priority, item.metadata["intake"]) for item in items} == {(50, str(failed.pk))}
    assert items.count() == 5


def test_what_fails_again_is_not_taken_again(owner, worker, failed, monkeypatch):
    """The first slice's files have failed again before the second is looked for."""
    monkeypatch.setattr("ingestion.pipeline.extract", _raise(CorruptFile()))
    monkeypatch.setattr(reprocess_many, "SLICE", 2)
    order = Order.of(Selection(owner=owner.pk, error_code="corrupt_file"), priority=100)
    started = start_order(order)
    item = worker.claim()
    slices = []
    real = reprocess_many._slice

    def one(order, reached):
        did = real(order, reached)
        slices.append(did["documents"])
        return did

    monkeypatch.setattr(reprocess_many, "_slice", one)
    monkeypatch.setattr("ingestion.queue_handlers.RowProgress", lambda file, ctx: lambda *args: None)
    # Between two slices, everything that is in the queue runs to its end.
    real_report = worker.progress
    monkeypatch.setattr(worker, "progress", lambda *args: (real_report(*args), worker.run()))
    worker.run_claimed(item)
    worker.run()
    assert slices == [2, 2, 1]
    assert failed.files.filter(outcome=Outcome.FAILED, error_code="corrupt_file").count() == 5
    assert HistoryItem.objects.get(pk=started.item_id).result["documents"] == 5
    assert not ingests().exclude(status=Status.DEAD).exists()


def test_asking_twice_makes_one_item_a_document(owner, worker, failed):
    first = ask(owner=owner.pk, error_code="corrupt_file")
    second = ask(owner=owner.pk, intakes=(failed.pk,))
    for _ in range(2):
        worker.run_claimed(worker.claim())
    assert Counter(ingests().values_list("document_id", flat=True)).most_common(1)[0][1] == 1
    assert HistoryItem.objects.get(pk=first.item_id).result["documents"] == 5
    assert HistoryItem.objects.get(pk=second.item_id).result["documents"] == 0
    third = ask(owner=owner.pk, intakes=(failed.pk,))
    assert (third.item_id, third.counts.under_way) == (None, 5)


def test_a_process_that_dies_between_slices_goes_on_behind_them(owner, worker, failed, monkeypatch):
    monkeypatch.setattr(reprocess_many, "SLICE", 2)
    started = ask(owner=owner.pk, error_code="corrupt_file", priority=100)
    real = reprocess_many._slice
    with monkeypatch.context() as patch:
        patch.setattr(reprocess_many, "_slice", _dies_after(2, real))
        item = worker.claim()
        worker.run_and_die(item)
    before = set(ingests().exclude(status=Status.DEAD).values_list("pk", flat=True))
    assert len(before) == 4
    progress = order_progress(started.item_id, owner.pk)
    assert (progress.documents, progress.percent, progress.finished) == (4, 80, False)
    worker.service.release(item)
    asked = []
    monkeypatch.setattr(reprocess_many, "_slice", lambda order, reached: asked.append(reached) or real(order, reached))
    worker.run_claimed(worker.claim())
    assert len(asked) == 1, "slices that were done are not looked for again"
    after = ingests().exclude(status=Status.DEAD)
    assert before < set(after.values_list("pk", flat=True))
    assert Counter(after.values_list("document_id", flat=True)).most_common(1)[0][1] == 1
    progress = order_progress(started.item_id, owner.pk)
    assert (progress.documents, progress.percent, progress.finished) == (5, 100, True)


def test_a_slice_whose_process_dies_inside_of_it_leaves_nothing(owner, worker, failed, monkeypatch):
    ask(owner=owner.pk, error_code="corrupt_file", priority=100)
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.reprocess.discard", _raise(SystemExit("killed")))
        worker.run_and_die(worker.claim())
    assert not ingests().exclude(status=Status.DEAD).exists()
    assert set(failed.files.values_list("outcome", flat=True)) == {Outcome.FAILED}
    failed.refresh_from_db()
    assert failed.finished_at is not None


def test_a_dead_item_that_a_person_has_put_back_is_left_alone(owner, worker, failed):
    put_back = failed.files.first()
    worker.service.requeue(put_back.item_id, delay_seconds=3600)
    started = ask(owner=owner.pk, error_code="corrupt_file")
    worker.run()
    assert HistoryItem.objects.get(pk=started.item_id).result == {"documents": 4, "skipped": 1, "archives": 0}
    put_back.refresh_from_db()
    assert put_back.outcome == Outcome.FAILED


def test_files_without_bytes_and_system_files_are_not_processed(owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha", ".DS_Store": b"\0"})
    worker.run()
    started = ask(owner=owner.pk, intakes=(intake.pk,))
    assert (started.counts.reprocessable, started.counts.not_reprocessable) == (1, 1)
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["skipped"], intake.counts["completed"]) == (IntakeStatus.COMPLETED, 1, 1)


def test_from_indexing_on_the_knowledge_store_is_not_handed_the_bytes_again(owner, worker, monkeypatch):
    document = accept_document(owner, "old heron")
    worker.run()
    document.refresh_from_db()
    reference = document.km_ref
    monkeypatch.setattr("ingestion.km.local.LocalKM.put", _raise(AssertionError("it was handed them again")))
    ask(owner=owner.pk, documents=(document.pk,), from_stage=Stage.INDEXING)
    worker.run()
    document.refresh_from_db()
    assert (document.file.outcome, document.km_ref) == (Outcome.COMPLETED, reference)


def test_from_indexing_on_a_document_that_was_never_handed_over_is_all_the_same(owner, worker, failed):
    ask(owner=owner.pk, error_code="corrupt_file", from_stage=Stage.INDEXING)
    worker.run()
    refs = set(failed.files.values_list("document__km_ref", flat=True))
    assert len(refs) == 5
    assert "" not in refs


def test_a_stage_that_there_is_not_and_a_priority_out_of_range_are_refused(owner):
    with pytest.raises(InvalidStage):
        Order.of(Selection(owner=owner.pk, outdated=True), from_stage="completed")
    with pytest.raises(InvalidPriority):
        Order.of(Selection(owner=owner.pk, outdated=True), priority=101)


def test_progress_is_told_to_its_owner_only(owner, failed):
    started = ask(owner=owner.pk, error_code="corrupt_file")
    assert order_progress(started.item_id, owner.pk).selection == {"error_code": "corrupt_file"}
    assert order_progress(started.item_id, UserFactory().pk) is None
    assert order_progress(failed.files.first().item_id, owner.pk) is None


def test_a_cancelled_order_keeps_what_it_has_done(owner, worker, failed, monkeypatch):
    monkeypatch.setattr(reprocess_many, "SLICE", 2)
    started = ask(owner=owner.pk, error_code="corrupt_file", priority=100)
    item = worker.claim()
    worker.service.cancel(started.item_id)
    worker.run_claimed(item)
    progress = order_progress(started.item_id, owner.pk)
    assert (progress.status, progress.finished) == (Status.CANCELLED, True)
    assert ingests().exclude(status=Status.DEAD).count() == progress.documents


def test_an_intake_that_is_cancelled_after_it_was_asked_for_stays_cancelled(owner, worker, failed, monkeypatch):
    monkeypatch.setattr(reprocess_many, "SLICE", 2)
    started = ask(owner=owner.pk, intakes=(failed.pk,), priority=100)
    real = reprocess_many._slice

    def one(order, reached):
        if reached and not failed.files.filter(outcome=Outcome.CANCELLED).exists():
            cancel_intake(failed)
        return real(order, reached)

    monkeypatch.setattr(reprocess_many, "_slice", one)
    worker.run()
    assert HistoryItem.objects.get(pk=started.item_id).result == {"documents": 2, "skipped": 3, "archives": 0}
    failed.refresh_from_db()
    assert failed.finished_at is not None
    assert sorted(failed.files.values_list("outcome", flat=True)) == ["cancelled"] * 2 + ["failed"] * 3


@pytest.mark.timeout(240)
def test_a_killed_worker_doubles_nothing_and_forgets_nothing(root, project_env):
    """kill -9 of a real worker that has its first slice behind it and waits for a row of the second."""
    owner = UserFactory()  # whose files are where the worker looks for them
    env = project_env | {"DOCQUEUE_LEASE_SECONDS": "3"}
    many, few = _failed_intake(owner, reprocess_many.SLICE), _failed_intake(owner, 20)
    started = ask(owner=owner.pk, error_code="timed_out", priority=100)
    with transaction.atomic():
        Intake.objects.select_for_update().get(pk=few.pk)
        with WorkerProcess(root, env) as worker:
            worker.until(lambda: many.files.filter(outcome=Outcome.FAILED).count() == 0, 60)
            os.killpg(worker.process.pid, signal.SIGKILL)
            worker.process.wait()
        assert not few.files.exclude(outcome=Outcome.FAILED).exists()
    with WorkerProcess(root, env) as worker:
        worker.until(lambda: not QueueItem.objects.exists(), 120)
    assert HistoryItem.objects.get(pk=started.item_id).result["documents"] == reprocess_many.SLICE + 20
    runs = HistoryItem.objects.filter(operation="document.ingest")
    assert set(Counter(runs.values_list("document_id", flat=True)).values()) == {1}
    assert Counter(IngestFile.objects.values_list("outcome", flat=True)) == {
        Outcome.COMPLETED: 1,
        Outcome.DUPLICATE: reprocess_many.SLICE + 19,
    }


def _failed_intake(owner, count):
    """An upload whose files, all with the same bytes, have timed out."""
    blob = Blob.objects.first()
    if blob is None:
        stored = storage.put_stream([b"The heron waits."])
        blob = Blob.objects.create(sha256=stored.sha256, size=stored.size, storage_key=stored.key)
    now = timezone.now()
    ended = {"unpacked_at": now, "finished_at": now, "status": IntakeStatus.FAILED, "planned_files": count}
    intake = Intake.objects.create(owner=owner, kind=IntakeKind.FILES, **ended)
    documents = Document.objects.bulk_create(Document(owner=owner, title=str(n), blob=blob) for n in range(count))
    how = {"outcome": Outcome.FAILED, "stage": Stage.INDEX_FAILED, "error_code": "timed_out", "finished_at": now}
    IngestFile.objects.bulk_create(
        IngestFile(intake=intake, ordinal=n, safe_name="a.txt", document=document, blob=blob, **how)
        for n, document in enumerate(documents)
    )
    return intake


def _raise(error):
    def fail(*args, **kwargs):
        raise error

    return fail


def _dies_after(count, function):
    done = []

    def dying(*args):
        if len(done) == count:
            raise SystemExit("killed")
        done.append(1)
        return function(*args)

    return dying
