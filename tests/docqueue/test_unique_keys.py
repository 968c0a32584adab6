"""Unique keys with their lifetimes, what a conflict does, and idempotency keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from docqueue import claiming, settling
from docqueue.exceptions import DuplicateKey, InvalidKey, InvalidOption
from docqueue.maintenance import prune, reap
from docqueue.models import HistoryItem, QueueItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, T0, in_threads, later, row, rows, worker

pytestmark = pytest.mark.django_db(transaction=True)


def enqueue(service: DocumentQueueService, **options: Any) -> Any:
    return service.enqueue(None, OPERATION, **({"unique_key": "u", "now": T0} | options))


def keys() -> dict[str, int]:
    return {found["key"]: found["item_id"] for found in rows("select key, item_id from docqueue_key")}


def by_worker(service: DocumentQueueService) -> Any:
    return service.claim(1, worker=worker(T0), now=T0)[0]


def by_step(service: DocumentQueueService) -> Any:
    starts = settling.Starts(priorities=[0], hints=[0], fronts=[None], tags=[1])
    return settling.step("default", worker(None), [], queue="default", starts=starts, limit=1).claimed[0]


def by_id(service: DocumentQueueService) -> Any:
    return service.mark_in_progress(QueueItem.objects.get(), now=T0)


def alone(service: DocumentQueueService) -> Any:
    QueueItem.objects.update(suspect=True, returned=True)
    return claiming.claim_suspect("default", worker(T0), ["default"], T0)


@pytest.mark.parametrize("claim", [by_worker, by_step, by_id, alone])
def test_until_claimed_the_next_may_come_as_soon_as_it_runs_and_no_retry_takes_the_key_back(
    service: DocumentQueueService, claim: Any
) -> None:
    first = enqueue(service, unique_for="claimed")
    assert enqueue(service, unique_for="claimed").id == first.id
    claimed = claim(service)
    assert keys() == {}
    second = enqueue(service, unique_for="claimed")
    assert second.created
    service.release(claimed, now=T0)
    assert keys() == {"u": second.id}
    service.move_to_dead(service.mark_in_progress(first, now=T0), "no", now=T0)
    service.requeue(first, now=T0)
    assert keys() == {"u": second.id}
    assert enqueue(service, unique_for="claimed").id == second.id


@pytest.mark.parametrize("end", ["complete", "dead", "cancel"])
def test_until_finished_dead_counts_as_finished(service: DocumentQueueService, end: str) -> None:
    first = enqueue(service)
    claimed = service.mark_in_progress(first, now=T0)
    service.mark_failed(claimed, "no", retry_after=0, now=T0)
    service.requeue(first, now=T0)
    assert enqueue(service).id == first.id, "a retry and a requeue of what waits keep it"
    claimed = service.mark_in_progress(first, now=T0)
    match end:
        case "complete":
            service.mark_completed(claimed, now=T0)
        case "dead":
            service.move_to_dead(claimed, "no", now=T0)
        case _:
            service.cancel(first, now=T0)
            service.release(claimed, now=T0)
    assert enqueue(service).created


def test_for_a_period_it_is_taken_whatever_becomes_of_the_item(service: DocumentQueueService) -> None:
    first = enqueue(service, unique_for=60)
    service.mark_completed(service.mark_in_progress(first, now=T0), now=T0)
    again = enqueue(service, unique_for=60, now=later(59))
    assert (again.id, again.created, again.status) == (first.id, False, Status.COMPLETED)
    second = enqueue(service, unique_for=timedelta(minutes=1), now=later(60))
    assert second.created
    assert keys() == {"u": second.id}
    third = service.enqueue_many([NewItem(operation=OPERATION, unique_key="u", unique_for=60)], now=later(121))
    assert keys() == {"u": third[0]}, "its period was over, and the item still waits"


def test_for_ever_outlives_the_history(service: DocumentQueueService) -> None:
    first = enqueue(service, unique_for="forever")
    service.mark_completed(service.mark_in_progress(first, now=T0), now=T0)
    prune.run("default", later(days=4000))
    assert enqueue(service, now=later(days=4000)).id == first.id
    HistoryItem.objects.all().delete()
    again = enqueue(service, now=later(days=4000))
    assert (again.id, again.created, again.status) == (first.id, False, None)
    assert service.enqueue_many([NewItem(operation=OPERATION, unique_key="u")], now=later(days=4000)) == [first.id]


def test_the_pruner_removes_what_is_over_and_nothing_else(service: DocumentQueueService) -> None:
    for name, lasts in {"short": 1, "long": 3600, "ever": "forever", "finished": "finished"}.items():
        enqueue(service, unique_key=name, unique_for=lasts)
    prune.run("default", later(2))
    assert set(keys()) == {"long", "ever", "finished"}


def test_a_conflict_can_replace_the_payload_of_what_has_not_started(service: DocumentQueueService) -> None:
    first = enqueue(service, payload={"n": 1}, delay_seconds=60)
    second = enqueue(service, payload={"n": 2}, metadata={"by": "me"}, on_conflict="replace")
    assert (second.id, second.created, second.replaced) == (first.id, False, True)
    assert (second.status, second.wait_reason) == (Status.WAITING, "delayed")
    assert QueueItem.objects.get().payload == {"n": 2}
    assert QueueItem.objects.get().metadata["by"] == "me"
    service.requeue(first, now=T0)
    claimed = service.mark_in_progress(first, now=T0)
    third = enqueue(service, payload={"n": 3}, on_conflict="replace")
    assert (third.id, third.created, third.replaced) == (first.id, False, False)
    service.mark_completed(claimed, now=T0)
    assert HistoryItem.objects.get(id=first.id).payload == {"n": 2}


def test_a_conflict_can_refuse(service: DocumentQueueService) -> None:
    first = enqueue(service)
    with pytest.raises(DuplicateKey, match="'u'") as refused:
        enqueue(service, on_conflict="refuse", idempotency_key="i")
    assert refused.value.item_id == first.id
    assert keys() == {"u": first.id}, "nothing of what was refused is left"
    service.cancel(first, now=T0)
    assert enqueue(service, on_conflict="refuse").created


def test_under_an_idempotency_key_a_lost_answer_can_be_asked_for_again(service: DocumentQueueService) -> None:
    first = enqueue(service, unique_key=None, idempotency_key="i", payload={"n": 1})
    assert first.created
    service.mark_completed(service.mark_in_progress(first, now=T0), now=T0)
    again = enqueue(service, unique_key="other", idempotency_key="i", now=later(hours=23))
    assert (again.id, again.created, again.status) == (first.id, False, Status.COMPLETED)
    assert "other" not in keys()
    assert enqueue(service, unique_key="i", now=later(hours=23)).created, "it is nobody's unique key"
    assert enqueue(service, unique_key=None, idempotency_key="i", now=later(hours=25)).created


def test_an_idempotency_key_remembers_what_a_conflict_answered(service: DocumentQueueService) -> None:
    first = enqueue(service)
    assert enqueue(service, idempotency_key="i").id == first.id
    service.cancel(first, now=T0)
    assert enqueue(service, idempotency_key="i").id == first.id, "although the unique key is free by now"


@pytest.mark.parametrize("options", [{}, {"unique_key": None, "idempotency_key": "i"}, {"idempotency_key": "i"}])
def test_of_ten_at_once_one_makes_the_item_and_all_get_it(service: DocumentQueueService, options: Any) -> None:
    found = in_threads(10, lambda n: enqueue(service, payload={"n": n}, **options))
    assert len({new.id for new in found}) == 1
    assert sum(new.created for new in found) == 1
    assert QueueItem.objects.count() == 1


def test_ten_that_take_the_key_of_what_is_just_claimed_get_one_more_item(service: DocumentQueueService) -> None:
    enqueue(service, unique_for="claimed")

    def act(n: int) -> int:
        return by_id(service).id if n == 0 else enqueue(service, unique_for="claimed").id

    in_threads(10, act)
    waiting = QueueItem.objects.filter(status=Status.PENDING)
    assert waiting.count() <= 1
    assert list(keys().values()) == [item.id for item in waiting]


def test_with_a_transaction_that_is_rolled_back_the_keys_are_free_again(service: DocumentQueueService) -> None:
    with transaction.atomic():
        enqueue(service, unique_for="forever", idempotency_key="i")
        transaction.set_rollback(True)
    assert keys() == {}
    assert enqueue(service, idempotency_key="i").created


def test_a_reap_never_takes_a_key_back(service: DocumentQueueService) -> None:
    first = enqueue(service, unique_for="claimed")
    by_worker(service)
    second = enqueue(service, unique_for="claimed")
    reap.run("default", later(60))
    assert row(first.id)["status"] == "pending"
    assert keys() == {"u": second.id}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"unique_for": "a while"}, InvalidOption),
        ({"unique_for": 0}, InvalidOption),
        ({"unique_for": -1}, InvalidOption),
        ({"unique_for": float("nan")}, InvalidOption),
        ({"unique_for": None}, InvalidOption),
        ({"unique_for": timedelta(0)}, InvalidOption),
        ({"on_conflict": "explode"}, InvalidOption),
        ({"unique_key": None, "unique_for": 60}, InvalidOption),
        ({"unique_key": None, "on_conflict": "replace"}, InvalidOption),
        ({"unique_key": None, "idempotency_key": "i", "on_conflict": "replace"}, InvalidOption),
        ({"idempotency_key": ""}, InvalidKey),
        ({"idempotency_key": "i" * 201}, InvalidKey),
        ({"unique_key": "\x1fi"}, InvalidKey),
    ],
)
def test_what_is_no_lifetime_and_no_key_is_refused(service: DocumentQueueService, options: Any, error: Any) -> None:
    with pytest.raises(error):
        enqueue(service, **options)
    assert keys() == {}


@pytest.mark.parametrize("options", [{"on_conflict": "refuse"}, {"on_conflict": "replace"}, {"idempotency_key": "i"}])
def test_what_is_for_one_item_is_refused_in_bulk(service: DocumentQueueService, options: Any) -> None:
    with pytest.raises(InvalidOption, match="bulk"):
        service.enqueue_many([NewItem(operation=OPERATION, unique_key="u", **options)])
    assert not QueueItem.objects.exists()
