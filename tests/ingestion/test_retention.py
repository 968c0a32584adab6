"""Archives are kept until each entry has ended, then for their time, and never let go of while something needs them."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework.test import APIClient

from ingestion import retention, storage
from ingestion.errors import CrcMismatch, StorageUnavailable
from ingestion.models import Blob, Document, IngestFile, Intake, Outcome
from ingestion.services import search, unzip_again
from tests.ingestion.factories import accept, accept_zip, upload, zipped
from tests.ingestion.running import until_somebody_waits_for_us

pytestmark = pytest.mark.django_db(transaction=True)
PAPERS = {f"paper{n}.txt": f"paper number {n} mentions walrus{n}" for n in range(3)}


def later(days: float = 31):
    return timezone.now() + timedelta(days=days)


def unzip_failing_with(monkeypatch, worker, error):
    from ingestion import unpack

    real = unpack.read_entry

    def read_entry(archive, entry):
        if entry.ordinal == 1:
            raise error
        return real(archive, entry)

    with monkeypatch.context() as patch:
        patch.setattr(unpack, "read_entry", read_entry)
        worker.run()


def kept(intake) -> bool:
    intake.refresh_from_db()
    return intake.blob_id is not None


def test_an_archive_goes_after_its_time_and_its_files_stay(owner, worker):
    intake = accept_zip(owner, {**PAPERS, "inner.zip": zipped({"deep.txt": "a deep heron"})})
    key = intake.blob.storage_key
    worker.run()
    inner = intake.files.get(outcome=Outcome.UNPACKED)
    inner_key = inner.blob.storage_key
    assert retention.let_go(now=later(29)) == 0
    assert storage.exists(key)
    assert retention.let_go(now=later()) == 1
    assert not kept(intake)
    assert storage.missing([key, inner_key]) == {key, inner_key}
    assert Blob.objects.count() == Document.objects.count() == 4
    assert not storage.missing(Blob.objects.values_list("storage_key", flat=True))
    assert len(search(owner.pk, "heron").hits) == 1
    assert retention.let_go(now=later()) == 0


@pytest.mark.parametrize(("days", "goes"), [(0, True), (1, False), (-1, False)])
def test_how_long_is_a_setting(owner, worker, settings, days, goes):
    settings.INGESTION = {"KEEP_ARCHIVES_DAYS": days}
    intake = accept_zip(owner, PAPERS)
    assert retention.let_go() == 0, "nothing of it has ended"
    worker.run()
    assert retention.let_go() == goes
    assert kept(intake) is not goes
    if days == -1:
        assert retention.let_go(now=later(10_000)) == 0


def test_an_archive_with_one_entry_that_has_not_ended_stays(owner, worker, settings):
    settings.INGESTION = {"KEEP_ARCHIVES_DAYS": 0}
    intake = accept_zip(owner, PAPERS)
    worker.run_claimed(worker.claim())
    for _ in range(2):
        worker.run_claimed(worker.claim())
        assert retention.let_go(now=later()) == 0
        assert kept(intake)
    worker.run()
    assert retention.let_go(now=later()) == 1


def test_an_archive_that_only_has_the_bytes_of_what_may_work_another_time_stays(owner, worker, monkeypatch):
    intake = accept_zip(owner, PAPERS)
    unzip_failing_with(monkeypatch, worker, CrcMismatch())
    IngestFile.objects.filter(outcome=Outcome.FAILED).update(error_code=StorageUnavailable.code)
    assert retention.let_go(now=later()) == 0
    assert kept(intake)
    assert unzip_again(intake.pk, Q(), by="ada", priority=0) is not None
    assert retention.let_go(now=later()) == 0, "it is being read again"
    worker.run()
    assert intake.files.filter(outcome=Outcome.COMPLETED).count() == 3
    assert retention.let_go(now=later()) == 1


def test_afterwards_reading_it_again_is_refused_with_a_code_that_says_why(owner, worker, monkeypatch):
    intake = accept_zip(owner, PAPERS)
    unzip_failing_with(monkeypatch, worker, CrcMismatch())
    assert retention.let_go(now=later()) == 1, "a damaged entry stays damaged"
    failed = intake.files.get(outcome=Outcome.FAILED)
    api = APIClient()
    api.force_authenticate(owner)
    answer = api.post(f"/api/v1/files/{failed.pk}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "archive_gone")
    assert unzip_again(intake.pk, Q(), by="ada", priority=0) is None
    assert api.post(f"/api/v1/intakes/{intake.pk}/retry").json()["archives"] == 0
    good = intake.files.filter(outcome=Outcome.COMPLETED).first()
    assert api.post(f"/api/v1/files/{good.pk}/reprocess").status_code == 202


def test_bytes_that_something_else_has_stay(owner, worker):
    content = zipped(PAPERS)
    first, again = accept(owner, upload("a.zip", content)), accept(owner, upload("b.zip", content))
    worker.run()
    Intake.objects.filter(pk=again.pk).update(finished_at=later())
    assert retention.let_go(now=later()) == 1
    assert (kept(first), kept(again)) == (False, True)
    assert storage.exists(again.blob.storage_key)


def test_who_reads_an_archive_again_at_the_same_time_comes_first_or_finds_none(owner, worker, monkeypatch):
    intake = accept_zip(owner, PAPERS)
    unzip_failing_with(monkeypatch, worker, CrcMismatch())
    # It is being let go while somebody asks: the asker waits, and finds no archive.
    asked: list[int | None] = []

    def ask() -> None:
        asked.append(unzip_again(intake.pk, Q(), by="ada", priority=0))
        connection.close()

    asker = threading.Thread(target=ask)
    with transaction.atomic():
        locked = Intake.objects.select_for_update(no_key=True).get(pk=intake.pk)
        assert not retention.still_needed(locked)
        asker.start()
        until_somebody_waits_for_us()
        retention.drop_archives(locked)
    asker.join(20)
    assert asked == [None]
    assert not kept(intake)


def test_an_intake_that_somebody_holds_is_left_for_another_round(owner, worker):
    intake = accept_zip(owner, PAPERS)
    worker.run()
    gone: list[int] = []

    def let_go() -> None:
        gone.append(retention.let_go(now=later()))
        connection.close()

    with transaction.atomic():
        Intake.objects.select_for_update(no_key=True).get(pk=intake.pk)
        other = threading.Thread(target=let_go)
        other.start()
        other.join(20)
    assert gone == [0]
    assert retention.let_go(now=later()) == 1


def test_a_round_goes_on_where_the_last_one_stopped(owner, worker, monkeypatch):
    monkeypatch.setattr(retention, "SLICE", 2)
    intakes = [accept_zip(owner, {f"{n}.txt": f"text {n}"}) for n in range(5)]
    worker.run()
    Intake.objects.filter(pk__in=[each.pk for each in intakes[:4]]).update(error_code="storage_unavailable")
    assert retention.let_go(now=later()) == 1, "those that are still needed do not stand in the way"
    assert [kept(each) for each in intakes] == [True] * 4 + [False]


def test_what_is_due_is_found_by_its_index(owner, worker):
    with connection.cursor() as cursor:
        cursor.execute("set enable_seqscan = off")
        rows = Intake.objects.filter(retention.WAITING, finished_at__lte=later()).order_by("finished_at", "pk")
        assert "ingestion_intake_archive" in rows[:10].explain()
        cursor.execute("reset enable_seqscan")
