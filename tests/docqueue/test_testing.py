"""The testing kit, as a project's tests would use it: inside TestCase, TransactionTestCase and functions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import TestCase, TransactionTestCase
from django.utils import timezone

from docqueue import testing
from docqueue.exceptions import AlreadyClaimed, Retry
from docqueue.handlers import forget, handler
from docqueue.models import Attempt, Checkpoint, HistoryItem, QueueItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status
from tests.docqueue.helpers import past, row
from tests.testapp.models import Effect

pytest_plugins = ["docqueue.pytest_plugin"]


@pytest.fixture
def operation():
    """Registers a function as the handler of `kit.work`."""

    def register(function, **options):
        handler("kit.work", **options)(function)
        return "kit.work"

    yield register
    forget("kit.work")


class KitInTestCase(TestCase):
    """Everything in one transaction that is rolled back."""

    def test_what_is_due_runs_in_order_and_is_completed(self):
        service = DocumentQueueService()
        ids = service.enqueue_many([NewItem(document_id=7, operation="test.echo") for _ in range(3)])
        ran = testing.drain()
        assert [r.item.id for r in ran] == ids
        assert {r.status for r in ran} == {Status.COMPLETED}
        assert HistoryItem.objects.get(pk=ids[0]).result["document"] == "7"

    def test_writes_and_completion_commit_together_here_too(self):
        item = DocumentQueueService().enqueue(None, "test.effect")
        assert testing.run_one(item).status is Status.COMPLETED
        assert Effect.objects.get().item_id == item.id

    def test_a_statement_that_fails_is_its_items_outcome_and_harms_no_one_else(self):
        service = DocumentQueueService()
        service.enqueue(None, "test.duplicate", max_attempts=1)
        service.enqueue(None, "test.effect")
        ran = testing.drain()
        assert [r.status for r in ran] == [Status.DEAD, Status.COMPLETED]
        assert ran[0].outcome.code == "exception"
        assert Effect.objects.count() == 1

    def test_the_tests_own_connection_is_left_open(self):
        DocumentQueueService().enqueue(None, "test.fail", max_attempts=1)
        testing.drain()
        assert QueueItem.objects.get().status == Status.DEAD


class KitInTransactionTestCase(TransactionTestCase):
    def test_items_run_and_effects_are_written_once(self):
        ids = DocumentQueueService().enqueue_many([NewItem(operation="test.effect") for _ in range(5)])
        testing.drain()
        assert sorted(Effect.objects.values_list("item_id", flat=True)) == ids


@pytest.mark.django_db
class TestDrain:
    def test_an_exception_is_an_outcome_and_what_waits_for_later_waits_on(self, service):
        item = service.enqueue(None, "test.fail_until", payload={"attempt": 2}).id
        dead = service.enqueue(None, "test.dead").id
        later = service.enqueue(None, "test.noop", delay_seconds=3600).id
        ran = testing.drain()
        assert [(r.item.id, r.status) for r in ran] == [
            (item, Status.WAITING),
            (dead, Status.DEAD),
            (item, Status.COMPLETED),
        ]
        assert row(later)["status"] == "waiting"

    def test_only_the_queues_that_are_named(self, service):
        service.enqueue(None, "test.noop", queue="a")
        service.enqueue(None, "test.noop", queue="b")
        assert [r.item.queue for r in testing.drain(queues=["b"])] == ["b"]

    def test_items_that_go_on_for_ever_are_an_error_of_the_test(self, service, operation):
        def again(ctx):
            raise Retry(after=0)

        service.enqueue(None, operation(again), max_attempts=1000)
        with pytest.raises(AssertionError, match="after 20 runs"):
            testing.drain(limit=20)

    def test_a_handler_may_enqueue_and_what_it_enqueues_runs_too(self, service, operation):
        def parent(ctx):
            if ctx.payload.get("left"):
                DocumentQueueService().enqueue(None, "kit.work", payload={"left": ctx.payload["left"] - 1})

        service.enqueue(None, operation(parent), payload={"left": 3})
        assert len(testing.drain()) == 4

    def test_run_one_runs_that_one_only(self, service):
        first, second = service.enqueue(None, "test.echo"), service.enqueue(None, "test.echo")
        assert testing.run_one(second).item.id == second.id
        assert row(first.id)["status"] == "pending"
        with pytest.raises(AlreadyClaimed):
            testing.run_one(second)

    def test_progress_and_a_cancel_go_their_usual_way(self, service, operation):
        def work(ctx):
            ctx.progress(10, stage="reading")
            DocumentQueueService().cancel(ctx.id)
            ctx.progress(20, stage="never")

        item = service.enqueue(None, operation(work))
        assert testing.drain()[0].status is Status.CANCELLED
        assert past(item.id)["status"] == "cancelled"


@pytest.mark.django_db
class TestTravel:
    def test_what_is_delayed_or_backs_off_becomes_due(self, service):
        service.enqueue(None, "test.noop", delay_seconds=3600)
        assert testing.drain() == []
        with testing.travel(3601):
            assert len(testing.drain()) == 1

    @pytest.mark.parametrize("days", [40, 400])
    def test_what_ends_far_ahead_has_a_place_in_the_history(self, service, days):
        for name in ("test.noop", "test.effect"):
            service.enqueue(None, name)
        with testing.travel(days * 86_400):
            assert {ran.status for ran in testing.drain()} == {Status.COMPLETED}

    def test_one_travels_to_a_moment_and_what_is_enqueued_there_carries_it(self, service):
        moment = timezone.now() + timedelta(days=30)
        with testing.travel(to=moment):
            item = service.enqueue(None, "test.noop")
            many = service.enqueue_many([NewItem(operation="test.noop")])
        for item_id in (item.id, *many):
            assert abs(row(item_id)["enqueued_at"] - moment) < timedelta(seconds=10)
        with pytest.raises(ValueError, match="either"), testing.travel():
            pass


@pytest.mark.django_db
class TestAssertEnqueued:
    def test_it_finds_live_and_finished_items_by_any_column_and_part_of_the_payload(self, service):
        item = service.enqueue(7, "test.echo", payload={"page": 1, "of": 3}, queue="q").id
        service.enqueue(8, "test.echo")
        assert [i.id for i in testing.assert_enqueued("test.echo", document_id=7, payload={"page": 1}, queue="q")] == [
            item
        ]
        testing.drain()
        testing.assert_enqueued("test.echo", count=2, status="completed")

    def test_it_says_what_there_is_when_there_is_no_such_item(self, service):
        service.enqueue(7, "test.echo", payload={"page": 1})
        with pytest.raises(AssertionError, match=r"document 7, \{'page': 1\}"):
            testing.assert_enqueued("test.echo", payload={"page": 2})
        with pytest.raises(AssertionError, match="not 2"):
            testing.assert_enqueued("test.echo", count=2)
        testing.assert_enqueued("test.noop", count=0)


@pytest.mark.django_db
class TestDeaths:
    def steps(self, calls):
        def work(ctx):
            ctx.step("one", calls.append, "one")
            calls.append("outside")
            with ctx.complete():
                Effect.objects.create(item_id=ctx.id, attempt=ctx.attempt)

        return work

    @pytest.mark.parametrize(
        ("point", "calls"),
        [
            ("claim", ["one", "outside"]),
            ("step", ["one", "outside"]),
            ("complete", ["one", "outside", "outside"]),
            ("completed", ["one", "outside"]),
            ("run", ["one", "outside"]),
        ],
    )
    def test_wherever_the_process_dies_the_item_ends_completed_with_one_effect(self, service, operation, point, calls):
        done = []
        item = service.enqueue(None, operation(self.steps(done)))
        with testing.die_after(point):
            ran = testing.drain()
        assert ran[0].status is None
        assert past(item.id)["status"] == "completed"
        assert Effect.objects.count() == 1
        assert done == calls
        assert not Checkpoint.objects.exclude(name="one").exists()

    def test_a_death_after_a_plain_return_has_the_handler_run_again_and_stands_with_the_attempts(
        self, service, operation
    ):
        calls = []
        service.enqueue(None, operation(lambda ctx: calls.append(ctx.attempt)))
        with testing.die_after("run", times=2):
            testing.drain()
        assert calls == [1, 1, 1]
        assert list(Attempt.objects.order_by("id").values_list("outcome", flat=True)) == ["lease_lost", "crashed"]

    def test_a_point_that_there_is_not_is_refused(self):
        with pytest.raises(ValueError, match="claim, run"), testing.die_after("lunch"):
            pass


@pytest.mark.django_db
class TestDuplicateDelivery:
    def test_a_worker_that_lost_its_claim_runs_too_and_nothing_fenced_of_its_happens(self, service, operation):
        outside = []

        def work(ctx):
            outside.append(ctx.idempotency_key)
            with ctx.complete():
                Effect.objects.create(item_id=ctx.id, attempt=ctx.attempt)

        item = service.enqueue(None, operation(work))
        with testing.duplicate_delivery():
            ran = testing.drain()
        assert [r.status for r in ran] == [None, Status.COMPLETED]
        assert Effect.objects.count() == 1
        assert outside == [f"docqueue-{item.id}"] * 2, "the outside world sees one key"

    def test_the_one_that_lost_its_claim_may_die_too(self, service, operation):
        def work(ctx):
            with ctx.complete():
                Effect.objects.create(item_id=ctx.id, attempt=ctx.attempt)

        service.enqueue(None, operation(work))
        with testing.duplicate_delivery(), testing.die_after("complete"):
            testing.drain()
        assert Effect.objects.count() == 1


def test_the_plugins_fixture_is_the_kit(docqueue, service):
    service.enqueue(None, "test.noop")
    assert len(docqueue.drain()) == 1
