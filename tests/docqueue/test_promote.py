"""The level-triggered promoter: whatever an event missed, and whatever only time brings, it finds by itself."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from docqueue import store
from docqueue.admission import due, ordering
from docqueue.maintenance import promote, reap
from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService, NewItem
from tests.docqueue.helpers import (
    OPERATION,
    T0,
    NewItemFactory,
    in_background,
    in_threads,
    later,
    row,
    rows,
    second_alias,
    somebody_else,
)
from tests.docqueue.worker.claims import explained

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("how", ["delay", "run_after", "backoff", "snooze"])
def test_an_item_is_promoted_at_its_moment_and_not_before(service, how):
    match how:
        case "delay":
            item_id = service.enqueue("d", OPERATION, delay_seconds=60, ordering_key=None, now=T0).id
        case "run_after":
            item_id = service.enqueue("d", OPERATION, run_after=later(60), ordering_key=None, now=T0).id
        case _:
            item_id = service.enqueue("d", OPERATION, ordering_key=None, now=T0).id
            claim = service.mark_in_progress(item_id, now=T0)
            if how == "backoff":
                service.mark_failed(claim, "x", retry_after=60, now=T0)
            else:
                service.snooze(claim, 60, now=T0)
    assert promote.run("default", later(59.999)) == 0
    assert row(item_id)["status"] == "waiting"
    assert promote.run("default", later(60)) == 1
    item = row(item_id)
    assert (item["status"], item["wait_reason"], item["next_retry_at"]) == ("pending", None, None)
    assert promote.run("default", later(61)) == 0


def test_without_a_time_the_databases_clock_decides(service):
    past_due = service.enqueue("d", OPERATION, delay_seconds=0.001, ordering_key=None).id
    future = service.enqueue("d", OPERATION, delay_seconds=3600, ordering_key=None).id
    with connection.cursor() as cursor:
        cursor.execute("select pg_sleep(0.002)")
    promote.run("default")
    assert [row(i)["status"] for i in (past_due, future)] == ["pending", "waiting"]


def test_promoted_items_join_the_end_of_the_lane_in_the_order_of_their_times(service):
    late = service.enqueue("a", OPERATION, delay_seconds=60, ordering_key=None, now=T0).id
    early = service.enqueue("b", OPERATION, delay_seconds=30, ordering_key=None, now=T0).id
    first = service.enqueue("c", OPERATION, ordering_key=None, now=T0).id
    promote.run("default", later(60))
    assert [i.id for i in service.get_pending_items()] == [first, early, late]


def test_a_retried_item_joins_the_end_of_its_lane(service):
    failed, other = service.enqueue_many(NewItemFactory.build_batch(2), now=T0)
    service.mark_failed(service.mark_in_progress(failed, now=T0), "x", retry_after=10, now=T0)
    promote.run("default", later(10))
    assert [c.id for c in service.claim(10, now=later(11))] == [other, failed]


def test_thousands_that_are_due_at_once_are_promoted_in_slices_of_a_thousand(service, monkeypatch):
    service.enqueue_many(NewItemFactory.build_batch(2500, delay_seconds=60), now=T0)
    slices = []
    real = due.store.run

    def counting(using, name, params):
        found = real(using, name, params)
        if name == "promote_due":
            slices.append(len(found))
        return found

    monkeypatch.setattr(due.store, "run", counting)
    assert due.promote_all("default", later(60)) == 2500
    assert slices == [1000, 1000, 500]
    assert rows("select status, count(*) as n from docqueue_item group by 1") == [{"status": "pending", "n": 2500}]


def test_the_frequent_round_takes_what_has_become_due_in_the_last_seconds_and_leaves_the_rest_to_the_whole_one(service):
    old, new, future = (
        service.enqueue("d", OPERATION, run_after=later(n), ordering_key=None, now=T0).id for n in (9.9, 10.1, 21)
    )
    assert due.promote_just_due("default", later(20)) == 1
    assert [row(i)["status"] for i in (old, new, future)] == ["waiting", "pending", "waiting"]
    assert due.promote_all("default", later(20)) == 1
    assert [row(i)["status"] for i in (old, new, future)] == ["pending", "pending", "waiting"]


def pages(params):
    """How many pages the promotion of one item touches; it is taken back."""
    with transaction.atomic(), connection.cursor() as cursor:
        plan = explained(cursor, "promote_due", params | {"limit": 1})
        transaction.set_rollback(True)
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


@pytest.mark.django_db(transaction=True)
def test_under_a_held_snapshot_nothing_that_was_promoted_before_is_walked_over_again(service, monkeypatch):
    """Neither by the frequent round, nor by the later slices of one; a walk from the front does meet it."""
    touched = []
    real = store.run

    def counting(using, name, params):
        if name == "promote_due":
            touched.append(pages(params))
        return real(using, name, params)

    with somebody_else() as holder:
        holder.execute("set transaction isolation level repeatable read")
        holder.execute("select 1 from docqueue_item")
        service.enqueue_many(NewItemFactory.build_batch(5000, delay_seconds=60), now=T0)
        monkeypatch.setattr(due.store, "run", counting)
        assert due.promote_all("default", later(60)) == 5000
        service.enqueue_many(NewItemFactory.build_batch(10, delay_seconds=60), now=later(60))
        assert due.promote_just_due("default", later(120)) == 10
        assert len(touched) == 7
        assert max(touched) < 60
        service.enqueue_many(NewItemFactory.build_batch(10, delay_seconds=60), now=later(120))
        assert due.promote_all("default", later(180)) == 10
        assert touched[-1] > 3 * max(touched[:7])


def test_more_than_a_thousand_keys_in_line_are_all_promoted(service):
    service.enqueue_many([NewItem(document_id=n % 1200, operation=OPERATION) for n in range(2400)], now=T0)
    assert ordering.promote_all("default") == 1200
    found = rows(
        "select status, count(*) as n, count(distinct ordering_key) as k from docqueue_item group by 1 order by 1"
    )
    assert found == [{"status": "pending", "n": 1200, "k": 1200}, {"status": "waiting", "n": 1200, "k": 1200}]
    assert ordering.promote_all("default") == 0


def test_only_the_head_of_each_key_is_promoted(service):
    ids = service.enqueue_many([NewItem(document_id="k", operation=OPERATION) for _ in range(5)], now=T0)
    assert ordering.promote_all("default") == 1
    assert [row(i)["status"] for i in ids] == ["pending"] + ["waiting"] * 4


def test_keys_that_nobody_waits_for_are_no_trouble():
    assert ordering.promote("default", []) == 0
    assert ordering.promote("default", ["nobody", "nobody", "x" * 255]) == 0


@pytest.mark.django_db(transaction=True)
def test_an_end_whose_event_was_lost_is_made_good_by_the_promoter(service):
    """The process died between its commit and the promotion of the follower: as if `after_finish` never ran."""
    ids = [service.enqueue("k", OPERATION, now=T0).id for _ in range(2)]
    claim = service.mark_in_progress(ids[0], now=T0)
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(%s, hashtext('k') & 1023)", [store.LOCK_CLASS])
        in_background(lambda: service.mark_completed(claim, now=T0)).result()
        cursor.execute("select pg_advisory_unlock_all()")
    assert row(ids[1])["status"] == "waiting"
    assert promote.run("default", T0) == 1
    assert row(ids[1])["status"] == "pending"


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_has_locked_is_left_for_the_next_round(service):
    held, free = service.enqueue_many(NewItemFactory.build_batch(2, delay_seconds=60), now=T0)
    with second_alias() as other:
        with transaction.atomic(using=other):
            DocumentQueueService(other).requeue(held, delay_seconds=60, now=T0)
            assert in_background(lambda: promote.run("default", later(60))).result(5) == 1
            assert row(free)["status"] == "pending"
            transaction.set_rollback(True, using=other)
    assert promote.run("default", later(60)) == 1
    assert row(held)["status"] == "pending"


@pytest.mark.django_db(transaction=True)
def test_promoters_at_once_promote_each_item_once(service):
    service.enqueue_many(NewItemFactory.build_batch(1000, delay_seconds=60), now=T0)
    service.enqueue_many([NewItem(document_id=n, operation=OPERATION, delay_seconds=60) for n in range(500)], now=T0)
    in_threads(6, lambda n: promote.run("default", later(60)))
    promote.run("default", later(60))
    found = rows("select status, count(*) as n, count(distinct position) as positions from docqueue_item group by 1")
    assert found == [{"status": "pending", "n": 1500, "positions": 1500}]


def test_a_suspect_comes_back_from_its_backoff_at_the_front_and_alone(service):
    from docqueue import outcomes, settling

    item_id = service.enqueue("d", OPERATION, ordering_key=None, now=T0).id
    claim = service.mark_in_progress(item_id, now=T0)
    settling.settle("default", [(claim, outcomes.Crashed(code="killed", message=""))], T0)
    promote.run("default", later(days=1))
    assert (row(item_id)["returned"], row(item_id)["suspect"]) == (True, True)


def test_a_suspect_that_stood_in_line_is_claimed_alone_too(service):
    ids = [service.enqueue("k", OPERATION, now=T0).id for _ in range(2)]
    claim = service.mark_in_progress(ids[0], now=T0)
    reap.run("default", later(301))
    claim = service.claim(1, now=later(302))[0]
    service.move_to_dead(claim, "x", now=later(303))
    promote.run("default", later(303))
    service.requeue(ids[0], now=later(304))
    assert (row(ids[0])["status"], row(ids[0])["wait_reason"]) == ("waiting", "ordering")
    service.mark_completed(service.mark_in_progress(ids[1], now=later(305)), now=later(306))
    promote.run("default", later(306))
    assert (row(ids[0])["status"], row(ids[0])["returned"]) == ("pending", True)


def test_an_item_that_nothing_holds_is_never_left_waiting(service):
    """Whatever mixture is enqueued, at the end of time and with every item completed at once, nothing is left."""
    for n in range(30):
        service.enqueue(n % 4, OPERATION, priority=n % 3, delay_seconds=n * 10, now=T0)
    for n in range(100):
        promote.run("default", later(days=1))
        for claim in service.claim(10, now=later(days=1)):
            service.mark_completed(claim, now=later(days=1, seconds=n))
    assert not QueueItem.objects.exists()
    assert service.get_queue_stats().total.completed == 30


def test_rules_for_which_nobody_waits_are_not_run(service, monkeypatch):
    run, asked = store.run, []
    monkeypatch.setattr(store, "run", lambda using, name, params: asked.append(name) or run(using, name, params))
    promote.run("default", T0)
    assert asked == ["promote_due", "waiting_reasons"]
    asked.clear()
    service.enqueue("d", OPERATION, now=T0)
    service.enqueue("d", OPERATION, now=T0)
    asked.clear()
    promote.run("default", T0)
    assert asked[:3] == ["promote_due", "waiting_reasons", "waiting_keys"]
