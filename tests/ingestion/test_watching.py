"""What goes on right now: what is worked on, what is waited for, when it moved last, and at what cost that is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from docqueue import claiming
from docqueue.models import Progress, QueueItem, Worker
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status, WaitReason
from ingestion.codes import WaitingReason
from ingestion.errors import DiskFull
from ingestion.models import IngestFile, Intake, IntakeKind
from ingestion.reconcile import reconcile_intake
from ingestion.watching import WatchedIntake, watch_files, watch_intakes
from tests.ingestion.factories import accept, accept_document, accept_zip, upload

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def serving() -> int:
    """A live worker that serves every queue."""
    return claiming.register("default", Worker.Kind.WORKER, lease_seconds=60)


def watched(intake: Intake) -> WatchedIntake:
    return watch_intakes([Intake.objects.get(pk=intake.pk)])[0]


def watched_file(intake: Intake):
    return watch_files(list(intake.files.select_related("intake")))[0]


def hold(intake: Intake, **fields) -> None:
    """Put the items of the intake's files into another state of waiting."""
    items = QueueItem.objects.filter(pk__in=intake.files.values("item_id"))
    items.update(status=Status.IN_PROGRESS)  # what is pending can not be made to wait
    items.update(status=Status.WAITING, **fields)


# -- what is waited for ------------------------------------------------------------------------------------------


def test_what_may_start_waits_for_its_turn(owner, serving):
    intake = accept(owner, upload("a.txt", "a"), upload("b.txt", "b"))
    assert (watched(intake).waiting_reason, watched_file(intake).waiting_reason) == ("queued", "queued")


def test_without_a_worker_that_is_what_is_waited_for(owner):
    intake = accept_zip(owner, {"a.txt": "a"})
    assert watched(intake).waiting_reason == WaitingReason.NO_WORKER


def test_a_paused_queue_is_named(owner, serving):
    intake = accept_zip(owner, {"a.txt": "a"})
    DocumentQueueService().pause_queue("documents", by="ann")
    assert watched(intake).waiting_reason == WaitingReason.PAUSED


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        ({"wait_reason": WaitReason.RETRY, "error_code": "storage_unavailable"}, "backoff"),
        ({"wait_reason": WaitReason.RETRY, "error_code": "km_unavailable"}, "km_unavailable"),
        ({"wait_reason": WaitReason.ORDERING}, "ordering"),
        ({"wait_reason": WaitReason.DELAYED}, "delayed"),
        ({"wait_reason": WaitReason.SNOOZED}, "delayed"),
        ({"wait_reason": WaitReason.LIMITED}, "rate_limited"),
        ({"wait_reason": WaitReason.NO_HANDLER}, "no_worker"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_queues_reason_is_told_in_our_words_of_the_file_and_of_its_intake(owner, serving, held, reason):
    intake = accept(owner, upload("a.txt", "a"), upload("b.txt", "b"))
    hold(intake, **held)
    assert (watched(intake).waiting_reason, watched_file(intake).waiting_reason) == (reason, reason)


def test_a_file_that_finds_a_full_disk_says_so_until_it_starts_again(owner, worker, monkeypatch):
    intake = accept(owner)
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.queue_handlers.process_document_content", full_disk)
        worker.run()
    file = intake.files.get()
    item = QueueItem.objects.get(pk=file.item_id)
    assert (item.wait_reason, item.attempt, file.waiting_reason) == ("snoozed", 0, "disk_low")
    assert (watched(intake).waiting_reason, watched_file(intake).waiting_reason) == ("disk_low", "disk_low")
    line = watched(intake).line(timezone.now())
    assert line.code == "waiting_for_room"
    assert line.text.startswith("Waiting: disk low, looks again in ")
    worker.run_retries()
    file.refresh_from_db()
    assert (file.outcome, file.waiting_reason) == ("completed", "")


def full_disk(*args: object, **options: object) -> None:
    raise DiskFull


def test_what_waited_for_room_and_was_cancelled_waits_for_nothing(owner, worker, monkeypatch):
    document = accept_document(owner)
    monkeypatch.setattr("ingestion.queue_handlers.process_document_content", full_disk)
    worker.run()
    worker.service.cancel(document.file.item_id)
    reconcile_intake(document.file.intake)
    file = IngestFile.objects.get(document=document)
    assert (file.outcome, file.waiting_reason) == ("cancelled", "")


def test_an_intake_of_which_something_runs_waits_for_nothing(owner, worker):
    intake = accept(owner, upload("a.txt", "a"), upload("b.txt", "b"))
    worker.claim()
    assert watched(intake).waiting_reason is None


def test_what_has_finished_waits_for_nothing(owner, worker):
    intake = accept(owner)
    worker.run()
    assert (watched(intake).waiting_reason, watched_file(intake).waiting_reason) == (None, None)


# -- what runs, and whether it moves -----------------------------------------------------------------------------


def test_the_current_file_is_the_running_one_that_moved_last(owner, worker):
    intake = accept(owner, upload("a.txt", "a"), upload("b.txt", "b"), upload("c.txt", "c"))
    assert watched(intake).current_file is None
    first, second = worker.claim(), worker.claim()
    assert watched(intake).current_file == "b.txt"
    Progress.objects.create(item_id=first.id, percent=40, updated_at=timezone.now() + timedelta(seconds=1))
    assert watched(intake).current_file == "a.txt"
    worker.run_claimed(first)
    assert watched(intake).current_file == "b.txt"
    worker.run_claimed(second)
    assert watched(intake).current_file is None


def test_while_an_archive_is_unzipped_the_entry_is_the_current_file(owner, worker):
    intake = accept_zip(owner, {"a.txt": "a"})
    worker.claim()
    Intake.objects.filter(pk=intake.pk).update(stage="unzipping", message="a.txt")
    assert watched(intake).current_file == "a.txt"


def test_alive_but_not_moving_is_told_after_the_time_that_the_limit_says(owner, worker, serving, settings):
    settings.INGESTION = {**settings.INGESTION, "STALLED_AFTER_SECONDS": 20}
    intake = accept(owner)
    claim = worker.claim()
    QueueItem.objects.filter(pk=claim.id).update(worker_id=serving)
    moved = timezone.now()
    Progress.objects.create(item_id=claim.id, percent=40, updated_at=moved)
    for seen in (watched(intake), watched_file(intake)):
        assert seen.last_progress_at == moved
        assert not seen.stalled(moved + timedelta(seconds=20))
        assert seen.stalled(moved + timedelta(seconds=21))
    Worker.objects.filter(pk=serving).update(lease_expires_at=moved - timedelta(seconds=1))
    for seen in (watched(intake), watched_file(intake)):
        assert not seen.stalled(moved + timedelta(days=1)), "what a dead worker holds is not alive"


def test_what_was_said_in_an_earlier_attempt_is_no_progress_of_this_one(owner, worker, serving):
    intake = accept(owner)
    claim = worker.claim()
    long_ago = timezone.now() - timedelta(hours=1)
    Progress.objects.create(item_id=claim.id, percent=40, updated_at=long_ago)
    QueueItem.objects.filter(pk=claim.id).update(worker_id=serving)
    assert watched(intake).last_progress_at > long_ago
    assert not watched(intake).stalled(timezone.now())


def test_what_waits_does_not_stall(owner, serving):
    intake = accept(owner)
    assert watched(intake).last_progress_at is None
    assert not watched(intake).stalled(timezone.now() + timedelta(days=1))


def test_nobody_says_how_long_it_takes_while_nothing_runs(owner, worker, serving):
    intake = accept(owner, *[upload(f"{n}.txt", f"note {n}") for n in range(3)])
    worker.run_claimed(worker.claim())
    later = timezone.now() + timedelta(seconds=10)
    assert watched(intake).seconds_left(later) is None
    claim = worker.claim()
    QueueItem.objects.filter(pk=claim.id).update(worker_id=serving)
    assert 10 < watched(intake).seconds_left(later) < 40
    assert watched(intake).seconds_left(later + timedelta(minutes=10)) is None, "it is stalled"
    worker.run_claimed(claim)
    worker.run()
    assert watched(intake).seconds_left(later) is None


# -- what it costs -----------------------------------------------------------------------------------------------


def big_intake(owner, files: int) -> Intake:
    """An unpacked intake with so many queued files, of which one runs."""
    now = timezone.now()
    intake = Intake.objects.create(
        owner=owner, kind=IntakeKind.ZIP, planned_files=files, unpacked_at=now, status="in_progress"
    )
    numbers = range(1, files + 1)
    new = (NewItem(document_id=f"{intake.pk}-{n}", operation="document.ingest") for n in numbers)
    ids = DocumentQueueService().enqueue_many(new)
    rows = [
        IngestFile(intake=intake, ordinal=n, source_path=f"{n}.txt", safe_name=f"{n}.txt", size=n, item_id=item_id)
        for n, item_id in zip(numbers, ids, strict=True)
    ]
    IngestFile.objects.bulk_create(rows, batch_size=2000)
    DocumentQueueService().mark_in_progress(ids[0])
    return intake


def test_a_look_at_ten_thousand_files_costs_as_many_statements_as_at_ten(owner, serving):
    few, many = big_intake(owner, 10), big_intake(owner, 10_000)
    told = []
    for intake in (few, many):
        with CaptureQueriesContext(connection) as queries:
            reconcile_intake(intake)
            seen = watched(intake)
        assert seen.current_file == "1.txt"
        told.append(len(queries))
    assert told[0] == told[1] <= 10


def test_a_page_of_intakes_costs_as_many_statements_as_one(owner, serving, worker):
    intakes = [big_intake(owner, 3)]
    with CaptureQueriesContext(connection) as one:
        watch_intakes(intakes)
    intakes += [accept_zip(owner, {"a.txt": "a"}), *(big_intake(owner, 5) for _ in range(5))]
    with CaptureQueriesContext(connection) as many:
        watch_intakes(intakes)
    assert len(many) <= len(one) + 3  # one waits, and so its next item and the reasons are read as well


def test_running_and_waiting_files_of_an_intake_are_found_by_index(owner, serving, planned_for_real):
    big_intake(owner, 2_000)
    intake = big_intake(owner, 2_000)
    with connection.cursor() as cursor:
        cursor.execute("analyze ingestion_ingestfile, docqueue_item, ingestion_intake")
    with CaptureQueriesContext(connection) as queries:
        watch_intakes([intake])
        QueueItem.objects.filter(status=Status.IN_PROGRESS).update(status=Status.WAITING, wait_reason="retry")
        watch_intakes([intake])
    asked = [q["sql"] for q in queries if q["sql"].startswith("SELECT") and "GROUP BY" not in q["sql"]]
    assert len(asked) == 8
    for sql in asked:
        plan = planned_for_real(sql)
        assert "Seq Scan on ingestion_ingestfile" not in plan, plan
        assert "Seq Scan on docqueue_item" not in plan, plan


@pytest.fixture
def planned_for_real():
    """The plan of a statement, as text."""

    def explain(sql: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute(f"explain (analyze, timing off) {sql}")
            return "\n".join(line for (line,) in cursor.fetchall())

    return explain
