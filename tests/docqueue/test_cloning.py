"""A new item made from another: what it has of it, and what it has not."""

from __future__ import annotations

import pytest

from docqueue.conf import overridden
from docqueue.exceptions import ItemNotFound, UnknownOperation
from docqueue.models import AuditEntry, QueueItem
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION

pytestmark = pytest.mark.django_db


def test_a_clone_has_what_the_item_has_but_its_keys_and_says_where_it_is_from(service: DocumentQueueService) -> None:
    batch = service.batch("b")
    with overridden(LIMITS={"smtp": {"rate": 1}}):
        rules = {"tenant": "acme", "concurrency_key": "k", "concurrency_limit": 3, "limit_key": "smtp"}
        item = batch.enqueue(
            "d1",
            OPERATION,
            priority=7,
            payload={"a": 1},
            queue="q",
            metadata={"user": "bob"},
            unique_key="u",
            max_attempts=9,
            **rules,
        ).id
        new = service.clone(item, by="ann", reason="again")
    made = QueueItem.objects.get(pk=new.id)
    assert new.created
    assert (made.operation, made.queue, made.priority, made.document_id) == (OPERATION, "q", 7, "d1")
    assert (made.payload, made.metadata["cloned_from"], made.metadata["user"]) == ({"a": 1}, item, "bob")
    assert (made.tenant, made.slot_key, made.slot_limit, made.limit_key) == ("acme", "k", 3, "smtp")
    assert (made.max_attempts, made.ordering_key, made.attempt) == (9, "d1", 0)
    assert (made.unique_key, made.batch_id) == (None, None)
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.item_id, entry.actor, entry.filter) == ("clone", item, "ann", {"new": new.id})


def test_what_is_given_is_different(service: DocumentQueueService) -> None:
    item = service.enqueue("d1", OPERATION, payload={"a": 1})
    new = service.clone(item, queue="other", priority="high", payload={"b": 2}, document_id="d2")
    made = QueueItem.objects.get(pk=new.id)
    assert (made.queue, made.priority, made.payload) == ("other", 50, {"b": 2})
    assert (made.document_id, made.ordering_key) == ("d2", "d2")
    assert service.get_status(item) == Status.PENDING
    without = QueueItem.objects.get(pk=service.clone(item, document_id=None).id)
    assert (without.document_id, without.ordering_key) == (None, None)


def test_an_ordering_key_of_its_own_stays(service: DocumentQueueService) -> None:
    line, none = (
        service.enqueue("d", OPERATION, ordering_key="line"),
        service.enqueue("d", OPERATION, ordering_key=None),
    )
    assert QueueItem.objects.get(pk=service.clone(line, document_id="e").id).ordering_key == "line"
    assert QueueItem.objects.get(pk=service.clone(none).id).ordering_key is None


def test_one_that_is_refused_leaves_nothing_behind(service: DocumentQueueService) -> None:
    item = service.enqueue(None, OPERATION)
    with pytest.raises(UnknownOperation):
        service.clone(item, operation="no.such")
    with pytest.raises(ItemNotFound):
        service.clone(4711)
    assert QueueItem.objects.count() == 1
    assert not AuditEntry.objects.exists()
