"""Reading an archive again for the entries that failed while it was unzipped, and for no others."""

from __future__ import annotations

import pytest
from django.db.models import Q

from docqueue.models import HistoryItem, QueueItem
from docqueue.states import Status
from ingestion.errors import BlobMissing, CrcMismatch
from ingestion.models import Chunk, IngestFile, IntakeStatus, Outcome, Stage
from ingestion.reprocess_many import Order, start_order
from ingestion.selecting import Selection
from ingestion.services import cancel_intake, search, unzip_again
from tests.ingestion.factories import accept, accept_zip, upload

pytestmark = pytest.mark.django_db(transaction=True)
PAPERS = {f"paper{n}.txt": f"paper number {n} mentions walrus{n}" for n in range(4)}


@pytest.fixture
def damaged(owner, worker, monkeypatch):
    """Four papers, of which two could not be read from their archive."""
    from ingestion import unpack

    real = unpack.read_entry

    def read_entry(archive, entry):
        if entry.ordinal in (1, 2):
            raise CrcMismatch
        return real(archive, entry)

    intake = accept_zip(owner, PAPERS)
    with monkeypatch.context() as patch:
        patch.setattr(unpack, "read_entry", read_entry)
        worker.run()
    intake.refresh_from_db()
    assert intake.status == IntakeStatus.COMPLETED_WITH_ERRORS
    return intake


def again(intake, entries=None):
    return unzip_again(intake.pk, entries or Q(), by="ada", priority=0)


def test_only_what_failed_is_read_again(owner, worker, damaged, monkeypatch):
    from ingestion import storage

    before = dict(damaged.files.filter(outcome=Outcome.COMPLETED).values_list("pk", "item_id"))
    stored = []
    real = storage.put_stream
    monkeypatch.setattr(storage, "put_stream", lambda *args, **kwargs: stored.append(1) or real(*args, **kwargs))
    assert again(damaged) is not None
    damaged.refresh_from_db()
    assert (damaged.finished_at, damaged.status) == (None, IntakeStatus.IN_PROGRESS)
    worker.run()
    assert len(stored) == 2
    assert set(before.items()) <= set(damaged.files.values_list("pk", "item_id")), "the others were left alone"
    damaged.refresh_from_db()
    assert (damaged.status, damaged.counts["completed"], damaged.counts["failed"]) == (IntakeStatus.COMPLETED, 4, 0)
    assert [len(search(owner.pk, f"walrus{n}").hits) for n in range(4)] == [1, 1, 1, 1]
    assert Chunk.objects.count() == 4


def test_one_entry_alone_is_read_again_when_it_alone_is_asked_for(worker, damaged):
    one = damaged.files.filter(outcome=Outcome.FAILED).first()
    again(damaged, Q(pk=one.pk))
    worker.run()
    assert sorted(damaged.files.values_list("outcome", flat=True)) == ["completed"] * 3 + ["failed"]


def test_asking_twice_reads_it_once(damaged):
    first = again(damaged)
    assert again(damaged) is None
    assert list(QueueItem.objects.values_list("pk", flat=True)) == [first]


def test_what_fails_again_says_so_again_and_can_be_asked_for_again(worker, damaged, monkeypatch):
    from ingestion import unpack

    def fails(*args):
        raise CrcMismatch

    with monkeypatch.context() as patch:
        patch.setattr(unpack, "read_entry", fails)
        again(damaged)
        worker.run()
    damaged.refresh_from_db()
    assert damaged.status == IntakeStatus.COMPLETED_WITH_ERRORS
    assert set(damaged.files.filter(outcome=Outcome.FAILED).values_list("error_code", flat=True)) == {"crc_mismatch"}
    assert again(damaged) is not None


def test_an_archive_that_failed_before_its_entries_were_known_is_read_whole(owner, worker, monkeypatch):
    intake = accept_zip(owner, PAPERS)
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.unpack.plan_archive", _raise(BlobMissing(retryable=False)))
        worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.files.count(), intake.error_code) == (IntakeStatus.FAILED, 0, "blob_missing")
    dead = intake.item_id
    started = start_order(Order.of(Selection(owner=owner.pk, intakes=(intake.pk,)), by="ada"))
    assert started.counts.archives == 1
    worker.run()
    intake.refresh_from_db()
    assert (intake.status, intake.counts["completed"], intake.error_code) == (IntakeStatus.COMPLETED, 4, "")
    assert HistoryItem.objects.get(pk=dead).status == Status.CANCELLED


def test_an_order_for_an_intake_reads_its_archive_and_its_documents_anew(owner, worker, damaged):
    started = start_order(Order.of(Selection(owner=owner.pk, intakes=(damaged.pk,))))
    worker.run()
    assert HistoryItem.objects.get(pk=started.item_id).result == {"documents": 2, "skipped": 0, "archives": 1}
    assert set(damaged.files.values_list("outcome", flat=True)) == {Outcome.COMPLETED}


def test_from_unzipping_on_documents_are_left_alone(owner, worker, damaged):
    order = Order.of(Selection(owner=owner.pk, error_code="crc_mismatch"), from_stage=Stage.UNZIPPING)
    started = start_order(order)
    assert (started.counts.archives, started.counts.reprocessable) == (1, 0)
    worker.run()
    assert HistoryItem.objects.get(pk=started.item_id).result == {"documents": 0, "skipped": 0, "archives": 1}
    assert set(damaged.files.values_list("outcome", flat=True)) == {Outcome.COMPLETED}


def test_an_upload_that_is_being_cancelled_is_not_unzipped_again(damaged):
    again(damaged)
    cancel_intake(damaged)
    damaged.refresh_from_db()
    damaged.files.filter(outcome=Outcome.CANCELLED).update(outcome=Outcome.FAILED, stage=Stage.UNZIP_FAILED)
    type(damaged).objects.filter(pk=damaged.pk).update(finished_at=None)
    assert again(damaged) is None


def test_files_that_were_sent_without_an_archive_have_none_to_be_read_again(owner, worker):
    intake = accept(owner, upload("x.exe", b"MZ" + b"\0" * 200))
    worker.run()
    IngestFile.objects.update(document=None, item_id=None, stage=Stage.UNZIP_FAILED)
    assert again(intake) is None


def _raise(error):
    def fail(*args, **kwargs):
        raise error

    return fail
