"""What the queue says about itself: depths, workers, queues nobody serves, and why an item is where it is."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from docqueue import claiming, explaining, stats
from docqueue.admin import banner
from docqueue.maintenance import reap
from docqueue.models import Limit, Queue, QueueItem, Worker
from docqueue.states import Status, WaitReason
from tests.docqueue.helpers import OPERATION, STATES, T0, in_state, later, worker

pytestmark = pytest.mark.django_db


def serve(*queues: str, now=T0) -> int:
    return claiming.register("default", Worker.Kind.WORKER, lease_seconds=600, queues=queues, now=now)


def test_an_empty_queue_has_nothing_to_tell(service):
    found = service.get_queue_stats()
    assert set(asdict(found.total).values()) == {0}
    assert (found.queues, found.workers, found.unserved) == ({}, 0, [])


def test_each_state_is_counted_once_per_queue_and_in_total(service):
    for status, reason in STATES:
        in_state(service, status, reason, queue="a")
    in_state(service, Status.PENDING, queue="b")
    found = service.get_queue_stats(now=T0)
    # what is in line has its head, and what comes after another its parent, which are pending
    assert asdict(found.total) == {
        "pending": 6,
        "in_progress": 1,
        "completed": 1,
        "failed": 1,
        "waiting": 9,
        "retrying": 1,
        "cancelled": 1,
    }
    assert (found.queues["a"].pending, found.queues["b"].pending) == (5, 1)
    assert (found.queues["a"].completed, found.queues["b"].completed) == (1, 0)
    for name in asdict(found.total):
        assert getattr(found.total, name) == sum(getattr(q, name) for q in found.queues.values())
    assert list(found.queues) == ["a", "b"]


def test_the_numbers_follow_an_item_through_its_life(service):
    def counts() -> dict[str, int]:
        return {k: v for k, v in asdict(service.get_queue_stats(now=T0).total).items() if v}

    item = service.enqueue("d", OPERATION, max_attempts=2, ordering_key=None, now=T0)
    assert counts() == {"pending": 1}
    claim = service.mark_in_progress(item, now=T0)
    assert counts() == {"in_progress": 1}
    service.mark_failed(claim, "x", now=T0)
    assert counts() == {"retrying": 1}
    service.requeue(item, now=T0)
    service.mark_failed(service.mark_in_progress(item, now=T0), "x", now=T0)
    assert counts() == {"failed": 1}
    service.requeue(item, delay_seconds=60, now=T0)
    assert counts() == {"waiting": 1}
    service.requeue(item, now=T0)
    service.mark_completed(service.mark_in_progress(item, now=T0), now=T0)
    assert counts() == {"completed": 1}


def test_the_oldest_due_item_is_measured_from_when_it_was_due(service):
    service.enqueue("a", OPERATION, ordering_key=None, now=T0)
    service.enqueue("b", OPERATION, ordering_key=None, now=later(50))
    assert service.get_queue_stats(now=later(60)).queues["default"].oldest_due_seconds == 60
    service.claim(1, now=later(60))
    assert service.get_queue_stats(now=later(60)).queues["default"].oldest_due_seconds == 10
    service.claim(1, now=later(60))
    assert service.get_queue_stats(now=later(60)).queues["default"].oldest_due_seconds is None


def test_a_queue_that_no_worker_serves_is_named_with_what_to_run(service):
    service.enqueue("d", OPERATION, queue="documents", now=T0)
    service.enqueue("d", OPERATION, queue="mail", delay_seconds=60, now=T0)
    serve("other")
    found = service.get_queue_stats(now=T0)
    assert found.unserved == ["documents", "mail"]
    assert found.as_dict()["hints"][0] == (
        "No worker serves queue documents: run manage.py run_queue_worker --queue documents"
    )
    serve("documents", "x")
    assert service.get_queue_stats(now=T0).unserved == ["mail"]
    serve()
    found = service.get_queue_stats(now=T0)
    assert found.unserved == []
    assert (found.workers, found.queues["documents"].workers, found.queues["mail"].workers) == (3, 2, 1)


def test_a_queue_that_the_only_worker_leaves_out_is_served_by_nobody(service):
    serve(now=None)
    Worker.objects.update(excluded=["mail"])
    item = service.enqueue("d", OPERATION, queue="mail")
    found = service.get_queue_stats()
    assert (found.unserved, found.queues["mail"].workers) == (["mail"], 0)
    assert explaining.reasons("default", [QueueItem.objects.get(pk=item.id)])[item.id] == "no_worker"
    assert banner.unserved("default") == ["mail"]


def test_also_a_queue_that_holds_nothing_is_told_its_workers(service):
    serve()
    serve("mail")
    found = service.get_queue_stats(now=T0)
    assert (found.of("mail").workers, found.of("other").workers) == (2, 1)


def test_a_queue_with_nothing_to_do_needs_no_worker(service):
    for status in (Status.COMPLETED, Status.CANCELLED, Status.DEAD):
        in_state(service, status, queue="done")
    assert service.get_queue_stats(now=T0).unserved == []


def test_lost_stopped_and_expired_workers_and_callers_serve_nobody(service):
    service.enqueue("d", OPERATION, now=T0)
    claiming.stop("default", worker(T0, 600), T0)
    worker(T0, 30)
    service.mark_in_progress(service.enqueue("e", OPERATION, now=T0), now=T0)
    assert service.get_queue_stats(now=later(10)).unserved == []
    assert service.get_queue_stats(now=later(31)).unserved == ["default"], "it does not take a reaper to see that"
    reap.run("default", later(31))
    assert service.get_queue_stats(now=later(31)).workers == 0


def test_the_stats_are_plain_json(service):
    service.enqueue("d", OPERATION, now=T0)
    told = json.loads(json.dumps(service.get_queue_stats(now=T0).as_dict()))
    assert told["total"]["pending"] == told["queues"]["default"]["pending"] == 1
    assert set(told) == {"total", "queues", "workers", "unserved", "paused", "breakers", "hints"}


def test_paused_queues_are_told_with_since_when_by_whom_and_why(service):
    service.pause_queue("mail", "the server moves", "ada", now=T0)
    service.pause_queue("archive", now=later(60))
    Queue.objects.create(name="going")
    found = service.get_queue_stats(now=later(90))
    assert [(p.queue, p.since, p.by, p.reason) for p in found.paused] == [
        ("archive", later(60), "", ""),
        ("mail", T0, "ada", "the server moves"),
    ]
    assert found.stops(later(90)) == [
        "queue archive has been paused since 2026-03-04 12:01:00 UTC (no reason given)",
        "queue mail has been paused since 2026-03-04 12:00:00 UTC by ada (the server moves)",
    ]
    assert json.loads(json.dumps(found.as_dict()))["paused"][1] == {
        "queue": "mail",
        "since": "2026-03-04T12:00:00+00:00",
        "by": "ada",
        "reason": "the server moves",
    }


def test_open_breakers_are_told_with_since_when_and_when_they_are_tried(service):
    figures = {"failures_to_open": 5, "open_seconds": 30}
    Limit.objects.create(key="ftp", opened_at=later(5), failures=5, **figures)
    Limit.objects.create(key="km", opened_at=T0, probe_at=later(31), failures=1, **figures)
    Limit.objects.create(key="well", failures=2, **figures)
    found = service.get_queue_stats(now=later(40))
    assert [(b.limit, b.since, b.failures, b.tries_at, b.probe) for b in found.breakers] == [
        ("ftp", later(5), 5, later(35), None),
        ("km", T0, 1, later(61), None),
    ]
    for one, text in zip(
        found.stops(later(40)),
        [
            "'ftp' has been open for 35 s (5 failures in a row); the next item tries now whether it can be closed",
            "'km' has been open for 40 s (1 failure in a row); one item tries again in 21 s",
        ],
        strict=True,
    ):
        assert one == f"the breaker of {text}"
    assert json.loads(json.dumps(found.as_dict()))["breakers"][1]["tries_at"] == "2026-03-04T12:01:01+00:00"


def test_the_queues_of_live_items_are_those_of_every_state_and_reason(service):
    for status, reason in STATES:
        in_state(service, status, reason, queue=f"{status}-{reason}")
    ended = {f"{status}-None" for status in (Status.COMPLETED, Status.CANCELLED)}
    assert stats.queues("default") == {f"{status}-{reason}" for status, reason in STATES} - ended


# -- explain -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason", "sentence"),
    [
        (Status.WAITING, WaitReason.DELAYED, "Waiting: starts in 60 min."),
        (Status.WAITING, WaitReason.RETRY, "Waiting: retry in 60 min (no)."),
        (Status.WAITING, WaitReason.SNOOZED, "Waiting: snoozed by its handler, again in 60 min."),
        (Status.PENDING, None, "Waiting for a free worker."),
        (Status.IN_PROGRESS, None, "Running: attempt 1 of 5."),
        (Status.DEAD, None, "Failed for good: hopeless. Requeue it or discard it."),
        (Status.COMPLETED, None, "Completed."),
        (Status.CANCELLED, None, "Cancelled."),
    ],
)
def test_one_plain_sentence_says_why_an_item_is_where_it_is(service, status, reason, sentence):
    serve()
    item_id, _ = in_state(service, status, reason)
    assert service.explain(item_id, now=T0) == sentence


def test_a_wait_is_told_in_what_is_left_of_it(service):
    item_id, _ = in_state(service, Status.WAITING, WaitReason.RETRY)
    assert service.explain(item_id, now=later(3588)) == "Waiting: retry in 12 s (no)."
    assert service.explain(item_id, now=later(7200)) == "Waiting: retry in 0 s (no)."


def test_a_running_item_that_was_asked_to_stop_says_so(service):
    item_id, _ = in_state(service, Status.IN_PROGRESS)
    service.cancel(item_id, now=T0)
    assert service.explain(item_id, now=T0) == "Cancelling: its handler was asked to stop."


def test_without_a_worker_the_sentence_says_what_to_run(service):
    item_id, _ = in_state(service, Status.PENDING)
    serve("other")
    assert service.explain(item_id, now=T0) == (
        "Waiting for a worker. No worker serves queue default: run manage.py run_queue_worker --queue default"
    )


def test_a_paused_queue_is_told_with_its_reason(service):
    serve()
    item_id, _ = in_state(service, Status.PENDING)
    Queue.objects.create(name="default", paused_at=T0, paused_reason="moving house")
    assert service.explain(item_id, now=T0) == "Waiting: queue default is paused (moving house)."
    Queue.objects.update(paused_reason="")
    assert service.explain(item_id, now=T0) == "Waiting: queue default is paused (no reason given)."


def test_an_operation_without_a_handler_is_told(service, register, registry):
    serve()
    register("retired")
    item_id, _ = in_state(service, Status.PENDING, operation="retired")
    registry.pop("retired")
    assert service.explain(item_id, now=T0) == "Waiting: no handler is registered for retired."


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (0.4, "0 s"), (12, "12 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_durations_are_told_as_people_say_them(seconds, words):
    assert stats.in_words(seconds) == words
