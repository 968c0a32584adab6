"""Telling idle workers by NOTIFY: once per queue and few milliseconds, by a commit, for what may run now."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError, connection, transaction

from docqueue import store, waking
from docqueue.exceptions import InvalidItem
from docqueue.maintenance import promote
from docqueue.service import NewItem
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, NewItemFactory, in_threads, row, until

pytestmark = pytest.mark.django_db(transaction=True)
END = "that was all"


@pytest.fixture(autouse=True)
def window(monkeypatch) -> Callable[[float], None]:
    """Set how long one notification silences the next ones: an hour, unless the test says otherwise."""
    monkeypatch.setattr(waking, "_sent", {})
    monkeypatch.setattr(waking, "QUIET_SECONDS", 3600.0)
    return lambda seconds: monkeypatch.setattr(waking, "QUIET_SECONDS", seconds)


@pytest.fixture
def heard() -> Iterator[Callable[[], list[str]]]:
    """What a listening session has heard since it was asked last."""
    found: list[str] = []
    other = connection.copy()
    other.ensure_connection()
    other.connection.add_notify_handler(lambda notification: found.append(notification.payload))
    with other.cursor() as cursor:
        cursor.execute(f"listen {store.CHANNEL}")

        def ask() -> list[str]:
            # Notifications arrive in the order of their commits: after this one there is none from before it.
            cursor.execute("select pg_notify(%s, %s)", [store.CHANNEL, END])
            until(lambda: cursor.execute("select 1") and END in found)
            payloads = [payload for payload in found if payload != END]
            found.clear()
            return payloads

        yield ask
    other.close()


def test_an_item_that_may_run_wakes_its_queue(service, heard):
    service.enqueue(None, OPERATION, queue="a")
    service.enqueue("d", OPERATION, queue="b")
    assert heard() == ["a", "b"]


def test_a_queue_is_notified_once_per_window(service, heard, window):
    for n in range(20):
        service.enqueue(None, OPERATION, queue="a")
        service.enqueue(n, OPERATION, queue="b")
    assert heard() == ["a", "b"]
    window(0.0)
    service.enqueue(None, OPERATION, queue="a")
    service.enqueue(None, OPERATION, queue="a")
    assert heard() == ["a", "a"]


def test_what_a_transaction_enqueues_is_told_after_its_commit_and_once_per_queue(service, heard, window):
    window(0.0)
    with transaction.atomic():
        for _ in range(10):
            service.enqueue(None, OPERATION, queue="a")
        service.enqueue_many([NewItemFactory(queue="a"), NewItemFactory(queue="b")])
        service.enqueue(None, OPERATION, queue="b", unique_key="u")
        assert heard() == []
    assert sorted(heard()) == ["a", "b"]
    with transaction.atomic():
        service.enqueue(None, OPERATION, queue="a")
    assert heard() == ["a"], "the next transaction is told again"


def test_a_rolled_back_transaction_tells_nobody_and_silences_nobody(service, heard):
    with transaction.atomic():
        service.enqueue(None, OPERATION, queue="a")
        service.enqueue_many([NewItemFactory(queue="a")])
        transaction.set_rollback(True)
    assert heard() == []
    service.enqueue(None, OPERATION, queue="a")
    assert heard() == ["a"]


def test_what_a_rolled_back_savepoint_enqueued_is_not_told(service, heard):
    with transaction.atomic():
        service.enqueue(None, OPERATION, queue="a")
        with transaction.atomic():
            service.enqueue(None, OPERATION, queue="b")
            transaction.set_rollback(True)
    assert heard() == ["a"]


def test_an_item_that_must_wait_wakes_nobody_and_silences_nobody(service, heard):
    service.enqueue(None, OPERATION, delay_seconds=60)
    service.enqueue("k", OPERATION, delay_seconds=60)
    service.enqueue_many([NewItemFactory(delay_seconds=60)])
    assert heard() == []
    service.enqueue("k", OPERATION)
    assert heard() == ["default"]


def test_an_item_in_line_wakes_nobody(service, heard, window):
    window(0.0)
    service.enqueue("k", OPERATION)
    assert heard() == ["default"]
    assert service.enqueue("k", OPERATION).status is Status.WAITING
    service.enqueue_many([NewItem(document_id="k", operation=OPERATION)])
    assert heard() == []


def test_a_refused_item_silences_nobody(service, heard):
    with pytest.raises(InvalidItem):
        service.enqueue(None, OPERATION, priority=1000)
    service.enqueue(None, OPERATION)
    assert heard() == ["default"]


def test_a_bulk_is_told_once_and_one_with_documents_once_its_heads_are_promoted(service, heard):
    service.enqueue_many(NewItemFactory.build_batch(50, queue="a"))
    ids = service.enqueue_many([NewItem(document_id=n, operation=OPERATION, queue="b") for n in range(50)])
    assert {row(i)["status"] for i in ids} == {"pending"}
    assert heard() == ["a", "b"]


def test_a_follower_whose_turn_has_come_wakes_its_queue(service, heard, window):
    window(0.0)
    head, follower = (service.enqueue("k", OPERATION, queue="a").id for _ in range(2))
    claim = service.mark_in_progress(head)
    assert heard() == ["a"]
    service.mark_completed(claim)
    assert row(follower)["status"] == "pending"
    assert heard() == ["a"]


def test_a_promoter_tells_the_queue_of_what_a_lost_event_left_behind(service, heard):
    with transaction.atomic():
        [item] = service.enqueue_many([NewItem(document_id="k", operation=OPERATION, queue="a")])
        connection.run_on_commit.clear()  # as if the process had ended right after the commit
    assert (row(item)["status"], heard()) == ("waiting", [])
    assert promote.run("default") == 1
    assert heard() == ["a"]


def test_without_listen_nobody_is_told(service, heard, settings):
    settings.DOCQUEUE = {"LISTEN": False}
    service.enqueue(None, OPERATION)
    service.enqueue("d", OPERATION)
    service.enqueue_many([NewItemFactory(), NewItem(document_id="e", operation=OPERATION)])
    with transaction.atomic():
        service.enqueue(None, OPERATION)
    assert heard() == []


def test_threads_of_one_process_share_the_window(service, heard):
    service.enqueue(None, OPERATION)
    in_threads(5, lambda n: [service.enqueue(None, OPERATION).id for _ in range(20)])
    assert heard() == ["default"]


def test_a_transaction_made_by_hand_is_told_at_its_commit(service, heard):
    transaction.set_autocommit(False)
    try:
        service.enqueue(None, OPERATION, queue="a")
        assert heard() == []
        transaction.commit()
        assert heard() == ["a"]
    finally:
        transaction.set_autocommit(True)


def test_a_name_of_a_queue_is_never_read_as_sql(service, heard):
    name = 'it\'s \\ "a" ; select %s ü'
    service.enqueue(None, OPERATION, queue=name)
    service.enqueue_many([NewItem(document_id="d", operation=OPERATION, queue=name + "2")])
    assert heard() == [name, name + "2"]


@pytest.mark.parametrize("way", ["under a key", "many", "in a transaction"])
def test_what_is_committed_counts_although_nobody_could_be_told(service, monkeypatch, way):
    """The connection breaks right behind the commit: the caller must not take its item for not enqueued."""
    run = store.run

    def broken(using, name, params):
        if name == "notify":
            raise OperationalError("server closed the connection unexpectedly")
        return run(using, name, params)

    monkeypatch.setattr(store, "run", broken)
    match way:
        case "under a key":
            item = service.enqueue(None, OPERATION, unique_key="u").id
        case "many":
            [item] = service.enqueue_many(NewItemFactory.build_batch(1))
        case _:
            with transaction.atomic():
                item = service.enqueue(None, OPERATION).id
    assert row(item)["status"] == Status.PENDING
