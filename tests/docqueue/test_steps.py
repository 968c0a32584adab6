"""Durable steps: what a handler has behind it is not done again, and nothing of a lost claim is stored."""

from __future__ import annotations

import json

import pytest
from django.db import connection, transaction

from docqueue import context, outcomes, store
from docqueue.exceptions import Cancelled, InvalidStep, LeaseLost, PayloadNotJson, PayloadTooLarge
from docqueue.maintenance import prune
from docqueue.models import Checkpoint, Queue
from tests.docqueue.helpers import OPERATION, in_background, rows, second_alias, until, waiting_for
from tests.docqueue.test_context import Listener

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def run(service, listener):
    """One more run of the same item: its last one is given up as if its worker had died."""
    item = service.enqueue("d", OPERATION, ordering_key=None)

    def again() -> context.Context:
        connection.cursor().execute(
            "update docqueue_item set status = 'pending', claim_token = null, worker_id = null where id = %s "
            "and status = 'in_progress'",
            [item.id],
        )
        return context.Context(service.mark_in_progress(item), "default", listener)

    return again


def stored() -> list[tuple[str, object]]:
    return list(Checkpoint.objects.order_by("id").values_list("name", "result"))


def test_a_step_runs_once_however_often_the_handler_runs(run):
    calls = []

    def read(page: int, *, end: str) -> dict[str, object]:
        calls.append(page)
        return {"text": f"page {page}{end}", "sizes": (1, 2)}

    first = run().step("read", read, 3, end="!")
    assert first == {"text": "page 3!", "sizes": [1, 2]}, "the first run sees what every later one will see"
    assert run().step("read", read, 3, end="!") == first
    assert calls == [3]


def test_the_first_run_gets_what_later_ones_get(run):
    first, second = (json.dumps(run().step("a", lambda: {"bb": 1, "a": 1e30, "ccc": -0.0})) for _ in range(2))
    assert first == second, "the order of keys and the kinds of numbers, too"


def test_nothing_is_a_result_too(run):
    calls = []
    for _ in range(2):
        assert run().step("nothing", lambda: calls.append(1)) is None
    assert calls == [1]


def test_what_a_failed_step_had_before_it_is_kept(run):
    ctx = run()
    ctx.step("one", lambda: 1)
    with pytest.raises(ValueError, match="no good"):
        ctx.step("two", lambda: int("no good"))
    ctx = run()
    assert ctx.step("one", lambda: pytest.fail("again")) == 1
    assert ctx.step("two", lambda: 2) == 2
    assert stored() == [("one", 1), ("two", 2)]


def test_each_item_has_its_own_steps(run, service, listener):
    run().step("same", lambda: 1)
    other = context.Context(service.mark_in_progress(service.enqueue("e", OPERATION)), "default", listener)
    assert other.step("same", lambda: 2) == 2


def test_earlier_steps_are_read_once_and_each_new_one_is_one_statement(run, django_assert_num_queries):
    ctx = run()
    with django_assert_num_queries(4):
        for n in range(3):
            ctx.step(f"page {n}", lambda: 1)
    ctx = run()
    with django_assert_num_queries(1):
        for n in range(3):
            ctx.step(f"page {n}", lambda: 1)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\0b", "a\nb", None, 3])
def test_a_name_that_can_not_be_one_is_refused_before_the_step_runs(run, name):
    with pytest.raises(InvalidStep):
        run().step(name, lambda: pytest.fail("it ran"))


def test_a_name_used_twice_in_one_run_is_refused_and_the_item_set_aside(run):
    ctx = run()
    ctx.step("page", lambda: 1)
    with pytest.raises(InvalidStep, match="'page'") as refused:
        ctx.step("page", lambda: pytest.fail("it ran"))
    said = outcomes.from_exception(refused.value)
    assert (said.code, said.retryable) == ("invalid_step", False)


@pytest.mark.parametrize(("result", "error"), [({1, 2}, PayloadNotJson), ("x" * 262_143, PayloadTooLarge)])
def test_a_result_that_can_not_be_stored_says_whose_it_is(run, result, error):
    with pytest.raises(error, match="step 'read'"):
        run().step("read", lambda: result)
    assert stored() == []


def test_a_lost_claim_stores_nothing(run):
    late = run()
    late.step("in time", lambda: 1)
    run()
    with pytest.raises(LeaseLost, match="not stored"):
        late.step("late", lambda: 1)
    assert stored() == [("in time", 1)]


def test_a_claim_that_was_lost_before_its_first_step_begins_none(run, service):
    """A worker that sleeps, and wakes up when its item has ended elsewhere and the steps of that have been swept."""
    late, begun = run(), []
    other = run()
    other.step("one", lambda: 1)
    service.mark_completed(other.item)
    prune.run("default")
    with pytest.raises(LeaseLost, match="not begun"):
        late.step("one", lambda: begun.append(1))
    assert begun == []


def test_an_atomic_steps_writes_commit_with_it_or_not_at_all(run):
    def write(name: str) -> int:
        return Queue.objects.create(name=name).pk and 1

    ctx = run()
    assert ctx.step("kept", write, "kept", atomic=True) == 1
    run()
    with pytest.raises(LeaseLost):
        ctx.step("late", write, "late", atomic=True)
    assert list(Queue.objects.filter(name__in=["kept", "late"]).values_list("name", flat=True)) == ["kept"]


def test_a_step_runs_outside_of_any_transaction_and_refuses_one(run):
    ctx = run()
    ctx.step("free", lambda: connection.in_atomic_block or None)
    assert stored() == [("free", None)]
    with transaction.atomic(), pytest.raises(RuntimeError, match="outside of any transaction"):
        ctx.step("in one", lambda: pytest.fail("it ran"))
    with pytest.raises(RuntimeError, match="outside of any transaction"), ctx.complete():
        ctx.step("in complete", lambda: pytest.fail("it ran"))


def test_a_cancel_is_seen_before_a_step_begins(run, listener):
    ctx = run()
    listener.cancelled = True
    with pytest.raises(Cancelled):
        ctx.step("never", lambda: pytest.fail("it ran"))


def test_no_newer_claim_can_miss_a_step_that_is_being_stored(run, service):
    """Until the step has committed, its lock keeps the item in these hands; whoever is next sees the step."""
    ctx = run()
    params = {"item_id": ctx.id, "token": ctx.item.claim_token, "name": "slow", "result": "1"}
    with second_alias() as other, transaction.atomic(using=other):
        assert store.run(other, "checkpoint", params)
        releasing = in_background(lambda: service.release(ctx.item))
        until(lambda: waiting_for("transactionid"))
    releasing.result(5)
    assert run().step("slow", lambda: pytest.fail("again")) == 1


def test_a_requeue_keeps_the_steps_unless_it_is_told_to_clear_them(run, service):
    ctx = run()
    ctx.step("one", lambda: 1)
    service.move_to_dead(ctx.item, "x")
    service.requeue(ctx.id)
    assert run().step("one", lambda: pytest.fail("again")) == 1
    service.move_to_dead(run().item, "x")
    service.requeue(ctx.id, clear_steps=True)
    assert run().step("one", lambda: 2) == 2


def test_the_steps_of_a_finished_item_are_swept(run, service):
    ctx = run()
    ctx.step("one", lambda: 1)
    assert prune.run("default") == 0
    service.mark_completed(ctx.item)
    assert prune.run("default") == 1
    assert rows("select count(*) as n from docqueue_checkpoint") == [{"n": 0}]
