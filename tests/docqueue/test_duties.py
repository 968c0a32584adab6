"""Duties that other apps register: run beside the queue's own, harmless to each other."""

from __future__ import annotations

import pytest

from docqueue import duties, events
from docqueue.maintenance import all_duties
from docqueue.worker.once import process_document_queue


@pytest.fixture
def names():
    made = ["test.one", "test.two"]
    yield made
    for name in made:
        duties.forget(name)


def test_a_registered_duty_comes_after_the_queues_own(names: list[str]) -> None:
    duties.duty(names[0], every_seconds=5)(lambda using: 0)
    assert [d.name for d in all_duties()][:5] == ["reap", "due", "promote", "partitions", "prune"]
    assert names[0] in [d.name for d in all_duties()]


@pytest.mark.django_db(transaction=True)
def test_a_cron_run_does_the_duties_and_one_that_fails_is_reported_and_stops_nobody(names: list[str]) -> None:
    seen: list[str] = []
    heard: list[events.Event] = []

    def broken(using: str) -> int:
        raise ValueError("no good")

    duties.duty(names[0], every_seconds=5)(broken)
    duties.duty(names[1], every_seconds=5)(lambda using: seen.append(using) or 1)
    listen = heard.append
    events.subscribe(listen)
    try:
        process_document_queue(1)
    finally:
        events.unsubscribe(listen)
    assert seen == ["default"]
    told = {e.fields.get("duty"): e.name for e in heard if "duty" in e.fields}
    assert told[names[0]] == events.EventName.DUTY_FAILED
    assert told[names[1]] == events.EventName.DUTY_DONE
