"""How long an intake still takes: measured, by bytes, and not said before there is anything to go by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from ingestion.models import IngestFile, Intake
from ingestion.pace import Pace
from ingestion.services import reprocess_document
from ingestion.summary import FILE_WEIGHT, summaries_and_paces
from tests.ingestion.factories import accept, upload

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def pace(seconds: float, **fields) -> Pace:
    return Pace(began_at=NOW - timedelta(seconds=seconds), **{"ended": 1, **fields})


@pytest.mark.parametrize(
    ("seen", "seconds"),
    [
        (pace(10, done=50, left=150), 30),
        (pace(10, done=200, left=1), 1),
        (pace(10, done=200, left=0), 0),
        (pace(2, done=2, left=48), 48),
        (pace(1.9, done=50, left=150), None),
        (pace(10, done=1, left=50), None),
        (pace(10, done=50, left=150, ended=0), None),
        (pace(-60, done=50, left=150), None),
        (Pace(left=100), None),
    ],
    ids=[
        "three times as much is left",
        "rounded up",
        "nothing is left",
        "enough is done",
        "the first seconds",
        "next to nothing is done",
        "no file has ended",
        "the clocks differ",
        "not begun",
    ],
)
def test_the_time_left_follows_from_what_was_done_in_the_time_so_far(seen, seconds):
    assert seen.seconds_left(NOW) == seconds


def test_the_longer_nothing_ends_the_longer_the_rest_is_said_to_take():
    told = [pace(seconds, done=50, left=100).seconds_left(NOW) for seconds in (10, 20, 40)]
    assert told == [20, 40, 80]


def measured(intake: Intake) -> Pace:
    intake.refresh_from_db()
    return summaries_and_paces([intake])[intake.pk][1]


@pytest.mark.django_db(transaction=True)
def test_the_pace_of_an_intake_is_weighed_by_bytes_and_counts_running_files_in_part(owner):
    intake = accept(owner, upload("a.txt", b"a" * 976), upload("b.txt", b"b" * 2976), upload("c.txt", b"c" * 4976))
    first, second, _ = intake.files.order_by("ordinal")
    assert measured(intake) == Pace(left=8928 + 3 * FILE_WEIGHT)
    began = timezone.now()
    IngestFile.objects.filter(pk=first.pk).update(
        outcome="completed", percent=100, started_at=began, finished_at=began + timedelta(seconds=1)
    )
    IngestFile.objects.filter(pk=second.pk).update(stage="indexing", percent=30, started_at=began)
    seen = measured(intake)
    assert (seen.began_at, seen.moved_at, seen.ended) == (began, began + timedelta(seconds=1), 1)
    assert (seen.done, seen.left) == (2000 + 1200, 2800 + 6000)
    assert seen.seconds_left(began + timedelta(seconds=32)) == 88


@pytest.mark.django_db(transaction=True)
def test_a_reprocessing_is_measured_from_its_own_beginning(owner, worker):
    intake = accept(owner, *[upload(f"{n}.txt", f"note {n}") for n in range(4)])
    worker.run()
    long_ago = timezone.now() - timedelta(days=30)
    IngestFile.objects.update(started_at=long_ago, finished_at=long_ago)
    Intake.objects.update(created_at=long_ago - timedelta(hours=1))
    for file in intake.files.all()[:2]:
        reprocess_document(file.document)
    assert measured(intake).began_at is None, "what ended a month ago says nothing"
    worker.run_claimed(worker.claim())
    seen = measured(intake)
    assert seen.began_at > long_ago + timedelta(days=29)
    assert (seen.ended, seen.done) == (1, FILE_WEIGHT + len("note 0"))
