"""The sweep of stored bytes: what nothing refers to goes, and no upload of the same bytes loses them."""

from __future__ import annotations

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.db import connection, transaction
from django.utils import timezone

from ingestion import blobs, intakes, inventory, queue_handlers, storage
from ingestion.errors import BlobMissing, StorageUnavailable
from ingestion.models import Blob, Document, IngestFile, Outcome
from ingestion.services import search
from tests.ingestion.factories import accept, accept_document, accept_zip, upload
from tests.ingestion.leftovers import kept, left
from tests.ingestion.running import until_somebody_waits_for_us

pytestmark = pytest.mark.django_db(transaction=True)

CONTENT = b"one heron"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
KEY = storage.key_for(SHA256)


def sweep_all(later=timedelta(hours=2)):
    """A round of each shelf, some time from now."""
    return sum(blobs.sweep(now=timezone.now() + later, shelf=shelf) for shelf in range(blobs.SHELVES))


@pytest.fixture
def unused(transactional_db, documents_dir):
    """Stored bytes with a row that nothing refers to."""
    storage.put_stream([CONTENT])
    return Blob.objects.create(sha256=SHA256, size=len(CONTENT), storage_key=KEY)


def elsewhere(function, *args):
    """Start it on another connection."""

    def closing():
        try:
            return function(*args)
        finally:
            connection.close()

    return ThreadPoolExecutor(1).submit(closing)


def assert_searchable(owner, worker):
    worker.run()
    assert IngestFile.objects.get().outcome == Outcome.COMPLETED
    assert len(search(owner.pk, "heron").hits) == 1
    assert storage.exists(KEY)


def test_bytes_that_nothing_refers_to_are_removed_after_the_grace_period(unused, documents_dir):
    assert sweep_all(timedelta(seconds=blobs.GRACE_SECONDS - 60)) == 0
    assert sweep_all(timedelta(seconds=blobs.GRACE_SECONDS + 60)) == 1
    assert left(Blob) == set()
    assert kept(documents_dir) == []


def test_bytes_of_documents_files_and_archives_stay(owner, worker, documents_dir):
    accept_zip(owner, {"a.txt": "alpha", "b.exe": b"MZ" + b"\0" * 200})
    accept(owner, upload("waiting.txt", "beta"))
    worker.run()
    before = kept(documents_dir)
    assert sweep_all() == 0
    assert kept(documents_dir) == before


def test_a_stored_file_without_a_row_is_removed_too(transactional_db, documents_dir, caplog):
    """A process that died between storing the bytes and writing the rows."""
    storage.put_stream([CONTENT])
    assert sweep_all(timedelta(0)) == 0
    assert sweep_all() == 1
    assert kept(documents_dir) == []
    assert SHA256 in caplog.text


def test_a_storage_without_local_files_is_swept_as_well(unused, settings):
    backend = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "documents": backend}
    storage.put_stream([CONTENT])
    storage.put_stream([b"without a row"])
    assert sweep_all() == 2
    assert not storage.exists(KEY)


def test_files_that_are_none_of_its_own_are_named_and_left(unused, documents_dir, caplog):
    (documents_dir / SHA256[:2] / "notes.txt").write_text("a person's")
    sweep_all()
    assert kept(documents_dir) == ["notes.txt"]
    assert "notes.txt" in caplog.text


def test_a_round_does_so_much_and_no_more(transactional_db, documents_dir, monkeypatch):
    monkeypatch.setattr(blobs, "SLICE", 2)
    for n in range(5):
        Blob.objects.create(sha256=f"ab{n:062x}", size=1, storage_key=f"ab/ab{n:062x}")
    later = timezone.now() + timedelta(days=1)
    assert [blobs.sweep(now=later, shelf=0xAB) for _ in range(4)] == [2, 2, 1, 0]


def test_every_shelf_has_its_turn(unused, documents_dir):
    """By the minute: the last shelf too, whose hashes no prefix comes after."""
    Blob.objects.create(sha256="f" * 64, size=1, storage_key="ff/" + "f" * 64)
    start = timezone.now() + timedelta(hours=2)
    assert sum(blobs.sweep(now=start + timedelta(minutes=n)) for n in range(256)) == 2


def test_the_duty_sweeps(unused, monkeypatch):
    monkeypatch.setattr(blobs, "GRACE_SECONDS", -60.0)
    monkeypatch.setattr(blobs, "SHELVES", 1)  # so that the minute does not matter
    monkeypatch.setattr(blobs, "sweep", lambda real=blobs.sweep: real(shelf=int(SHA256[:2], 16), grace_seconds=-60))
    assert queue_handlers.sweep_blobs("default") == 1


def test_an_upload_that_found_the_bytes_before_they_were_removed_stores_them_again(owner, worker, unused, monkeypatch):
    """The whole removal happens between the two steps of the upload."""
    real = storage.put_stream

    def put_stream(*args, **kwargs):
        stored = real(*args, **kwargs)
        if not removed:
            removed.append(elsewhere(blobs.remove_if_unreferenced, unused.pk).result(30))
        return stored

    removed: list[bool] = []
    monkeypatch.setattr(storage, "put_stream", put_stream)
    accept_document(owner, CONTENT)
    assert removed == [True]
    assert_searchable(owner, worker)


@pytest.mark.parametrize("step", ["before the bytes", "after the bytes"])
def test_an_upload_that_comes_in_the_midst_of_the_removal_waits_and_stores_them_again(
    owner, worker, unused, monkeypatch, step
):
    real, started = storage.delete, []

    def upload_now():
        started.append(elsewhere(accept, owner, upload("a.txt", CONTENT)))
        until_somebody_waits_for_us()

    def delete(key):
        if step == "before the bytes":
            upload_now()
        real(key)
        if step == "after the bytes":
            upload_now()

    monkeypatch.setattr(storage, "delete", delete)
    assert blobs.remove_if_unreferenced(unused.pk)
    started[0].result(30)
    assert_searchable(owner, worker)


def test_bytes_whose_row_an_upload_holds_stay(owner, worker, unused, monkeypatch):
    real, swept = intakes.enqueue_files, []

    def enqueue_files(*args):
        """After the row is locked, before the upload commits."""
        swept.append(elsewhere(blobs.remove_if_unreferenced, unused.pk).result(30))
        return real(*args)

    monkeypatch.setattr(intakes, "enqueue_files", enqueue_files)
    accept_document(owner, CONTENT)
    assert swept == [False]
    assert_searchable(owner, worker)


def test_an_upload_that_committed_just_before_the_lock_keeps_its_bytes(owner, worker, unused, monkeypatch):
    """The sweep has chosen the row by a look that is out of date."""
    accept_document(owner, CONTENT)
    assert not blobs.remove_if_unreferenced(unused.pk)
    assert_searchable(owner, worker)


def test_a_crash_between_the_bytes_and_the_commit_is_made_good(owner, worker, unused, documents_dir, monkeypatch):
    class Crash(BaseException):
        pass

    def crash(key):
        Path(documents_dir / key).unlink()
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(storage, "delete", crash)
        with pytest.raises(Crash):
            blobs.remove_if_unreferenced(unused.pk)
    assert (left(Blob), kept(documents_dir)) == ({"Blob"}, [])
    accept_document(owner, CONTENT)  # a row without bytes does no harm to an upload of them
    assert_searchable(owner, worker)
    Document.objects.all().delete()
    IngestFile.objects.all().delete()
    storage.delete(KEY)
    assert sweep_all() == 1
    assert left(Blob) == set()


def test_a_file_that_is_adopted_while_its_upload_writes_its_row_stays(owner, worker, documents_dir, monkeypatch):
    storage.put_stream([CONTENT])
    old = timezone.now().timestamp() - 10_000
    os.utime(documents_dir / KEY, (old, old))
    real, sweeps = intakes.enqueue_files, []

    def enqueue_files(*args):
        sweeps.append(elsewhere(lambda: blobs.sweep(shelf=int(SHA256[:2], 16))))
        until_somebody_waits_for_us()
        return real(*args)

    monkeypatch.setattr(intakes, "enqueue_files", enqueue_files)
    accept_document(owner, CONTENT)
    assert sweeps[0].result(30) == 0
    assert_searchable(owner, worker)


def test_an_unpacking_whose_entry_is_swept_stores_it_again_at_the_next_try(owner, worker, unused, monkeypatch):
    real, removed = storage.put_stream, []
    accept_zip(owner, {"a.txt": CONTENT})

    def put_stream(*args, **kwargs):
        stored = real(*args, **kwargs)
        if not removed:
            removed.append(elsewhere(blobs.remove_if_unreferenced, unused.pk).result(30))
        return stored

    monkeypatch.setattr(storage, "put_stream", put_stream)
    worker.run()
    worker.run_retries()
    assert removed == [True]
    assert_searchable(owner, worker)


def test_bytes_that_vanish_again_and_again_refuse_the_upload_and_leave_no_rows(owner, monkeypatch):
    monkeypatch.setattr(storage, "missing", set)
    with pytest.raises(BlobMissing):
        accept(owner, upload("a.txt", CONTENT))
    assert left(Blob, Document, IngestFile) == set()


def test_a_row_whose_bytes_can_not_be_removed_stays_for_the_next_round(unused, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(storages["documents"], "delete", _away)
        with pytest.raises(StorageUnavailable):
            blobs.remove_if_unreferenced(unused.pk)
    assert left(Blob) == {"Blob"}
    assert sweep_all() == 1


def test_two_sweeps_at_once_do_not_wait_for_each_other(unused):
    with transaction.atomic():
        Blob.objects.select_for_update().get()
        assert not elsewhere(blobs.remove_if_unreferenced, unused.pk).result(30)


def test_what_is_kept_in_a_folder_that_is_not_there_is_nothing(documents_dir):
    assert list(inventory.listed("00")) == []
    storages["documents"].save(KEY, io.BytesIO(CONTENT))
    assert [each.sha256 for each in inventory.listed(SHA256[:2])] == [SHA256]


def _away(name):
    raise OSError(5, "away")
