"""RETRIES_PER_SECOND: when everything fails at once, retries come back no faster than that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docqueue import store
from docqueue.admission import budget, due
from docqueue.conf import overridden
from docqueue.maintenance import promote
from docqueue.service import DocumentQueueService
from docqueue.states import Status
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
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ten_a_second() -> Iterator[None]:
    with overridden(RETRIES_PER_SECOND=10):
        yield


def failed(service: DocumentQueueService, number: int, queue: str = "default", after: float = 1) -> list[int]:
    """So many items that have failed together, in the order in which their retries are due."""
    ids = service.enqueue_many(NewItemFactory.build_batch(number, queue=queue), now=T0)
    for n, item_id in enumerate(ids):
        service.mark_failed(service.mark_in_progress(item_id, now=T0), "down", retry_after=after + n * 1e-3, now=T0)
    return ids


def pending() -> int:
    return int(rows("select count(*) as n from docqueue_item where status = 'pending'")[0]["n"])


def crowd(number: int) -> None:
    """Retries that are due, quickly made."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into docqueue_item (queue, status, wait_reason, operation, payload, metadata, max_attempts,"
            " timeout_seconds, next_retry_at) select 'default', 'waiting', 'retry', 'test.noop', '{}', '{}', 5, 60,"
            " %s::timestamptz from generate_series(1, %s)",
            [T0, number],
        )


def test_no_more_come_back_than_the_bucket_has_and_the_oldest_go_first(
    service: DocumentQueueService, ten_a_second: None
) -> None:
    ids = failed(service, 50)
    assert promote.run("default", later(2)) == 20
    assert [item.id for item in service.get_pending_items()] == ids[:20]
    assert promote.run("default", later(2)) == 0
    assert promote.run("default", later(2.55)) == 5
    assert promote.run("default", later(3)) == 5
    assert promote.run("default", later(60)) == 20


def test_the_others_keep_their_time_and_are_told_why_they_wait(
    service: DocumentQueueService, ten_a_second: None
) -> None:
    ids = failed(service, 21)
    before = row(ids[20])
    assert service.explain(ids[20], now=T0) == "Waiting: retry in 1 s (down)."
    promote.run("default", later(2))
    assert row(ids[20]) == before
    assert service.explain(ids[20], now=later(2)) == (
        "Waiting: its retry is due, but no more than 10 a second of queue default are let in."
    )
    with overridden(RETRIES_PER_SECOND=0):
        assert service.explain(ids[20], now=later(2)) == "Waiting: retry in 0 s (down)."


def test_what_is_delayed_or_snoozed_is_not_held_up(service: DocumentQueueService, ten_a_second: None) -> None:
    failed(service, 30)
    delayed = service.enqueue(None, OPERATION, delay_seconds=1.5, now=T0)
    snoozed = service.enqueue(None, OPERATION, now=T0)
    service.snooze(service.mark_in_progress(snoozed, now=T0), 1.5, now=T0)
    assert promote.run("default", later(2)) == 22
    assert {service.get_status(delayed), service.get_status(snoozed)} == {Status.PENDING}
    late = service.enqueue(None, OPERATION, delay_seconds=4, now=T0)
    assert due.promote_just_due("default", later(4)) == 1, "the quick round is for these only"
    assert service.get_status(late) is Status.PENDING


def test_each_queue_has_a_budget_of_its_own(service: DocumentQueueService, ten_a_second: None) -> None:
    failed(service, 30, queue="a")
    failed(service, 25, queue="b", after=5)
    assert promote.run("default", later(2)) == 20
    assert promote.run("default", later(6)) == 10 + 20


def test_a_rate_below_one_lets_one_in_now_and_then(service: DocumentQueueService) -> None:
    failed(service, 3)
    with overridden(RETRIES_PER_SECOND=0.1):
        assert [promote.run("default", later(s)) for s in (2, 11, 12, 21, 22, 40)] == [1, 0, 1, 0, 1, 0]


def test_without_a_limit_one_statement_promotes_all_and_there_is_no_bucket(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed(service, 30)
    sent, run = [], store.run
    monkeypatch.setattr(store, "run", lambda using, name, params: sent.append(name) or run(using, name, params))
    assert due.promote_all("default", later(2)) == 30
    assert set(sent) == {"promote_due", "notify"} or set(sent) == {"promote_due"}
    assert rows("select 1 from docqueue_limit") == []


def test_a_person_may_let_one_run_at_once_all_the_same(service: DocumentQueueService, ten_a_second: None) -> None:
    ids = failed(service, 21)
    promote.run("default", later(2))
    service.requeue(ids[20], now=later(2))
    assert service.get_status(ids[20]) is Status.PENDING


def test_a_bucket_that_another_has_locked_lets_in_nothing_and_nobody_waits(
    service: DocumentQueueService, ten_a_second: None
) -> None:
    failed(service, 50)
    promote.run("default", later(2))
    with second_alias() as other, transaction.atomic(using=other):
        with transaction.get_connection(other).cursor() as cursor:
            cursor.execute("select from docqueue_limit for update")
        assert in_background(lambda: promote.run("default", later(3))).result(5) == 0
    assert promote.run("default", later(3)) == 10


def test_a_higher_rate_holds_from_the_next_round_on(service: DocumentQueueService, ten_a_second: None) -> None:
    failed(service, 200)
    promote.run("default", later(2))
    with overridden(RETRIES_PER_SECOND=50):
        assert promote.run("default", later(3)) == 50
        assert promote.run("default", later(30)) == 100


def test_a_retry_that_holds_its_key_comes_back_and_one_of_a_taken_slot_meets_the_next_rule(
    service: DocumentQueueService, ten_a_second: None
) -> None:
    head = service.enqueue("d", OPERATION, now=T0)
    behind = service.enqueue("d", OPERATION, now=T0)
    slotted = service.enqueue(None, OPERATION, concurrency_key="c", now=T0)
    promote.run("default", T0)
    for item in (head, slotted):
        service.mark_failed(service.mark_in_progress(item, now=T0), "down", retry_after=1, now=T0)
    other = service.enqueue(None, OPERATION, concurrency_key="c", now=T0)
    promote.run("default", T0)
    assert service.get_status(other) is Status.PENDING
    promote.run("default", later(2))
    found = {name: row(item.id) for name, item in (("head", head), ("behind", behind), ("slotted", slotted))}
    assert {name: (r["status"], r["wait_reason"]) for name, r in found.items() if r} == {
        "head": ("pending", None),
        "behind": ("waiting", "ordering"),
        "slotted": ("waiting", "concurrency"),
    }


def test_more_than_a_slice_comes_back_in_several(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "SLICE", 7)
    failed(service, 30)
    with overridden(RETRIES_PER_SECOND=10):
        assert promote.run("default", later(2)) == 20


def test_promoters_at_once_share_one_budget(service: DocumentQueueService) -> None:
    crowd(500)
    with overridden(RETRIES_PER_SECOND=10):
        for second in range(1, 6):
            in_threads(6, lambda n, at=second: promote.run("default", later(at)))  # type: ignore[misc]
            assert pending() <= 20 + 10 * (second - 1)
        promote.run("default", later(5))
    assert pending() == 60


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.sampled_from([0.3, 1.0, 2.5, 7.0]),
    pauses=st.lists(st.floats(min_value=0, max_value=6, allow_nan=False), min_size=2, max_size=14),
    back=st.booleans(),
)
def test_in_no_window_more_come_back_than_the_burst_and_what_the_rate_gives(
    rate: float, pauses: list[float], back: bool
) -> None:
    """Whenever the promoters look, and though one of their clocks may be a little behind."""
    with connection.cursor() as cursor:
        cursor.execute("truncate docqueue_item, docqueue_limit")
    crowd(400)
    let_in, moment = [], T0
    with overridden(RETRIES_PER_SECOND=rate):
        for n, pause in enumerate(pauses):
            moment += timedelta(seconds=pause)
            shown = moment - timedelta(seconds=0.5) if back and n % 3 == 2 else moment
            shown = max(shown, T0)
            let_in.append((shown, promote.run("default", shown)))
    for first in range(len(let_in)):
        for last in range(first, len(let_in)):
            times = [at for at, _ in let_in[first : last + 1]]
            seconds = (max(times) - min(times)).total_seconds()
            number = sum(n for _, n in let_in[first : last + 1])
            assert number <= budget.burst(rate) + rate * seconds + 1e-3
    if sum(pauses) * rate >= 2:
        assert sum(n for _, n in let_in) >= 1


def test_a_round_reads_what_it_lets_in_and_not_what_waits_on() -> None:
    crowd(20_000)
    with connection.cursor() as cursor:
        cursor.execute("insert into docqueue_limit (key, tokens, refilled_at) values ('k', 5, %s)", [T0])
        params = {"key": "k", "queue": "default", "rate": 1.0, "burst": 5.0, "limit": 1000, "fair": False, "now": T0}
        touched = []
        for name, given_ in (("promote_retries", params), ("retry_queues", {"prefix": "x", "now": T0})):
            with transaction.atomic():
                cursor.execute(store.BY_INDEX_LOCALLY)
                cursor.execute("explain (analyze, buffers, format json) " + store.sql(name), given_)
                plan = cursor.fetchone()[0][0]["Plan"]
                assert "docqueue_item_retries" in str(plan)
                touched.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
    assert touched[0] <= 300
    assert touched[1] <= 60
