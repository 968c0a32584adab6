"""Depths and waits as the API tells them: figures beside the words."""

import pytest

from docqueue import stats
from docqueue.maintenance import depths
from docqueue.models import FinishedTotal, Limit
from tests.docqueue.helpers import OPERATION, T0, worker

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]


def test_an_item_that_stands_in_line_tells_its_place_and_who_is_before_it(person, service):
    first, second, third = (service.enqueue("d", OPERATION).id for _ in range(3))
    answer = person(staff=True).get(f"/api/v1/items/{third}").json()
    assert (answer["position"], answer["blocked_by"], answer["estimate_seconds"]) == (2, [first], None)
    assert answer["explain"].startswith(f"Waiting: item {first} (pending) of 'd' comes first.")
    assert second not in answer["blocked_by"]


def test_a_pending_item_tells_an_estimate(person, service):
    worker(None, 600)
    ids = [service.enqueue(None, OPERATION).id for _ in range(4)]
    from django.db.models.functions import Now

    FinishedTotal.objects.create(queue="default", at=Now(), worker_id=1, completed=20)
    answer = person(staff=True).get(f"/api/v1/items/{ids[-1]}").json()
    assert (answer["position"], answer["estimate_seconds"]) == (4, 120.0)
    assert answer["explain"] == "Waiting for a free worker: about the 4th of its queue; at 2 a minute about 2 min."


def test_an_item_that_has_ended_stands_in_no_line(person, service):
    item = service.enqueue(None, OPERATION)
    service.cancel(item)
    answer = person(staff=True).get(f"/api/v1/items/{item.id}").json()
    assert (answer["position"], answer["estimate_seconds"], answer["blocked_by"]) == (None, None, [])


def test_the_stats_tell_how_old_a_count_is(person, service, monkeypatch):
    monkeypatch.setattr(stats, "DEEP", 2)
    for _ in range(3):
        service.enqueue(None, OPERATION)
    caller = person("view_queueitem")
    told = caller.get("/api/v1/queue/stats").json()["queues"]["default"]
    assert (told["pending"], told["counted_seconds_ago"]) == (2, {"pending": None})
    depths.run("default")
    told = caller.get("/api/v1/queue/stats").json()["queues"]["default"]
    assert told["pending"] == 3
    assert 0 <= told["counted_seconds_ago"]["pending"] < 60
    assert told["finished_per_minute"] == 0


def test_the_stats_tell_what_is_paused_and_which_breakers_are_open(person, service):
    service.pause_queue("mail", "the server moves", "ada", now=T0)
    Limit.objects.create(key="km", failures_to_open=5, open_seconds=30, failures=5, opened_at=T0)
    told = person("view_queueitem").get("/api/v1/queue/stats").json()
    assert [(p["queue"], p["by"], p["reason"]) for p in told["paused"]] == [("mail", "ada", "the server moves")]
    assert [(b["limit"], b["failures"], b["probe"]) for b in told["breakers"]] == [("km", 5, None)]
