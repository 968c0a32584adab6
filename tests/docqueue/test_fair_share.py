"""Tenants share a lane: a large one does not hold up the others' few items."""

from __future__ import annotations

import pytest
from django.db import connection, connections

from docqueue.conf import overridden
from docqueue.maintenance import promote
from docqueue.models import QueueItem
from docqueue.rules import Rules
from docqueue.service import DocumentQueueService, NewItem
from tests.docqueue.helpers import OPERATION, T0, in_threads, row, worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shared():
    with overridden(FAIR_SHARE=10, FAIR_WEIGHTS={"large": 3}):
        yield


def items(tenant: str | None, count: int, **more) -> list[NewItem]:
    return [NewItem(operation=OPERATION, rules=Rules(tenant=tenant), **more) for _ in range(count)]


def in_lane(tenant: str) -> int:
    return QueueItem.objects.filter(tenant=tenant, status="pending").count()


def test_a_tenant_has_its_share_in_the_lane_and_the_rest_waits(service):
    service.enqueue_many(items("a", 50), now=T0)
    assert in_lane("a") == 10
    assert set(QueueItem.objects.filter(status="waiting").values_list("wait_reason", flat=True)) == {"fair_share"}
    one = service.enqueue(None, OPERATION, tenant="b", now=T0)
    assert (one.status, row(one.id)["status"]) == ("pending", "pending")


def test_weights_make_a_share_larger(service):
    service.enqueue_many(items("large", 50) + items("small", 50), now=T0)
    assert (in_lane("large"), in_lane("small")) == (30, 10)


def test_items_without_a_tenant_and_other_priorities_are_not_held_up(service):
    service.enqueue_many(items("a", 30) + items(None, 30) + items("a", 5, priority=5), now=T0)
    assert QueueItem.objects.filter(tenant=None, status="pending").count() == 30
    assert QueueItem.objects.filter(tenant="a", priority=5, status="pending").count() == 5
    assert QueueItem.objects.filter(tenant="a", priority=0, status="pending").count() == 10


def test_the_tenant_may_stand_in_the_metadata(service):
    ids = [service.enqueue(None, OPERATION, metadata={"tenant": "m"}, now=T0).id for _ in range(12)]
    assert [row(i)["status"] for i in ids].count("waiting") == 2


def test_shares_go_in_turns_so_that_a_late_tenant_starts_within_the_others_shares(service):
    """The bound: a tenant's next item starts within the sum of what the others may have in the lane."""
    service.enqueue_many(items("a", 1000) + items("large", 1000), now=T0)
    late = service.enqueue_many(items("late", 3), now=T0)
    me = worker(T0)
    started: list[int] = []
    while not set(late) & set(started):
        found = service.claim(1, worker=me, now=T0)
        started += [claim.id for claim in found]
        for claim in found:
            service.mark_completed(claim, now=T0)
        promote.run("default", T0)
    assert len(started) <= 10 + 30 + 1


def test_ten_enqueuers_and_promoters_at_once_never_give_more_than_the_share(service):
    most: list[int] = []

    def work(number: int) -> None:
        mine = DocumentQueueService()
        for _ in range(20):
            mine.enqueue(None, OPERATION, tenant="crowd")
            promote.run("default")
            most.append(in_lane("crowd"))
        connections.close_all()

    in_threads(10, work)
    assert max(most) == 10
    assert QueueItem.objects.count() == 200


def test_what_is_handed_back_keeps_its_place_beyond_the_share(service):
    service.enqueue_many(items("a", 30), now=T0)
    me = worker(T0)
    found = service.claim(10, worker=me, now=T0)
    promote.run("default", T0)
    for claim in found:
        service.release(claim, now=T0)
    assert in_lane("a") == 20
    assert [c.id for c in service.claim(10, worker=me, now=T0)] == [c.id for c in found]
    promote.run("default", T0)
    assert in_lane("a") == 10


def test_once_it_is_switched_off_what_waits_is_let_go(service):
    service.enqueue_many(items("a", 50), now=T0)
    with overridden(FAIR_SHARE=0):
        promote.run("default", T0)
        assert in_lane("a") == 50
        assert service.enqueue(None, OPERATION, tenant="a", now=T0).status == "pending"


def test_who_waits_is_found_by_index(service):
    service.enqueue_many(items("a", 3000) + items("b", 3000), now=T0)
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze docqueue_item")
        cursor.execute("set enable_seqscan = off")
    assert promote.run("default", T0) == 0


@pytest.mark.slow
def test_a_hundred_thousand_items_of_one_tenant_hold_up_ten_of_another_by_no_more_than_its_share(service):
    service.enqueue_many(items("large", 100_000), now=T0)
    late = service.enqueue_many(items("late", 10), now=T0)
    me = worker(T0)
    started: list[int] = []
    while not set(late) <= set(started):
        found = service.claim(1, worker=me, now=T0)
        started += [claim.id for claim in found]
        for claim in found:
            service.mark_completed(claim, now=T0)
        promote.run("default", T0)
    assert len(started) - 10 <= 30 + 30, "the share that was there, and what may follow while the ten go"
