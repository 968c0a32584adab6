"""Many items at once, by COPY: all or none, in order."""

from __future__ import annotations

import json
import random

import pytest
from django.db import connection, transaction

from docqueue import store
from docqueue.admission import keyed
from docqueue.exceptions import InvalidPriority
from docqueue.maintenance import promote
from docqueue.models import Key, QueueItem
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status
from tests.docqueue.helpers import (
    OPERATION,
    T0,
    NewItemFactory,
    in_background,
    in_threads,
    later,
    row,
    second_alias,
    until,
    waiting_for,
)

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
    monkeypatch.setattr(keyed, "SLICE", 10)
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


@pytest.mark.django_db(transaction=True)
def test_heads_are_promoted_in_the_order_of_the_items(service, monkeypatch):
    monkeypatch.setattr(keyed, "SLICE", 3)
    ids = service.enqueue_many([NewItem(document_id=100 - n, operation=OPERATION) for n in range(10)])
    assert [c.id for c in service.claim(100)] == ids


# -- unique keys -------------------------------------------------------------------------------------------------


def unique(*keys: str | None) -> list[NewItem]:
    return [NewItemFactory(unique_key=key, payload={"n": n}) for n, key in enumerate(keys)]


def test_free_unique_keys_are_taken_by_the_items(service):
    ids = service.enqueue_many(unique("b", None, "a"), now=T0)
    assert [row(i)["unique_key"] for i in ids] == ["b", None, "a"]
    assert dict(Key.objects.values_list("key", "item_id")) == {"b": ids[0], "a": ids[2]}
    assert Key.objects.get(key="a").created_at == T0


def test_an_item_whose_unique_key_is_held_comes_back_as_its_holder(service):
    holder = service.enqueue("d", OPERATION, unique_key="held").id
    ids = service.enqueue_many(unique("new", "held", None, "held"))
    assert [ids[1], ids[3]] == [holder, holder]
    assert sorted(QueueItem.objects.values_list("id", flat=True)) == sorted([holder, ids[0], ids[2]])
    assert service.enqueue_many(unique("held", "new")) == [holder, ids[0]]
    assert QueueItem.objects.count() == 3


def test_the_first_of_several_items_with_one_unique_key_is_inserted(service):
    ids = service.enqueue_many(item for item in unique("u", "v", "u", None, "u"))
    assert ids[0] == ids[2] == ids[4]
    assert len(set(ids)) == 3
    assert [json.loads(row(i)["payload"])["n"] for i in (ids[0], ids[1], ids[3])] == [0, 1, 3]


def test_a_unique_key_taken_in_bulk_is_free_again_when_its_item_has_ended(service):
    first, second = service.enqueue_many(unique("u", "v"), now=T0)
    service.mark_completed(service.mark_in_progress(first, now=T0), now=T0)
    service.cancel(second, now=T0)
    assert not Key.objects.exists()
    assert not set(service.enqueue_many(unique("u", "v"))) & {first, second}


def test_items_may_have_both_an_ordering_and_a_unique_key(service):
    [item] = service.enqueue_many([NewItem(document_id="d", operation=OPERATION, unique_key="u")])
    assert (row(item)["ordering_key"], row(item)["unique_key"]) == ("d", "u")


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_bulk_leaves_its_unique_keys_free(service):
    with transaction.atomic():
        service.enqueue_many(unique("u"))
        transaction.set_rollback(True)
    assert not Key.objects.exists()
    assert service.enqueue("d", OPERATION, unique_key="u").created


def test_a_unique_key_whose_item_vanished_stops_no_bulk(service):
    gone, held = service.enqueue_many(unique("gone", "held"))
    with connection.cursor() as cursor:
        cursor.execute("delete from docqueue_item where id = %s", [gone])
    ids = service.enqueue_many(unique("new", "held", "gone"))
    assert ids[1] == held
    assert dict(Key.objects.values_list("key", "item_id")) == {"new": ids[0], "held": held, "gone": ids[2]}
    assert QueueItem.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_holder_that_ends_while_a_bulk_looks_leaves_its_key_to_the_bulk(service, monkeypatch):
    holder = service.enqueue(None, OPERATION, unique_key="u").id
    run, ended = store.run, []

    def run_late(using, name, params):
        if name == "key_holders" and not ended:
            ended.append(in_background(lambda: service.cancel(holder)).result())
        return run(using, name, params)

    monkeypatch.setattr(store, "run", run_late)
    ids = service.enqueue_many(unique("u", "v"))
    assert ended == [Status.CANCELLED]
    assert holder not in ids
    assert sorted(QueueItem.objects.values_list("id", flat=True)) == ids


@pytest.mark.django_db(transaction=True)
def test_callers_who_want_the_same_keys_in_any_order_never_deadlock_and_agree_on_the_holders(service):
    keys = [f"key {n}" for n in range(200)]

    def work(n: int) -> dict[str, int]:
        dice = random.Random(n)
        found: dict[str, int] = {}
        for _ in range(5):
            mine = dice.sample(keys, 100)
            found |= zip(mine, service.enqueue_many(unique(*mine)), strict=True)
        return found

    holders: dict[str, set[int]] = {}
    for found in in_threads(6, work):
        for key, item_id in found.items():
            holders.setdefault(key, set()).add(item_id)
    assert all(len(ids) == 1 for ids in holders.values())
    assert dict(QueueItem.objects.values_list("unique_key", "id")) == {key: min(ids) for key, ids in holders.items()}


@pytest.mark.django_db(transaction=True)
def test_a_bulk_waits_for_the_outcome_of_whoever_takes_one_of_its_keys(service):
    with second_alias() as second:
        with transaction.atomic(using=second):
            theirs = DocumentQueueService(second).enqueue("d", OPERATION, unique_key="u").id
            bulk = in_background(lambda: service.enqueue_many(unique("t", "u")))
            until(lambda: waiting_for("transactionid"))
        ids = bulk.result()
    assert ids[1] == theirs
    assert row(ids[0])["unique_key"] == "t"
