"""Many items at once, by COPY: all or none, in order."""

from __future__ import annotations

import json

import pytest
from django.db import transaction

from docqueue.admission import ordering
from docqueue.exceptions import InvalidOption, InvalidPriority
from docqueue.maintenance import promote
from docqueue.models import QueueItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, T0, NewItemFactory, in_background, later, row, second_alias

pytestmark = pytest.mark.django_db


def test_ids_come_back_in_the_order_of_the_items(service):
    ids = service.enqueue_many([NewItemFactory(payload={"n": n}) for n in range(50)], now=T0)
    assert ids == sorted(ids)
    assert [json.loads(row(i)["payload"])["n"] for i in ids] == list(range(50))


def test_items_are_claimed_in_the_order_given(service):
    ids = service.enqueue_many(NewItemFactory.build_batch(20), now=T0)
    assert [c.id for c in service.claim(100, now=T0)] == ids


def test_a_bulk_item_has_every_column_a_single_one_has(service):
    options = {
        "document_id": 'tab\t newline\n backslash\\ quote" \\N',
        "operation": OPERATION,
        "priority": "low",
        "payload": {"text": "\\N tab\t ü😀 \\"},
        "queue": "documents",
        "max_attempts": 2,
        "timeout_seconds": 7.5,
        "metadata": {"user": "x"},
        "ordering_key": None,
    }
    single = row(service.enqueue(**options, now=T0).id)
    [bulk_id] = service.enqueue_many([NewItem(**options)], now=T0)
    bulk = row(bulk_id)
    own = {"id", "position"}
    assert {k: v for k, v in bulk.items() if k not in own} == {k: v for k, v in single.items() if k not in own}


@pytest.mark.parametrize(
    ("options", "status", "reason", "due"),
    [
        ({}, "pending", None, None),
        ({"run_after": T0}, "pending", None, None),
        ({"delay_seconds": 0}, "pending", None, None),
        ({"delay_seconds": 60}, "waiting", "delayed", later(60)),
        ({"run_after": later(60)}, "waiting", "delayed", later(60)),
        ({"ordering_key": "k"}, "waiting", "ordering", None),
        ({"ordering_key": "k", "delay_seconds": 60}, "waiting", "delayed", later(60)),
    ],
)
def test_each_item_starts_in_the_state_it_must(service, options, status, reason, due):
    [item_id] = service.enqueue_many([NewItemFactory(**options)], now=T0)
    item = row(item_id)
    assert (item["status"], item["wait_reason"], item["next_retry_at"]) == (status, reason, due)
    assert (item["position"] is None) == (status == "waiting")


def test_one_invalid_item_refuses_all(service):
    with pytest.raises(InvalidPriority):
        service.enqueue_many([NewItemFactory(), NewItemFactory(priority=1000)])
    assert not QueueItem.objects.exists()


def test_unique_keys_are_refused_with_what_to_do(service):
    with pytest.raises(InvalidOption, match="unique_key") as caught:
        service.enqueue_many([NewItemFactory(unique_key="u")])
    assert "one by one" in caught.value.hint


def test_nothing_to_enqueue_is_nothing_done(service):
    assert service.enqueue_many([]) == []
    assert service.enqueue_many(item for item in ()) == []


@pytest.mark.django_db(transaction=True)
def test_the_heads_of_ordered_items_are_promoted_right_after_the_commit(service):
    items = [NewItem(document_id=key, operation=OPERATION) for key in "abcab"]
    with transaction.atomic():
        ids = service.enqueue_many(items)
        assert {row(i)["status"] for i in ids} == {"waiting"}
    assert [row(i)["status"] for i in ids] == ["pending"] * 3 + ["waiting"] * 2


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_bulk_leaves_nothing(service):
    with transaction.atomic():
        service.enqueue_many(NewItemFactory.build_batch(3, ordering_key="k"))
        transaction.set_rollback(True)
    assert not QueueItem.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_more_keys_than_a_slice_are_promoted(service, monkeypatch):
    monkeypatch.setattr(ordering, "SLICE", 10)
    ids = service.enqueue_many([NewItem(document_id=n, operation=OPERATION) for n in range(35)])
    assert {row(i)["status"] for i in ids} == {"pending"}


@pytest.mark.django_db(transaction=True)
def test_a_bulk_enqueue_waits_for_nobody(service):
    """Another open transaction has the key's turn: the bulk goes in, stands in line, and is promoted afterwards."""
    with second_alias() as second:
        with transaction.atomic(using=second):
            head = DocumentQueueService(second).enqueue("k", OPERATION)
            assert head.status is Status.PENDING
            ids = in_background(
                lambda: service.enqueue_many([NewItem(document_id="k", operation=OPERATION) for _ in range(3)])
            ).result(5)
            assert {row(i)["status"] for i in ids} == {"waiting"}
            transaction.set_rollback(True, using=second)
    assert promote.run("default") == 1
    assert [row(i)["status"] for i in ids] == ["pending", "waiting", "waiting"]
