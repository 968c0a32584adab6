"""Asking again: ETag and 304, held answers, and how often to ask."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from docqueue import claiming
from docqueue.api import polling
from docqueue.models import Progress, QueueItem, Worker
from docqueue.states import Status, WaitReason
from ingestion.models import IngestFile, Intake
from tests.ingestion.factories import UserFactory, accept, accept_document, accept_zip, upload

pytestmark = pytest.mark.django_db(transaction=True)
API = "/api/v1"
T0 = datetime(2030, 1, 1, tzinfo=UTC)
PATHS = ["intakes/{i}", "intakes/{i}/files", "documents/{d}"]


@pytest.fixture
def client(owner):
    api = APIClient()
    api.force_authenticate(owner)
    return api


@pytest.fixture
def serving() -> int:
    """A live worker that serves every queue."""
    return claiming.register("default", Worker.Kind.WORKER, lease_seconds=60)


class Clock:
    """The time of the web process: stands still, and goes on by what is slept; a sleep may bring something about."""

    def __init__(self) -> None:
        self.now = T0
        self.slept: list[float] = []
        self.in_transaction: list[bool] = []
        self.happens: dict[int, object] = {}

    def monotonic(self) -> float:
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.in_transaction.append(connection.in_atomic_block or connection.get_autocommit() is False)
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        happens = self.happens.get(len(self.slept))
        if happens is not None:
            happens()


@pytest.fixture
def clock(monkeypatch) -> Clock:
    standing = Clock()
    monkeypatch.setattr(polling, "time", standing)
    monkeypatch.setattr(polling.timezone, "now", lambda: standing.now)
    return standing


def one(owner) -> tuple[Intake, dict[str, int]]:
    document = accept_document(owner)
    return document.file.intake, {"i": document.file.intake_id, "d": document.pk}


def get(client, path, tag=None, **query):
    headers = {} if tag is None else {"If-None-Match": tag}
    return client.get(f"{API}/{path}", query, headers=headers)


# -- ETag and 304 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_what_has_not_changed_is_not_sent_again(client, owner, clock, path):
    _, ids = one(owner)
    first = get(client, path.format(**ids))
    assert first.headers["ETag"].startswith('W/"')
    assert first.headers["Cache-Control"] == "private, no-cache"
    clock.now += timedelta(days=1)
    again = get(client, path.format(**ids), first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert "Content-Type" not in again.headers


@pytest.mark.parametrize("path", PATHS)
def test_each_step_of_the_work_makes_another_tag(client, owner, worker, serving, clock, path):
    intake, ids = one(owner)
    tags = []

    def note() -> None:
        answer = get(client, path.format(**ids), tags[-1] if tags else None)
        assert answer.status_code == 200
        tags.append(answer.headers["ETag"])
        assert get(client, path.format(**ids), tags[-1]).status_code == 304

    note()
    claim = worker.claim()
    note()
    Progress.objects.create(item_id=claim.id, percent=10, updated_at=timezone.now() + timedelta(seconds=1))
    note()
    IngestFile.objects.filter(intake=intake).update(stage="indexing", percent=30)
    note()
    worker.run_claimed(claim)
    note()
    assert len(set(tags)) == 5


def test_a_pause_makes_another_tag_though_no_row_of_the_intake_changes(client, owner, worker, serving):
    intake, _ = one(owner)
    tag = get(client, f"intakes/{intake.pk}").headers["ETag"]
    worker.service.pause_queue("documents")
    answer = get(client, f"intakes/{intake.pk}", tag)
    assert (answer.status_code, answer.json()["waiting_reason"]) == (200, "paused")


def test_a_countdown_makes_a_new_answer_every_ten_seconds_and_no_more(client, owner, clock):
    intake, ids = one(owner)
    items = QueueItem.objects.filter(pk=intake.files.get().item_id)
    items.update(status=Status.IN_PROGRESS)
    due = T0 + timedelta(seconds=95)
    items.update(status=Status.WAITING, wait_reason=WaitReason.RETRY, next_retry_at=due, error_code="disk_full")
    told = []
    tag = None
    for _ in range(40):
        answer = get(client, f"documents/{ids['d']}", tag)
        if answer.status_code == 200:
            tag = answer.headers["ETag"]
            told.append(answer.json()["state"])
        clock.now += timedelta(seconds=1)
    assert told == [f"Waiting: retry in {left} s (disk full)" for left in (95, 85, 75, 65)]


@pytest.mark.parametrize("known", ['"x", {tag}', "{strong}", "*"], ids=["one of several", "strong", "any"])
def test_if_none_match_is_read_as_http_says(client, owner, known):
    intake, _ = one(owner)
    tag = get(client, f"intakes/{intake.pk}").headers["ETag"]
    header = known.format(tag=tag, strong=tag.removeprefix("W/"))
    assert get(client, f"intakes/{intake.pk}", header).status_code == 304


@pytest.mark.parametrize("known", ["", "x", '"x"', "W/", '""'])
def test_a_tag_that_is_another_or_none_gets_the_whole_answer(client, owner, known):
    intake, _ = one(owner)
    assert get(client, f"intakes/{intake.pk}", known).status_code == 200


def test_pages_of_files_have_tags_of_their_own(client, owner):
    intake = accept(owner, *[upload(f"{n}.txt", f"text {n}") for n in range(3)])
    path = f"intakes/{intake.pk}/files"
    tags = {get(client, path, **query).headers["ETag"] for query in ({}, {"limit": 2}, {"outcome": "failed"})}
    assert len(tags) == 3


@pytest.mark.parametrize("path", PATHS)
def test_a_tag_opens_nobody_elses_things(client, path):
    _, ids = one(UserFactory())
    assert get(client, path.format(**ids), "*").status_code == 404


# -- held answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_is_held_until_it_differs_from_the_last(client, owner, worker, clock, path):
    _, ids = one(owner)
    tag = get(client, path.format(**ids)).headers["ETag"]
    clock.happens[3] = worker.claim
    answer = get(client, path.format(**ids), tag, wait=30)
    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag
    assert len(clock.slept) == 3


@pytest.mark.parametrize("path", PATHS)
def test_without_a_tag_an_answer_is_held_until_it_is_finished(client, owner, worker, clock, path):
    _, ids = one(owner)
    clock.happens[2] = worker.run
    answer = get(client, path.format(**ids), wait=30)
    shown = answer.json().get("results", [answer.json()])[0]
    assert shown["message_code"] == "completed"
    assert len(clock.slept) == 2


def test_an_answer_is_held_no_longer_than_asked_at_growing_intervals_and_without_a_transaction(client, owner, clock):
    intake, _ = one(owner)
    tag = get(client, f"intakes/{intake.pk}").headers["ETag"]
    answer = get(client, f"intakes/{intake.pk}", tag, wait=12)
    assert answer.status_code == 304
    assert sum(clock.slept) == pytest.approx(12)
    assert clock.slept[0] == 0.1
    assert max(clock.slept) == 1.0
    assert len(clock.slept) < 20
    assert not any(clock.in_transaction)


def test_a_held_answer_is_in_no_transaction_where_all_requests_are(client, owner, clock, settings):
    intake, _ = one(owner)
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert get(client, f"intakes/{intake.pk}", wait=1).status_code == 200
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert clock.in_transaction
    assert not any(clock.in_transaction)


def test_what_has_finished_is_answered_at_once(client, owner, worker, clock):
    intake, _ = one(owner)
    worker.run()
    tag = get(client, f"intakes/{intake.pk}", wait=30).headers["ETag"]
    assert get(client, f"intakes/{intake.pk}", tag, wait=30).status_code == 304
    assert clock.slept == []


def test_an_intake_that_vanishes_while_its_answer_is_held_is_not_found(client, owner, clock):
    intake = accept(owner)
    clock.happens[1] = Intake.objects.filter(pk=intake.pk).delete
    assert get(client, f"intakes/{intake.pk}", wait=5).status_code == 404


@pytest.mark.parametrize(("most", "slept"), [(0, 0), (3, 3), (100, 30)])
def test_the_operator_says_how_long_an_answer_is_held(client, owner, clock, settings, most, slept):
    settings.INGESTION = {**settings.INGESTION, "MAX_WAIT_SECONDS": most}
    intake, _ = one(owner)
    assert get(client, f"intakes/{intake.pk}", wait=30).status_code == 200
    assert sum(clock.slept) == pytest.approx(slept)


def test_one_process_holds_only_a_few_answers_at_a_time(client, owner, clock, settings):
    settings.INGESTION = {**settings.INGESTION, "MAX_HELD_ANSWERS": 2}
    intake, _ = one(owner)
    path, lengths = f"intakes/{intake.pk}", []

    def ask() -> None:
        began = clock.now
        assert get(client, path, wait=5).status_code == 200
        lengths.append((clock.now - began).total_seconds())

    def second() -> None:
        clock.happens[2] = ask
        ask()

    clock.happens[1] = second
    ask()
    assert lengths[0] == 0, "the third, while two were held"
    assert all(length >= 5 for length in lengths[1:])
    assert get(client, path, wait=5).status_code == 200
    assert clock.slept[-1] > 0, "and again when they are over"
    assert polling._holding == set()


@pytest.mark.parametrize("wait", ["-1", "31", "1.5", "x", "", "٣", "1e1", "0030", " 5"])
@pytest.mark.parametrize("path", PATHS)
def test_a_wait_that_makes_no_sense_is_refused(client, owner, clock, path, wait):
    _, ids = one(owner)
    answer = get(client, path.format(**ids), wait=wait)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_wait")
    assert clock.slept == []


# -- how often to ask --------------------------------------------------------------------------------------------


def test_an_unfinished_answer_says_when_to_ask_again(client, owner, worker, serving):
    intake = accept(owner, upload("a.txt", "a"), upload("b.txt", "b"))
    path = f"intakes/{intake.pk}"

    def hint(tag: str | None = None) -> str | None:
        return get(client, path, tag).headers.get("Retry-After")

    assert hint() == "2"
    assert hint("*") == "2"
    worker.service.pause_queue("documents")
    assert hint() == "5"
    worker.service.resume_queue("documents")
    claim = worker.claim()
    assert hint() == "1"
    worker.run_claimed(claim)
    worker.run()
    assert hint() is None


def test_the_schema_tells_of_wait_and_tags(client):
    schema = json.loads(client.get("/api/schema/?format=json").content)
    for path in ("intakes/{id}", "intakes/{id}/files", "documents/{id}"):
        operation = schema["paths"][f"{API}/{path}"]["get"]
        assert {"wait", "If-None-Match"} <= {parameter["name"] for parameter in operation["parameters"]}
        assert "304" in operation["responses"]


def test_an_archive_is_followed_with_tags_alone(client, owner, worker):
    """What a front end does: ask with the last tag until it is finished; every 200 shows something new."""
    intake = accept_zip(owner, {f"{n}.txt": f"text {n}" for n in range(3)})
    tag, bodies = None, []
    while not bodies or not bodies[-1]["finished"]:
        answer = get(client, f"intakes/{intake.pk}", tag)
        if answer.status_code == 304:
            worker.run_claimed(worker.claim())
            continue
        tag = answer.headers["ETag"]
        bodies.append(answer.json())
    assert [body["files_completed"] for body in bodies] == [0, 0, 1, 2, 3]
    assert all(one != other for one, other in pairwise(bodies))
