"""A paused queue: nothing of it is claimed any more, everybody is told why, and what people did is audited."""

from __future__ import annotations

import pytest

from docqueue import claiming
from docqueue.exceptions import InvalidKey
from docqueue.maintenance import reap
from docqueue.models import AuditEntry, Queue
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, T0, in_threads, later, row, worker

pytestmark = pytest.mark.django_db


def test_nothing_of_a_paused_queue_is_claimed_and_the_others_are(service: DocumentQueueService) -> None:
    stopped = service.enqueue(None, OPERATION, queue="stopped", now=T0).id
    back = service.enqueue(None, OPERATION, queue="stopped", now=T0).id
    service.release(service.mark_in_progress(back, now=T0), now=T0)
    going = service.enqueue(None, OPERATION, queue="going", now=T0).id

    service.pause_queue("stopped", "the archive moves", "ada", now=T0)

    assert [c.id for c in service.claim(10, worker=worker(T0), now=T0)] == [going]
    assert service.claim(10, queues=["stopped"], now=T0) == []
    assert {row(i)["status"] for i in (stopped, back)} == {"pending"}

    assert service.resume_queue("stopped", "ada", now=T0)
    assert {c.id for c in service.claim(10, worker=worker(T0), now=T0)} == {back, stopped}


def test_an_item_that_is_named_is_taken_all_the_same(service: DocumentQueueService) -> None:
    item = service.enqueue(None, OPERATION, now=T0)
    service.pause_queue("default")
    assert service.mark_in_progress(item, now=T0).id == item.id


def test_a_suspect_of_a_paused_queue_is_not_claimed_either(service: DocumentQueueService) -> None:
    service.enqueue(None, OPERATION, queue="stopped", now=T0)
    service.claim(1, worker=worker(T0), now=T0)
    reap.run("default", later(60))
    service.pause_queue("stopped")
    assert claiming.lanes("default") == []
    assert service.claim(1, now=later(60)) == []


def test_explain_gives_the_reason(service: DocumentQueueService) -> None:
    item = service.enqueue(None, OPERATION, now=T0)
    service.pause_queue("default", "the archive moves")
    assert service.explain(item) == "Waiting: queue default is paused (the archive moves)."
    service.pause_queue("default")
    assert service.explain(item) == "Waiting: queue default is paused (no reason given)."
    service.resume_queue("default")
    assert "paused" not in service.explain(item)


def test_a_queue_that_is_paused_again_keeps_its_time_and_gets_the_new_reason(service: DocumentQueueService) -> None:
    assert service.pause_queue("q", "one", "ada", now=T0) == T0
    assert service.pause_queue("q", "another", "bob", now=later(60)) == T0
    assert list(Queue.objects.values_list("paused_at", "paused_reason", "paused_by")) == [(T0, "another", "bob")]
    service.resume_queue("q")
    assert list(Queue.objects.values_list("paused_at", "paused_reason", "paused_by")) == [(None, "", "")]


def test_resuming_what_is_not_paused_changes_nothing(service: DocumentQueueService) -> None:
    Queue.objects.create(name="known", options={"weight": 2})
    assert not service.resume_queue("known")
    assert not service.resume_queue("unknown")
    assert not AuditEntry.objects.exists()
    service.pause_queue("known")
    assert service.resume_queue("known")
    assert list(Queue.objects.values_list("name", "paused_at", "options")) == [("known", None, {"weight": 2})]


def test_pauses_are_audited(service: DocumentQueueService) -> None:
    service.pause_queue("q", "why", "ada", now=T0)
    service.resume_queue("q", "bob", "because", now=later(1))
    assert [(e.action, e.actor, e.reason, e.filter, e.at) for e in AuditEntry.objects.order_by("id")] == [
        ("pause_queue", "ada", "why", {"queue": "q"}, T0),
        ("resume_queue", "bob", "because", {"queue": "q"}, later(1)),
    ]


@pytest.mark.parametrize("name", ["", "a" * 65, "\0"])
def test_a_name_that_no_queue_can_have_is_refused(service: DocumentQueueService, name: str) -> None:
    for verb in (service.pause_queue, service.resume_queue):
        with pytest.raises(InvalidKey, match="queue"):
            verb(name)
    assert not Queue.objects.exists()


def test_enqueues_into_a_paused_queue_go_on(service: DocumentQueueService) -> None:
    service.pause_queue("default")
    assert service.enqueue(None, OPERATION).status is Status.PENDING


@pytest.mark.django_db(transaction=True)
def test_two_people_who_resume_at_once_resume_once(service: DocumentQueueService) -> None:
    service.pause_queue("q")
    assert sorted(in_threads(2, lambda _: service.resume_queue("q"))) == [False, True]
    assert AuditEntry.objects.filter(action="resume_queue").count() == 1
