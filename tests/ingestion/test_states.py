"""The one plain line: what people read for every mixture of stage, outcome and queue status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from docqueue.models import QueueItem
from docqueue.states import Status, WaitReason
from ingestion.codes import OF_THE_QUEUE, MessageCode
from ingestion.models import IngestFile, Intake, IntakeStatus, Outcome, Stage
from ingestion.states import file_line, file_state, intake_line, intake_state, span, words
from ingestion.summary import Summary

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def item(status, **fields) -> QueueItem:
    return QueueItem(pk=1, status=status, **fields)


def file(stage=Stage.PENDING, outcome="", **fields) -> IngestFile:
    known = {"item_id": 1, "document_id": 5, "intake": Intake()}
    return IngestFile(stage=stage, outcome=outcome, **known | fields)


RETRY = {
    "wait_reason": WaitReason.RETRY,
    "error_code": "km_unavailable",
    "next_retry_at": NOW + timedelta(seconds=11.2),
}
CASES = [
    (file(), item(Status.PENDING), "Waiting for a worker"),
    (file(), item(Status.WAITING, **RETRY), "Waiting: retry in 12 s (KM unavailable)"),
    (
        file(),
        item(Status.WAITING, wait_reason=WaitReason.ORDERING),
        "Waiting: earlier work on this document comes first",
    ),
    (
        file(),
        item(Status.WAITING, wait_reason=WaitReason.SNOOZED, next_retry_at=NOW + timedelta(minutes=5)),
        "Waiting: goes on in 5 min",
    ),
    (file(), item(Status.IN_PROGRESS), "Starting"),
    (file(Stage.INDEXING, percent=40), item(Status.IN_PROGRESS), "Indexing: 40 %"),
    (file(Stage.INDEXING, percent=40), item(Status.IN_PROGRESS, cancel_requested_at=NOW), "Cancelling"),
    (file(), item(Status.DEAD, error_code="timed_out"), "Failed: timed out"),
    (file(Stage.INDEX_FAILED, Outcome.FAILED, error_code="password_required"), None, "Failed: password required"),
    (
        file(Stage.INDEX_FAILED, Outcome.FAILED, error_code="password_required"),
        item(Status.DEAD, error_code="password_required"),
        "Failed: password required",
    ),
    # a dead item that a person has put back: the file has not started yet
    (file(Stage.INDEX_FAILED, Outcome.FAILED, error_code="crashed"), item(Status.PENDING), "Waiting for a worker"),
    (file(Stage.COMPLETED, Outcome.COMPLETED), None, "Completed"),
    (file(Stage.COMPLETED, Outcome.COMPLETED_NO_TEXT), None, "Completed: no text found"),
    (file(Stage.COMPLETED, Outcome.DUPLICATE, duplicate_of_id=7), None, "Duplicate of document 7"),
    (file(Stage.COMPLETED, Outcome.COMPLETED, document_id=None, item_id=None), None, "Deleted"),
    (file(Stage.COMPLETED, Outcome.DUPLICATE, document_id=None, item_id=None), None, "Deleted"),
    (
        file(Stage.COMPLETED, Outcome.SKIPPED, message="a system file, not a document", item_id=None),
        None,
        "Skipped: a system file, not a document",
    ),
    (file(Stage.CANCELLED, Outcome.CANCELLED), None, "Cancelled"),
    (file(item_id=None), None, "Waiting to be unzipped"),
]


@pytest.mark.parametrize(("row", "queue_item", "line"), CASES, ids=[case[2] for case in CASES])
def test_the_line_of_a_file(row, queue_item, line):
    assert file_state(row, queue_item, NOW) == line


@pytest.mark.parametrize(("row", "queue_item", "line"), CASES, ids=[case[2] for case in CASES])
def test_every_line_of_a_file_has_a_code(row, queue_item, line):
    code, _, error = file_line(row, queue_item, NOW).code.partition(":")
    assert code in MessageCode.values
    assert bool(error) == (code == MessageCode.FAILED)


@pytest.mark.parametrize(
    ("row", "queue_item", "code"),
    [
        (file(), item(Status.PENDING), "waiting_for_worker"),
        (file(), item(Status.WAITING, **RETRY), "retry_backoff"),
        (file(waiting_reason="disk_low"), item(Status.WAITING, wait_reason=WaitReason.SNOOZED), "waiting_for_room"),
        (file(), item(Status.WAITING, wait_reason=WaitReason.ORDERING), "waiting_for_turn"),
        (file(), item(Status.WAITING, wait_reason=WaitReason.LIMITED), "waiting"),
        (file(Stage.UPLOADING), item(Status.IN_PROGRESS), "uploading"),
        (file(), item(Status.DEAD, error_code="timed_out"), "failed:timed_out"),
        (file(outcome=Outcome.FAILED, error_code="password_required"), None, "failed:password_required"),
        (file(outcome=Outcome.UNPACKED), None, "unpacked"),
        (file(item_id=None), None, "waiting_to_be_unzipped"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_code_says_what_the_line_says(row, queue_item, code):
    assert file_line(row, queue_item, NOW).code == code


def test_each_reason_for_which_the_queue_holds_an_item_has_our_word():
    assert set(WaitReason) | {"pending", "paused", "no_worker"} == set(OF_THE_QUEUE)


INTAKES = [
    (Intake(), Summary(total=4), item(Status.PENDING), "Waiting for a worker"),
    (Intake(stage=Stage.UNZIPPING), Summary(total=4, percent=30), item(Status.IN_PROGRESS), "Unzipping: 30 %"),
    (Intake(unpacked_at=NOW), Summary(total=4), None, "Waiting: 0 of 4 files done"),
    (
        Intake(unpacked_at=NOW),
        Summary(total=4, completed=2, failed=1, stage=Stage.INDEXING),
        None,
        "Indexing: 3 of 4 files done",
    ),
    (Intake(unpacked_at=NOW, cancel_requested_at=NOW), Summary(total=4), None, "Cancelling"),
    (Intake(finished_at=NOW, status=IntakeStatus.COMPLETED), Summary(total=4, completed=4), None, "Completed"),
    (Intake(finished_at=NOW, deleted_at=NOW), Summary(total=4, completed=4), None, "Deleting"),
    (
        Intake(finished_at=NOW, status=IntakeStatus.COMPLETED_WITH_ERRORS),
        Summary(total=4, completed=2, failed=2),
        None,
        "Completed with errors: 2 of 4 files failed",
    ),
    (
        Intake(finished_at=NOW, status=IntakeStatus.FAILED),
        Summary(total=1, failed=1, error_code="password_required"),
        None,
        "Failed: password required",
    ),
    (Intake(finished_at=NOW, status=IntakeStatus.CANCELLED), Summary(total=1, cancelled=1), None, "Cancelled"),
]


@pytest.mark.parametrize(("row", "summary", "queue_item", "line"), INTAKES, ids=[case[3] for case in INTAKES])
def test_the_line_of_an_intake(row, summary, queue_item, line):
    assert intake_state(row, summary, queue_item, NOW) == line
    assert intake_line(row, summary, queue_item, NOW).code.partition(":")[0] in MessageCode.values


def test_durations_are_rounded_for_people():
    assert [span(s) for s in (-1, 0.2, 59, 300, 7200)] == ["0 s", "1 s", "59 s", "5 min", "2 h"]


def test_codes_become_words():
    assert words("km_unavailable") == "KM unavailable"
    assert words("xml_forbidden_entity") == "XML forbidden entity"
