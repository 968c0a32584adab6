"""Batches: sealed, finished once, with what is enqueued then; and no row that all their items would fight for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection, transaction

from docqueue import batching, settling, store, testing
from docqueue.context import Context
from docqueue.exceptions import BatchNotFound, BatchSealed, InvalidKey, InvalidOption, UnknownOperation
from docqueue.flows import Batch
from docqueue.maintenance import all_duties, batches, prune
from docqueue.models import AnyItem, AuditEntry, QueueItem
from docqueue.models import Batch as BatchRow
from docqueue.service import DocumentQueueService, NewItem, Rules
from docqueue.states import Status
from tests.docqueue.crash_points.stages import Silent
from tests.docqueue.helpers import (
    OPERATION,
    T0,
    in_background,
    in_threads,
    later,
    row,
    rows,
    until,
    waiting_for,
    worker,
)

pytestmark = pytest.mark.django_db(transaction=True)
TESTED = pytest.mark.django_db
MEMBERS = 10_000


def made(service: DocumentQueueService, count: int = 2, **options: Any) -> tuple[Batch, list[int]]:
    """A sealed batch with so many items, and a callback for either end."""
    ends = {
        "on_complete": NewItem(operation=OPERATION, payload={"well": True}, metadata={"mine": 1}),
        "on_failure": NewItem(operation=OPERATION, payload={"well": False}),
    }
    batch = service.batch("pages", **ends | options, now=T0)
    ids = batch.add([NewItem(operation=OPERATION) for _ in range(count)], now=T0)
    batch.seal(now=T0)
    return batch, ids


def run(service: DocumentQueueService, *ids: int) -> None:
    for item_id in ids:
        service.mark_completed(service.mark_in_progress(item_id, now=T0), now=T0)


def die(service: DocumentQueueService, item_id: int) -> None:
    service.move_to_dead(service.mark_in_progress(item_id, now=T0), "no", now=T0)


def callback(service: DocumentQueueService, batch: Batch) -> AnyItem | None:
    found = service.batch_status(batch).callback_id
    return None if found is None else service.get_item(found)


def test_when_the_last_item_has_completed_the_callback_is_enqueued_once(service: DocumentQueueService) -> None:
    batch, ids = made(service)
    run(service, ids[0])
    assert batches.run("default", T0) == 0
    run(service, ids[1])
    assert batches.run("default", later(1)) == 1
    status = service.batch_status(batch)
    assert (status.outcome, status.finished_at, status.completed, status.total) == ("completed", later(1), 2, 2)
    new = callback(service, batch)
    assert new is not None
    assert (new.payload, new.metadata) == ({"well": True}, {"mine": 1, "batch_id": batch.id})
    assert batches.run("default", T0) == 0
    assert QueueItem.objects.count() == 1


@pytest.mark.parametrize("end", ["dead", "cancelled"])
def test_one_that_is_dead_or_cancelled_makes_it_failed(service: DocumentQueueService, end: str) -> None:
    batch, ids = made(service)
    die(service, ids[0]) if end == "dead" else service.cancel(ids[0], now=T0)
    run(service, ids[1])
    batches.run("default", T0)
    status = service.batch_status(batch)
    assert (status.outcome, status.dead, status.cancelled) == ("failed", int(end == "dead"), int(end == "cancelled"))
    new = callback(service, batch)
    assert new is not None
    assert new.payload == {"well": False}


def test_a_member_that_is_requeued_later_does_not_fire_again(service: DocumentQueueService) -> None:
    batch, ids = made(service, 1)
    die(service, ids[0])
    batches.run("default", T0)
    service.requeue(ids[0], now=T0)
    assert service.batch_status(batch).pending == 1
    run(service, ids[0])
    assert batches.run("default", T0) == 0
    assert service.batch_status(batch).outcome == "failed"
    assert AnyItem.objects.count() == 2


def test_until_it_is_sealed_it_takes_items_and_is_not_finished(service: DocumentQueueService) -> None:
    batch = service.batch(now=T0)
    run(service, batch.enqueue("d", OPERATION, ordering_key=None, now=T0).id)
    assert batches.run("default", T0) == 0
    assert service.get_batch(batch.id).add([NewItem(operation=OPERATION)], now=T0)
    batch.seal(now=T0)
    batch.seal(now=later(9))
    assert service.batch_status(batch).sealed_at == T0
    for add in (lambda: batch.enqueue(None, OPERATION), lambda: batch.add([NewItem(operation=OPERATION)])):
        with pytest.raises(BatchSealed, match=f"Batch {batch.id} is sealed"):
            add()
    assert service.batch_status(batch).total == 2


def test_a_block_seals_at_its_end_but_not_after_an_error(service: DocumentQueueService) -> None:
    with service.batch(now=T0) as batch:
        chain = batch.chain([NewItem(operation=OPERATION) for _ in range(2)], now=T0)
    assert service.batch_status(batch).sealed_at is not None
    assert service.batch_status(batch).waiting == 1
    assert {found["batch_id"] for found in map(row, chain) if found} == {batch.id}
    with pytest.raises(ZeroDivisionError), service.batch() as other:
        1 / 0  # noqa: B018
    assert service.batch_status(other).sealed_at is None


def test_a_batch_that_a_program_left_open_is_sealed_by_a_person_once_and_audited(
    service: DocumentQueueService,
) -> None:
    batch = service.batch(now=T0)
    assert service.seal_batch(batch, by="ada", reason="it died", now=T0)
    assert not service.seal_batch(batch.id, by="bob", now=later(1))
    assert service.batch_status(batch).sealed_at == T0
    assert [(e.action, e.actor, e.reason, e.filter, e.at) for e in AuditEntry.objects.all()] == [
        ("seal_batch", "ada", "it died", {"batch": batch.id}, T0)
    ]
    with pytest.raises(BatchNotFound):
        service.seal_batch(4711)


def test_an_empty_batch_is_complete_as_soon_as_it_is_sealed(service: DocumentQueueService) -> None:
    with service.batch(on_complete=NewItem(operation=OPERATION)) as batch:
        pass
    assert service.batch_status(batch).outcome == "completed"
    assert callback(service, batch) is not None


def test_with_a_transaction_that_is_rolled_back_there_is_no_batch(service: DocumentQueueService) -> None:
    with transaction.atomic():
        with service.batch(on_complete=NewItem(operation=OPERATION)) as batch:
            batch.add([NewItem(operation=OPERATION)])
        transaction.set_rollback(True)
    with pytest.raises(BatchNotFound):
        service.batch_status(batch)
    for call in (batch.seal, lambda: batch.add([]), lambda: service.get_batch(batch)):
        with pytest.raises(BatchNotFound):
            call()
    assert not AnyItem.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"operation": "test.unheard_of"}, UnknownOperation),
        ({"rules": Rules(after=[1])}, InvalidOption),
        ({"rules": Rules(batch_id=1)}, InvalidOption),
        ({"unique_key": "u", "on_conflict": "refuse"}, InvalidOption),
    ],
)
@pytest.mark.parametrize("end", ["on_complete", "on_failure"])
def test_a_callback_that_could_not_be_enqueued_is_refused_with_the_batch(
    service: DocumentQueueService, wrong: dict[str, Any], error: type[Exception], end: str
) -> None:
    with pytest.raises(error):
        service.batch(**{end: NewItem(**{"operation": OPERATION} | wrong)})
    with pytest.raises(InvalidKey):
        service.batch("x" * 256)
    assert not BatchRow.objects.exists()


def test_a_callback_keeps_all_that_was_asked_for_it(service: DocumentQueueService) -> None:
    asked = NewItem(
        document_id=7, operation=OPERATION, priority="high", queue="other", run_after=later(days=9000), max_attempts=9,
        timeout_seconds=8.5, unique_key="u", unique_for=60, idempotency_key="i", payload={"a": [1]},
        rules=Rules(tenant="t", concurrency_key="c"),
    )  # fmt: skip
    batch, _ = made(service, 0, on_complete=asked)
    found = row(service.batch_status(batch).callback_id or 0)
    assert found is not None
    wanted = {
        "document_id": "7", "priority": 50, "queue": "other", "run_after": later(days=9000), "max_attempts": 9,
        "timeout_seconds": 8.5, "unique_key": "u", "ordering_key": "7", "tenant": "t", "slot_key": "c",
        "wait_reason": "delayed",
    }  # fmt: skip
    assert {name: found[name] for name in wanted} == wanted
    assert json.loads(found["payload"]) == {"a": [1]}


def test_a_callback_needs_no_handler_in_the_process_that_finishes_the_batch(
    service: DocumentQueueService, register: Any, registry: dict[str, Any]
) -> None:
    register("test.far_away", queue="far")
    batch, ids = made(service, 1, on_complete=NewItem(operation="test.far_away"))
    del registry["test.far_away"]
    run(service, *ids)
    assert batches.run("default", T0) == 1
    new = callback(service, batch)
    assert new is not None
    assert new.queue == "far"


def test_outcome_and_callback_are_set_together_or_not_at_all(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, ids = made(service, 1)
    run(service, *ids)
    with monkeypatch.context() as broken:
        broken.setattr(batching.enqueuing, "enqueue", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            batches.run("default", T0)
    assert service.batch_status(batch).outcome is None
    assert batches.run("default", T0) == 1


def test_one_whose_callback_can_not_be_read_keeps_no_other_from_being_finished(service: DocumentQueueService) -> None:
    made = [service.batch(on_complete=NewItem(operation=OPERATION), now=T0) for _ in range(2)]
    BatchRow.objects.filter(id=made[0].id).update(on_complete={"of": "another version"}, sealed_at=T0)
    BatchRow.objects.filter(id=made[1].id).update(sealed_at=T0)
    with pytest.raises(KeyError):
        batches.run("default", T0)
    assert [service.batch_status(batch).outcome for batch in made] == [None, "completed"]


def test_those_who_add_do_not_wait_for_each_other_and_the_seal_waits_for_them(service: DocumentQueueService) -> None:
    batch = service.batch(on_complete=NewItem(operation=OPERATION), now=T0)
    with transaction.atomic():
        mine = batch.add([NewItem(operation=OPERATION)], now=T0)
        theirs = in_background(lambda: batch.add([NewItem(operation=OPERATION)], now=T0)).result()
        sealing = in_background(lambda: batch.seal(now=T0))
        until(lambda: in_background(lambda: waiting_for("transactionid")).result())  # a transaction sees but one moment
        run(service, *theirs)
        assert in_background(lambda: batches.run("default", T0)).result() == 0
    sealing.result()
    assert batches.run("default", T0) == 0, "what was added before the seal counts"
    run(service, *mine)
    assert batches.run("default", T0) == 1
    assert service.batch_status(batch).completed == 2


def test_ten_that_finish_it_at_once_fire_once(service: DocumentQueueService) -> None:
    made_ = [made(service, 20) for _ in range(10)]
    ids = [item_id for _, items in made_ for item_id in items]

    def work(number: int) -> int:
        run(service, *ids[number::10])
        return sum(batches.run("default") for _ in range(10))

    done = sum(in_threads(10, work)) + batches.run("default")
    assert done == 10
    found = AnyItem.objects.exclude(id__in=ids)
    assert sorted(one.metadata["batch_id"] for one in found) == sorted(batch.id for batch, _ in made_)


def test_a_member_may_be_a_child_and_its_batch_waits_for_it(service: DocumentQueueService) -> None:
    parent = service.enqueue(None, OPERATION, now=T0).id
    batch = service.batch(now=T0)
    child = batch.enqueue(None, OPERATION, after=[parent], if_parent_fails="cancel", now=T0).id
    batch.seal(now=T0)
    assert batches.run("default", T0) == 0
    service.cancel(parent, now=T0)
    batches.run("default", T0)
    assert (service.batch_status(batch).outcome, service.get_status(child)) == ("failed", Status.CANCELLED)


def test_what_had_the_unique_key_already_is_no_member(service: DocumentQueueService) -> None:
    first = service.enqueue(None, OPERATION, unique_key="u", now=T0).id
    with service.batch(now=T0) as batch:
        again = batch.enqueue(None, OPERATION, unique_key="u", now=T0)
        (bulk,) = batch.add([NewItem(operation=OPERATION, unique_key="u")], now=T0)
    assert (again.id, again.created, bulk) == (first, False, first)
    assert service.batch_status(batch).outcome == "completed", "it is empty"


def test_an_item_that_comes_twice_is_refused_not_left_out(service: DocumentQueueService) -> None:
    one = NewItem(operation=OPERATION)
    batch = service.batch()
    for put in (batch.add, batch.chain, service.chain):
        with pytest.raises(InvalidOption, match="twice"):
            put([one, one])
    assert service.batch_status(batch).total == 0


def test_an_option_that_there_is_not_is_refused(service: DocumentQueueService) -> None:
    with pytest.raises(InvalidOption, match="no such option"):
        service.batch().enqueue(None, OPERATION, prioritty=1)


@TESTED
def test_drain_runs_the_callback_too(service: DocumentQueueService) -> None:
    with service.batch(on_complete=NewItem(operation=OPERATION, payload={"end": True})) as batch:
        batch.add([NewItem(operation=OPERATION) for _ in range(3)])
    ran = testing.drain()
    assert [one.item.payload for one in ran] == [{}, {}, {}, {"end": True}]
    assert ran[-1].item.metadata["batch_id"] == batch.id


def test_finished_batches_go_with_the_retention_and_open_ones_stay(service: DocumentQueueService) -> None:
    batch, ids = made(service, 1)
    run(service, *ids)
    batches.run("default", T0)
    left = service.batch(now=T0)
    prune.run("default", later(days=5))
    assert BatchRow.objects.count() == 2
    prune.run("default", later(days=4000))
    assert [found.id for found in BatchRow.objects.all()] == [left.id] != [batch.id]


def test_a_worker_looks_every_two_seconds() -> None:
    assert [duty.every_seconds <= 2 for duty in all_duties() if duty.name == "batches"] == [True]


def explain(name: str, **params: Any) -> tuple[int, set[str]]:
    """Pages touched, and what was read how."""
    with connection.cursor() as cursor:
        cursor.execute("explain (analyze, buffers, format json) " + store.sql(name), {"now": None, **params})
        found = cursor.fetchone()[0]
    top = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    nodes: list[dict[str, Any]] = [top]
    for node in nodes:
        nodes += node.get("Plans", [])
    assert ("Seq Scan", "docqueue_item") not in {(n["Node Type"], n.get("Relation Name")) for n in nodes}
    return top["Shared Hit Blocks"] + top["Shared Read Blocks"], {n["Index Name"] for n in nodes if "Index Name" in n}


def test_a_batch_of_ten_thousand_has_no_hot_row_and_its_probe_reads_one_item(service: DocumentQueueService) -> None:
    """Its row is written three times: made, sealed, finished. Ten workers end its items at once and never touch it."""
    batch = service.batch(on_complete=NewItem(operation=OPERATION))
    in_threads(10, lambda n: batch.add([NewItem(operation=OPERATION) for _ in range(MEMBERS // 10)]))
    others = service.enqueue_many([NewItem(operation=OPERATION) for _ in range(2_000)])
    version = "select xmin::text, ctid::text from docqueue_batch"
    made_as = rows(version)
    batch.seal()
    sealed_as = rows(version)
    assert made_as != sealed_as
    with transaction.atomic():
        pages, indexes = explain("ended_batches", after=0, limit=1000)
        assert "docqueue_item_batch" in indexes
        assert pages < 30
        pages, indexes = explain("finish_batch", batch_id=batch.id)
        assert "docqueue_item_batch" in indexes
        assert pages < 30
    members = set(QueueItem.objects.filter(batch_id=batch.id).values_list("id", flat=True))
    assert len(members) == MEMBERS

    def work(number: int) -> None:
        me = worker(None, lease_seconds=600)
        while claims := service.claim(500, worker=me):
            settling.complete("default", [(claim, None) for claim in claims])

    in_threads(10, work)
    assert rows(version) == sealed_as
    status = service.batch_status(batch)
    assert (status.completed, status.total) == (MEMBERS, MEMBERS)
    assert batches.run("default") == 1
    assert not set(others) & members
    assert callback(service, batch) is not None


def test_the_handler_of_a_callback_finds_its_batch(service: DocumentQueueService) -> None:
    batch, _ = made(service, 0)
    claim = service.mark_in_progress(service.batch_status(batch).callback_id or 0, now=T0)
    assert Context(claim, "default", Silent()).metadata["batch_id"] == batch.id
