"""Putting one item in: as part of the caller's transaction, under a unique key, or refused whole."""

from __future__ import annotations

import json

import pytest
from django.db import connection, transaction

from docqueue.exceptions import InvalidItem
from docqueue.models import Key, QueueItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, T0, in_threads, later, row, rows, second_alias, somebody_else

pytestmark = pytest.mark.django_db


def test_a_due_item_without_a_key_is_pending_at_once(service):
    new = service.enqueue(None, OPERATION, now=T0)
    assert (new.status, new.wait_reason, new.created) == (Status.PENDING, None, True)
    item = row(new.id)
    assert (item["status"], item["document_id"], item["ordering_key"]) == ("pending", None, None)
    assert (item["attempt"], item["claim_no"], item["claim_token"], item["enqueued_at"]) == (0, 0, None, T0)


def test_what_was_given_is_what_is_stored(service):
    new = service.enqueue(
        7,
        OPERATION,
        "high",
        payload={"pages": [1, 2], "name": "ü😀"},
        queue="documents",
        unique_key="u",
        ordering_key="o",
        max_attempts=2,
        timeout_seconds=9.5,
        metadata={"user": 3},
        now=T0,
    )
    item = row(new.id)
    assert json.loads(item["payload"]) == {"pages": [1, 2], "name": "ü😀"}
    assert json.loads(item["metadata"]) == {"user": 3}
    wanted = ("document_id", "priority", "queue", "unique_key", "ordering_key", "max_attempts", "timeout_seconds")
    assert [item[name] for name in wanted] == ["7", 50, "documents", "u", "o", 2, 9.5]


def test_positions_follow_the_order_of_enqueueing(service):
    items = [row(service.enqueue(None, OPERATION, now=T0).id) for _ in range(5)]
    assert [i["position"] for i in items] == sorted(i["position"] for i in items)
    assert [i["id"] for i in items] == sorted(i["id"] for i in items)


@pytest.mark.parametrize("options", [{"delay_seconds": 60}, {"run_after": later(60)}], ids=["delay", "run_after"])
def test_an_item_for_later_waits_until_then(service, options):
    new = service.enqueue(None, OPERATION, now=T0, **options)
    assert (new.status, new.wait_reason) == (Status.WAITING, "delayed")
    item = row(new.id)
    assert (item["next_retry_at"], item["run_after"], item["position"]) == (later(60), later(60), None)


@pytest.mark.parametrize("options", [{"delay_seconds": 0}, {"run_after": T0}, {"run_after": later(-60)}])
def test_an_item_that_is_due_already_is_pending(service, options):
    assert service.enqueue(None, OPERATION, now=T0, **options).status is Status.PENDING


def test_the_databases_clock_is_used_when_no_time_is_given(service):
    item = row(service.enqueue(None, OPERATION, delay_seconds=3600).id)
    [clock] = rows("select clock_timestamp() as now")
    assert abs((clock["now"] - item["enqueued_at"]).total_seconds()) < 60
    assert (item["next_retry_at"] - item["enqueued_at"]).total_seconds() == 3600


def test_a_refused_item_leaves_nothing_behind(service):
    for wrong in ({"priority": 101}, {"payload": {"a": "\0"}}, {"unique_key": ""}, {"operation": "nonsense"}):
        with pytest.raises(InvalidItem):
            service.enqueue("d", **({"operation": OPERATION, "unique_key": "u"} | wrong))
    assert not QueueItem.objects.exists()
    assert not Key.objects.exists()


def test_an_operation_without_a_name_is_the_default_one(service, settings):
    settings.DOCQUEUE = {"DEFAULT_OPERATION": "test.echo"}
    assert row(service.enqueue("d").id)["operation"] == "test.echo"


# -- transactions ------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "options", [{}, {"unique_key": "u"}, {"ordering_key": None}], ids=["ordered", "unique", "bare"]
)
def test_a_rolled_back_transaction_leaves_no_item_and_no_key(service, options):
    with transaction.atomic():
        service.enqueue("d", OPERATION, **options)
        transaction.set_rollback(True)
    assert not QueueItem.objects.exists()
    assert not Key.objects.exists()
    again = service.enqueue("d", OPERATION, **options)
    assert (again.status, again.created) == (Status.PENDING, True)


@pytest.mark.django_db(transaction=True)
def test_nobody_sees_an_item_before_its_transaction_committed(service):
    with transaction.atomic():
        service.enqueue("d", OPERATION)
        with somebody_else() as other:
            other.execute("select count(*) from docqueue_item")
            assert other.fetchone() == (0,)
    assert len(service.claim(5)) == 1


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_savepoint_takes_back_only_what_was_in_it(service):
    with transaction.atomic():
        kept = service.enqueue("a", OPERATION, unique_key="a").id
        with transaction.atomic():
            service.enqueue("b", OPERATION, unique_key="b")
            transaction.set_rollback(True)
        again = service.enqueue("b", OPERATION, unique_key="b")
        assert (again.created, again.status) == (True, Status.PENDING)
    assert [i.id for i in QueueItem.objects.order_by("id")] == [kept, again.id]
    assert sorted(Key.objects.values_list("key", flat=True)) == ["a", "b"]


@pytest.mark.django_db(transaction=True)
def test_a_refused_item_does_not_break_the_callers_transaction(service):
    with transaction.atomic():
        with pytest.raises(InvalidItem):
            service.enqueue("d", OPERATION, priority=1000)
        kept = service.enqueue("d", OPERATION).id
    assert row(kept) is not None


@pytest.mark.django_db(transaction=True)
def test_an_item_goes_to_the_alias_that_is_named(service):
    """A second alias to the same database: what is enqueued through it is no part of the first one's transaction."""
    with second_alias() as second, transaction.atomic():
        inside = service.enqueue("a", OPERATION, ordering_key=None)
        apart = service.enqueue("b", OPERATION, ordering_key=None, using=second)
        also = DocumentQueueService(second).enqueue("c", OPERATION, ordering_key=None)
        transaction.set_rollback(True)
    assert row(inside.id) is None
    assert row(apart.id) is not None
    assert row(also.id) is not None


# -- unique keys -------------------------------------------------------------------------------------------------


def test_a_second_enqueue_under_a_unique_key_returns_the_live_item(service):
    first = service.enqueue("d", OPERATION, unique_key="u", delay_seconds=60, now=T0)
    second = service.enqueue("e", OPERATION, unique_key="u", now=T0)
    assert second.id == first.id
    assert (second.created, second.status, second.wait_reason) == (False, Status.WAITING, "delayed")
    assert QueueItem.objects.count() == 1


def test_the_key_is_kept_through_retries_snoozes_and_releases(service):
    item = service.enqueue("d", OPERATION, unique_key="u", ordering_key=None, now=T0)
    service.release(service.mark_in_progress(item, now=T0), now=T0)
    claim = service.mark_in_progress(item, now=T0)
    assert service.enqueue("e", OPERATION, unique_key="u").status is Status.IN_PROGRESS
    service.mark_failed(claim, "no", now=T0)
    again = service.enqueue("e", OPERATION, unique_key="u")
    assert (again.id, again.created) == (item.id, False)


@pytest.mark.parametrize("end", ["complete", "dead", "cancel", "cancel while running"])
def test_the_key_is_free_again_when_the_item_has_ended(service, end):
    item = service.enqueue("d", OPERATION, unique_key="u", ordering_key=None, now=T0)
    match end:
        case "complete":
            service.mark_completed(service.mark_in_progress(item, now=T0), now=T0)
        case "dead":
            service.move_to_dead(service.mark_in_progress(item, now=T0), "no", now=T0)
        case "cancel":
            service.cancel(item, now=T0)
        case _:
            claim = service.mark_in_progress(item, now=T0)
            service.cancel(item, now=T0)
            assert not service.enqueue("e", OPERATION, unique_key="u").created
            service.mark_failed(claim, "stopped", now=T0)
    assert not Key.objects.exists()
    new = service.enqueue("e", OPERATION, unique_key="u", now=T0)
    assert new.created
    assert new.id != item.id


def test_a_requeued_dead_item_does_not_take_its_key_from_the_one_that_has_it_now(service):
    first = service.enqueue("d", OPERATION, unique_key="u", ordering_key=None, now=T0)
    service.move_to_dead(service.mark_in_progress(first, now=T0), "no", now=T0)
    second = service.enqueue("d", OPERATION, unique_key="u", ordering_key=None, now=T0)
    service.requeue(first, now=T0)
    service.mark_completed(service.mark_in_progress(first, now=T0), now=T0)
    assert Key.objects.get(key="u").item_id == second.id


def test_a_key_whose_item_vanished_does_not_stop_anybody(service):
    """Somebody deleted the row by hand: the key must not be taken for ever, nor the enqueue turn in circles."""
    gone = service.enqueue("d", OPERATION, unique_key="u", now=T0)
    with connection.cursor() as cursor:
        cursor.execute("delete from docqueue_item where id = %s", [gone.id])
    new = service.enqueue("d", OPERATION, unique_key="u", now=T0)
    assert new.created
    assert Key.objects.get(key="u").item_id == new.id


@pytest.mark.django_db(transaction=True)
def test_ten_threads_with_one_unique_key_make_exactly_one_live_item(service):
    for attempt in range(5):
        made = in_threads(10, lambda n: service.enqueue(n, OPERATION, unique_key="u"))
        assert sum(new.created for new in made) == 1
        assert len({new.id for new in made}) == 1
        assert rows("select count(*) as n from docqueue_item where unique_key = 'u'") == [{"n": 1}]
        service.cancel(made[0], reason=f"round {attempt}")


@pytest.mark.django_db(transaction=True)
def test_threads_that_finish_and_enqueue_under_one_key_never_make_two_live_items(service):
    def work(n: int) -> int:
        most = 0
        for _ in range(15):
            new = service.enqueue(n, OPERATION, unique_key="u", ordering_key=None)
            most = max(most, QueueItem.objects.filter(unique_key="u").count())
            if new.created:
                service.cancel(new)
        return most

    assert max(in_threads(10, work)) == 1
    assert not QueueItem.objects.exists()
    assert not Key.objects.exists()
