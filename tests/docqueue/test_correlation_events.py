"""What travels with an item, and what observers are told."""

from __future__ import annotations

import logging
import threading

import pytest

from docqueue import correlation, events
from docqueue.events import EventName
from docqueue.maintenance import reap
from docqueue.service import NewItem
from tests.docqueue.helpers import OPERATION, T0, NewItemFactory, later, worker


@pytest.fixture
def told():
    """A subscriber that the test looks at."""

    class Listener(list):
        def __call__(self, event):
            self.append(event)

        def __eq__(self, other):
            return self is other

        __hash__ = object.__hash__

    listener = Listener()
    events.subscribe(listener)
    yield listener
    events.unsubscribe(listener)


# -- correlation -------------------------------------------------------------------------------------------------


def test_values_are_bound_until_the_block_ends_and_may_be_nested():
    assert correlation.current() == {}
    with correlation.bind(correlation_id="c1", user="ada"):
        with correlation.bind(intake=7, user="eve", tenant=None):
            assert correlation.current() == {"correlation_id": "c1", "user": "eve", "intake": 7}
        assert correlation.current() == {"correlation_id": "c1", "user": "ada"}
    assert correlation.current() == {}


def test_what_is_added_half_way_goes_with_the_block():
    with correlation.bind(correlation_id="c1"):
        correlation.add(user="ada", nothing=None)
        assert correlation.current() == {"correlation_id": "c1", "user": "ada"}
    assert correlation.current() == {}


def test_values_bound_when_asked_are_made_for_who_asks_and_for_nobody_else():
    made = []

    def make():
        made.append(1)
        return {"item": 7, "nothing": None}

    with correlation.bind(user="u"), correlation.bind_when_asked(make):
        assert not made
        assert correlation.current() == {"user": "u", "item": 7}
        with correlation.bind(more=1):
            assert correlation.current() == {"user": "u", "item": 7, "more": 1}
        correlation.add(late=2)
        assert correlation.current() == {"user": "u", "item": 7, "late": 2}
    assert correlation.current() == {}


def test_an_error_in_the_block_unbinds_too():
    with pytest.raises(ZeroDivisionError), correlation.bind(user="ada"):
        _ = 1 / 0
    assert correlation.current() == {}


def test_a_change_of_the_copy_changes_nothing():
    with correlation.bind(user="ada"):
        correlation.current()["user"] = "eve"
        assert correlation.current() == {"user": "ada"}


def test_threads_do_not_see_each_others_values():
    seen = []
    with correlation.bind(user="ada"):
        thread = threading.Thread(target=lambda: seen.append(correlation.current()))
        thread.start()
        thread.join()
    assert seen == [{}]


@pytest.mark.django_db
def test_what_is_bound_at_enqueue_is_in_the_items_metadata_and_the_callers_own_wins(service):
    with correlation.bind(correlation_id="c1", user="ada"):
        one = service.enqueue("d", OPERATION, metadata={"user": "eve", "more": 1}, now=T0).id
        [many] = service.enqueue_many([NewItem(document_id="e", operation=OPERATION, ordering_key=None)], now=T0)
    assert service.get_item(one).metadata == {"correlation_id": "c1", "user": "eve", "more": 1}
    assert service.get_item(many).metadata == {"correlation_id": "c1", "user": "ada"}


@pytest.mark.django_db
def test_metadata_stays_with_the_item_into_the_history(service):
    with correlation.bind(correlation_id="c1"):
        item = service.enqueue("d", OPERATION)
    claim = service.mark_in_progress(item)
    assert claim.metadata == {"correlation_id": "c1"}
    service.mark_completed(claim)
    assert service.get_item(item).metadata == {"correlation_id": "c1"}


# -- events ------------------------------------------------------------------------------------------------------


def test_a_subscriber_hears_each_event_once_however_often_it_subscribed(told):
    events.subscribe(told)
    events.emit(EventName.DUTY_DONE, logging.DEBUG, duty="reap", count=3)
    [event] = told
    assert (event.name, event.level, dict(event.fields)) == ("duty_done", logging.DEBUG, {"duty": "reap", "count": 3})


def test_a_subscriber_may_choose_what_it_hears(told):
    chosen = type(told)()
    events.subscribe(chosen, lambda name, level: name == EventName.LEASE_LOST and level >= logging.INFO)
    try:
        events.emit(EventName.WORKER_STARTED)
        events.emit(EventName.LEASE_LOST, logging.DEBUG)
        events.emit(EventName.LEASE_LOST, worker_id=1)
    finally:
        events.unsubscribe(chosen)
    assert [event.fields for event in chosen] == [{"worker_id": 1}]
    assert len(told) == 3


def test_after_it_unsubscribed_it_hears_nothing(told):
    events.unsubscribe(told)
    events.unsubscribe(told)
    events.emit(EventName.DUTY_DONE)
    assert list(told) == []


def test_a_subscriber_that_fails_hurts_neither_the_others_nor_the_caller(told, caplog):
    def broken(event):
        raise RuntimeError("no")

    events.unsubscribe(told)
    events.subscribe(broken)
    events.subscribe(told)
    try:
        events.emit(EventName.DUTY_DONE)
    finally:
        events.unsubscribe(broken)
    assert len(told) == 1
    assert "an event subscriber failed on duty_done" in caplog.text


def test_a_subscriber_may_unsubscribe_while_it_is_told(told):
    def once(event):
        events.unsubscribe(once)

    events.unsubscribe(told)
    events.subscribe(once)
    events.subscribe(told)
    events.emit(EventName.DUTY_DONE)
    events.emit(EventName.DUTY_DONE)
    assert len(told) == 2, "those after it in the list are told too"


@pytest.mark.django_db
def test_the_queue_tells_of_enqueues_losses_and_reaps(service, told):
    service.enqueue("d", OPERATION, ordering_key=None, now=T0)
    service.enqueue_many(NewItemFactory.build_batch(3), now=T0)
    service.claim(10, worker=worker(T0), now=T0)
    reap.run("default", later(31))
    names = [(str(e.name), e.fields.get("count")) for e in told]
    assert names == [("items_enqueued", 1), ("items_enqueued", 3), ("worker_lost", None), ("items_reaped", 4)]


def test_events_become_log_records_with_their_fields(caplog):
    with caplog.at_level(logging.INFO, logger="docqueue"):
        events.emit(EventName.WORKER_LOST, logging.WARNING, worker_id=7, worker="host:1", empty="")
        events.emit(EventName.DUTY_DONE, logging.DEBUG)
    [record] = [r for r in caplog.records if r.name == "docqueue"]
    assert record.getMessage() == "worker_lost worker_id=7 worker=host:1"
    assert record.docqueue == {"event": "worker_lost", "worker_id": 7, "worker": "host:1", "empty": ""}
