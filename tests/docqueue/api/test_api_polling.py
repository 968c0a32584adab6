"""Asking again for an item: its tag, 304, and an answer that is held until something has happened."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection

from docqueue import claiming
from docqueue.api import polling
from docqueue.models import QueueItem, Worker
from docqueue.service import DocumentQueueService
from tests.docqueue.api.callers import assert_problem

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.docqueue.urls")]
PATHS = ["/api/v1/items/{}", "/api/v1/items/{}/status"]


@pytest.fixture
def ann(person):
    return person(staff=True)


def ask(client, path, tag=None):
    return client.get(path, headers={} if tag is None else {"If-None-Match": tag})


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_that_has_not_changed_is_304_until_it_has(ann, service, operation, path):
    item_id = service.enqueue(None, operation).id
    first = ask(ann, path.format(item_id))
    assert (first.status_code, first["Cache-Control"], first["Retry-After"]) == (200, "private, no-cache", "2")
    again = ask(ann, path.format(item_id), first["ETag"])
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    service.mark_in_progress(item_id)
    changed = ask(ann, path.format(item_id), first["ETag"])
    assert (changed.status_code, changed.json()["status"]) == (200, "in_progress")


@pytest.mark.parametrize("path", PATHS)
def test_a_held_answer_comes_as_soon_as_the_item_has_changed(ann, service, operation, path):
    item_id = service.enqueue(None, operation).id
    tag = ask(ann, path.format(item_id))["ETag"]

    def complete() -> None:
        deadline = time.monotonic() + 10
        while not polling._holding and time.monotonic() < deadline:
            time.sleep(0.01)
        own = DocumentQueueService()
        own.mark_completed(own.mark_in_progress(item_id))
        connection.close()

    thread = threading.Thread(target=complete)
    thread.start()
    began = time.monotonic()
    answer = ask(ann, path.format(item_id) + "?wait=20", tag)
    thread.join()
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert time.monotonic() - began < 10
    assert "Retry-After" not in answer


@pytest.mark.parametrize("path", PATHS)
def test_what_is_over_is_answered_at_once_whatever_the_wait(ann, service, operation, path):
    item_id = service.enqueue(None, operation).id
    service.cancel(item_id)
    tag = ask(ann, path.format(item_id))["ETag"]
    began = time.monotonic()
    assert ask(ann, path.format(item_id) + "?wait=20", tag).status_code == 304
    assert time.monotonic() - began < 5


def test_a_step_in_line_is_no_news_and_half_the_way_is(ann, service, operation):
    claiming.register("default", Worker.Kind.WORKER, lease_seconds=60)
    others = [service.enqueue(None, operation).id for _ in range(6)]
    path = PATHS[0].format(service.enqueue(None, operation).id)
    first = ask(ann, path)
    assert first.json()["position"] == 7
    QueueItem.objects.filter(pk__in=others[:2]).delete()
    assert ask(ann, path, first["ETag"]).status_code == 304
    QueueItem.objects.filter(pk__in=others[2:4]).delete()
    assert ask(ann, path, first["ETag"]).json()["position"] == 3


@pytest.mark.parametrize("wait", ["-1", "31", "x", "", "1.5"])
@pytest.mark.parametrize("path", PATHS)
def test_a_wait_that_makes_no_sense_is_refused(ann, service, operation, path, wait):
    item_id = service.enqueue(None, operation).id
    assert_problem(ann.get(f"{path.format(item_id)}?wait={wait}"), 400, "invalid_wait")


def test_a_setting_says_whether_answers_are_held_at_all(ann, service, operation, configure):
    configure(HOLD_ANSWERS=0)
    path = PATHS[1].format(service.enqueue(None, operation).id)
    began = time.monotonic()
    assert ask(ann, path + "?wait=20").status_code == 200
    assert time.monotonic() - began < 5
