"""What a handler gets: its item, progress that is cheap to tell, and a cancel that it can see."""

from __future__ import annotations

import pytest

from docqueue import context
from docqueue.exceptions import Cancelled, PayloadNotJson, PayloadTooLarge
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, in_state, past, row

pytestmark = pytest.mark.django_db(transaction=True)


class Listener:
    """The other end of the channel."""

    def __init__(self) -> None:
        self.said: list[tuple[int, str, str]] = []
        self.cancelled = False

    def progress(self, item, percent, stage, message):
        self.said.append((percent, stage, message))

    def cancel_requested(self, item):
        return self.cancelled


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def ctx(service, listener):
    new = service.enqueue("d", OPERATION, payload={"a": 1}, metadata={"u": 2}, ordering_key=None, max_attempts=4)
    return context.Context(service.mark_in_progress(new), "default", listener)


def test_it_shows_the_item(ctx):
    assert (ctx.document_id, ctx.operation, ctx.payload, ctx.metadata) == ("d", OPERATION, {"a": 1}, {"u": 2})
    assert (ctx.id, ctx.attempt, ctx.max_attempts) == (ctx.item.id, 1, 4)


def test_the_idempotency_key_is_the_same_through_retries_and_requeues(service, ctx, listener):
    service.move_to_dead(ctx.item, "x")
    service.requeue(ctx.id)
    again = context.Context(service.mark_in_progress(ctx.id), "default", listener)
    assert again.idempotency_key == ctx.idempotency_key
    _, claim = in_state(service, Status.IN_PROGRESS)
    assert context.Context(claim, "default", listener).idempotency_key != ctx.idempotency_key


def test_progress_is_throttled_but_the_first_of_a_stage_and_the_last_always_go(ctx, listener, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(context.time, "monotonic", lambda: clock[0])
    for percent in range(50):
        ctx.progress(percent, stage="reading")
    assert listener.said == [(0, "reading", "")]
    ctx.progress(50, stage="indexing", message="half")
    clock[0] += context.PROGRESS_SECONDS
    ctx.progress(60, stage="indexing")
    ctx.progress(100, stage="indexing")
    assert listener.said[1:] == [(50, "indexing", "half"), (60, "indexing", ""), (100, "indexing", "")]


def test_progress_out_of_range_or_not_storable_is_made_storable(ctx, listener):
    ctx.progress(250.7, stage="s\0" + "x" * 200, message="\ud800" + "m" * 900)
    [(percent, stage, message)] = listener.said
    assert (percent, len(stage), len(message)) == (100, 100, 500)
    assert "\0" not in stage
    ctx.progress(-5, stage="other")
    assert listener.said[-1][0] == 0


def test_a_handler_sees_the_cancel_at_its_next_check_or_progress(ctx, listener):
    ctx.check()
    listener.cancelled = True
    with pytest.raises(Cancelled):
        ctx.check()
    with pytest.raises(Cancelled):
        ctx.progress(1)
    assert listener.said == []


def test_the_result_may_be_filled_in_inside_the_block(ctx):
    result: dict = {}
    with ctx.complete(result=result):
        result["pages"] = 12
    assert past(ctx.id)["result"] == '{"pages": 12}'
    assert ctx.settled


@pytest.mark.parametrize(("result", "error"), [({1, 2}, PayloadNotJson), ("x" * 300_000, PayloadTooLarge)])
def test_a_result_that_can_not_be_stored_leaves_the_item_in_progress(service, ctx, result, error):
    with pytest.raises(error), ctx.complete(result=result):
        pass
    assert row(ctx.id)["status"] == "in_progress"
    with pytest.raises(error):
        service.mark_completed(ctx.item, result=result)
    assert row(ctx.id)["status"] == "in_progress"


def test_complete_refuses_to_be_used_inside_another_transaction(ctx):
    from django.db import transaction

    with transaction.atomic():
        with pytest.raises(RuntimeError, match="outside of any other"), ctx.complete():
            pass
    assert row(ctx.id)["status"] == "in_progress"
