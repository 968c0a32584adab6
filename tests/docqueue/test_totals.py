"""Totals of what has finished: told by workers, compared with the history, mended, and summed up as they grow old."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import connection

from docqueue import events, history, store
from docqueue.events import EventName
from docqueue.maintenance import bulk, totals
from docqueue.models import Depth, FinishedTotal, Worker
from docqueue.service import DocumentQueueService, NewItem
from tests.docqueue.helpers import OPERATION, T0, in_threads, later, rows, worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def partition() -> None:
    history.forget()
    history.ensure("default", T0)


@pytest.fixture
def drifts() -> Iterator[list[events.Event]]:
    """What was reported to have drifted."""
    heard: list[events.Event] = []
    events.subscribe(heard.append, lambda name, _level: name is EventName.TOTALS_DRIFTED)
    yield heard
    events.unsubscribe(heard.append)


def finish(service: DocumentQueueService, number: int, at: datetime, by: int | None = None) -> list[int]:
    """So many items end at this time, claimed by a worker (by callers without one)."""
    service.enqueue_many([NewItem(operation=OPERATION, ordering_key=None) for _ in range(number)], now=T0)
    for claim in (claims := service.claim(number, worker=by, now=at)):
        service.mark_completed(claim, now=at)
    assert len(claims) == number
    return [claim.id for claim in claims]


def tell(by: int, completed: int, at: datetime, *, now: datetime | None = None, cancelled: int = 0) -> None:
    """As a worker tells what it has seen end."""
    counts = {"completed": [completed], "cancelled": [cancelled], "dead": [0]}
    params = {"worker_id": by, "queues": ["default"], "ats": [at.timestamp()], "now": now or at}
    store.run("default", "add_finished", params | counts)


def told() -> int:
    return sum(FinishedTotal.objects.values_list("completed", flat=True))


def completed(service: DocumentQueueService, now: datetime) -> int:
    return service.get_queue_stats(now=now).total.completed


def mark() -> datetime:
    return Depth.objects.get(queue="", status="finished").counted_at


def test_what_two_workers_tell_stands_in_rows_of_their_own_and_adds_up(service, drifts):
    one, other = worker(T0, 600), worker(T0, 600)
    for by, number in ((one, 3), (other, 4), (one, 2)):
        finish(service, number, later(2), by)
        tell(by, number, later(3))
    found = FinishedTotal.objects.order_by("worker_id").values_list("worker_id", "completed", "at")
    assert list(found) == [(one, 5, T0), (other, 4, T0)]
    totals.run("default", later(60))
    assert completed(service, later(60)) == told() == 9
    assert not drifts


def test_the_numbers_are_exact_before_and_after_each_compare(service, drifts):
    me = worker(T0, 6000)
    for minute in range(5):
        at = later(minutes=minute)
        finish(service, 3, at, me)
        tell(me, 3, at)
        assert completed(service, at) == 3 * (minute + 1), "the part that was not compared is counted in the history"
        totals.compare("default", at + timedelta(seconds=50))
        assert completed(service, at + timedelta(seconds=50)) == 3 * (minute + 1)
    assert mark() == later(minutes=4, seconds=10)
    assert not drifts


def test_what_callers_and_people_end_is_added_by_the_compare_and_is_no_drift(service, drifts):
    finish(service, 2, later(1))
    service.cancel(service.enqueue("d", OPERATION, now=T0), now=later(1))
    totals.run("default", later(120))
    assert list(FinishedTotal.objects.values_list("worker_id", "completed", "cancelled")) == [(0, 2, 1)]
    found = service.get_queue_stats(now=later(120)).total
    assert (found.completed, found.cancelled) == (2, 1)
    assert not drifts


@pytest.mark.parametrize("action", ["cancel", "discard"])
def test_what_a_bulk_operation_ends_is_counted_at_once_and_only_once(service, drifts, monkeypatch, action):
    """Where so much has ended that the history is not read for it."""
    monkeypatch.setattr("docqueue.stats.FINISHED_EXACTLY", 10)
    totals.compare("default", later(41))
    service.enqueue_many([NewItem(operation=OPERATION, queue=q, ordering_key=None) for q in "aab" * 6], now=later(42))
    if action == "discard":
        for claim in service.claim(18, now=later(43)):
            service.move_to_dead(claim, "no", now=later(43))
    asked = service.bulk(action, everything=True, now=later(44))
    for at in (49, 59.9, 61):
        assert bulk.one_slice("default", asked.pk, 6, later(at)).done == 6
        done = service.bulk_status(asked.pk).done
        assert service.get_queue_stats(now=later(62)).total.cancelled == done, "no compare has come to it yet"
    found = service.get_queue_stats(now=later(62)).queues
    assert {q: found[q].cancelled for q in "ab"} == {"a": 12, "b": 6}

    for at in (95, 105, 200, 7300):
        totals.run("default", later(at))
        assert service.get_queue_stats(now=later(at)).total.cancelled == 18
    assert sum(FinishedTotal.objects.values_list("cancelled", flat=True)) == 18
    assert set(FinishedTotal.objects.values_list("worker_id", flat=True)) == {0}, "summed up as those of workers are"
    for round_ in range(60):
        totals.audit("default", later(7300 + totals.AUDIT_SECONDS * round_))
    assert sum(FinishedTotal.objects.values_list("cancelled", flat=True)) == 18
    assert not drifts


def test_what_a_slice_counts_on_the_other_side_of_an_edge_is_put_right_without_a_word(service, drifts):
    service.enqueue_many([NewItem(operation=OPERATION, ordering_key=None) for _ in range(3)], now=T0)
    asked = service.bulk("cancel", everything=True, now=later(1))
    bulk.one_slice("default", asked.pk, 10, later(5))
    FinishedTotal.objects.update(at=later(20))  # by a clock that was read a moment later
    for at in (60, 120):
        totals.compare("default", later(at))
        assert service.get_queue_stats(now=later(at)).total.cancelled == 3
    assert not drifts


def test_a_slice_that_is_rolled_back_has_counted_nothing(service):
    service.enqueue("d", OPERATION, now=T0)
    asked = service.bulk("cancel", everything=True, now=later(1))
    with store.atomic("default"):
        bulk.one_slice("default", asked.pk, 10, later(5))
        assert FinishedTotal.objects.get().worker_id == -asked.pk
        connection.set_rollback(True)
    assert not FinishedTotal.objects.exists()


def test_what_a_worker_could_not_tell_any_more_is_mended_and_reported(service, drifts):
    me = worker(T0, 600)
    finish(service, 5, later(1), me)
    tell(me, 2, later(1))
    totals.compare("default", later(120))
    assert told() == completed(service, later(120)) == 5
    assert [(e.fields["queue"], e.fields["completed"], e.fields["cancelled"]) for e in drifts] == [("default", 3, 0)]


def test_what_was_told_twice_is_taken_back(service, drifts):
    me = worker(T0, 600)
    finish(service, 5, later(1), me)
    for _ in range(2):
        tell(me, 5, later(1))
    totals.compare("default", later(120))
    assert told() == completed(service, later(120)) == 5
    assert [e.fields["completed"] for e in drifts] == [-5]


def test_what_ended_at_an_edge_and_was_told_after_it_is_put_right_without_a_word(service, drifts):
    me = worker(T0, 600)
    finish(service, 2, later(1), me)
    finish(service, 3, later(19.5), me)
    tell(me, 2, later(1))
    tell(me, 3, later(20.1))
    totals.compare("default", later(60))  # up to second 20
    assert mark() == later(20)
    assert completed(service, later(60)) == 5
    totals.compare("default", later(120))
    assert told() == completed(service, later(120)) == 5
    assert not drifts


def test_what_is_told_too_late_counts_as_of_the_present_and_is_mended_by_the_next_compare(service, drifts):
    me = worker(T0, 6000)
    finish(service, 4, later(1), me)
    totals.compare("default", later(120))
    assert len(drifts) == 1
    tell(me, 4, later(1), now=later(125))  # the database was away for two minutes
    assert completed(service, later(125)) == 4
    totals.compare("default", later(300))
    assert told() == completed(service, later(300)) == 4
    assert [e.fields["completed"] for e in drifts] == [4, -4]


def test_history_that_is_taken_out_or_put_in_behind_its_back_is_reported_and_mended(service, drifts):
    me = worker(T0, 600)
    ids = finish(service, 6, later(1), me)
    tell(me, 6, later(1))
    totals.run("default", later(120))
    with connection.cursor() as cursor:
        cursor.execute("delete from docqueue_history where id = any(%s)", [ids[:2]])
    assert completed(service, later(130)) == 6, "nobody has looked yet"
    totals.compare("default", later(hours=3))
    for round_ in range(60):
        totals.audit("default", later(hours=3, seconds=totals.AUDIT_SECONDS * round_))
    assert completed(service, later(hours=8)) == told() == 4
    assert [e.fields["completed"] for e in drifts] == [-2]
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into docqueue_history (id, queue, priority, status, operation, payload, metadata, attempt,"
            " max_attempts, crashes, enqueued_at, finished_at, claim_no)"
            " values (0, 'default', 0, 'completed', 'o', '{}', '{}', 1, 1, 0, %s, %s, 1)",
            [T0, later(5)],
        )
    while mark() < later(days=3):
        totals.compare("default", later(days=4))
    for round_ in range(200):
        totals.audit("default", later(days=4, seconds=totals.AUDIT_SECONDS * round_))
    assert completed(service, later(days=5)) == told() == 5
    assert [e.fields["completed"] for e in drifts] == [-2, 1]


def test_the_second_round_takes_its_time_however_many_workers_there_are(service):
    finish(service, 1, later(1))
    totals.run("default", later(hours=3))
    audited = Depth.objects.get(queue="", status="audited")
    totals.audit("default", later(hours=3, seconds=10))
    audited.refresh_from_db()
    before = audited.counted_at
    totals.audit("default", later(hours=3, seconds=20))
    audited.refresh_from_db()
    assert audited.counted_at == before
    totals.audit("default", later(hours=3, seconds=totals.AUDIT_SECONDS + 60))
    audited.refresh_from_db()
    assert audited.counted_at != before


def test_old_totals_are_summed_up_by_the_hour_and_by_the_day_and_stay_the_same(service, drifts):
    me = worker(T0, 10**7)
    for hour in range(0, 60, 3):
        finish(service, 2, later(hours=hour, seconds=1), me)
        tell(me, 2, later(hours=hour, seconds=1))
    totals.compare("default", later(hours=60))
    before = told()
    totals.run("default", later(hours=60))
    assert told() == before == completed(service, later(hours=60)) == 40
    found = FinishedTotal.objects.order_by("at").values_list("at", "worker_id", "completed")
    days = [at for at, _, _ in found if at.hour == 0 and at < later(hours=12)]
    assert {w for _, w, _ in found} == {0}
    assert days == [T0.replace(hour=0)], "the first day is over and more than a day old"
    assert found[0][2] == 8
    assert all(at.minute == at.second == 0 for at, _, _ in found)
    assert not drifts


def test_totals_of_what_the_history_has_dropped_are_dropped_as_well(service):
    finish(service, 1, later(1))
    FinishedTotal.objects.create(queue="default", at=T0 - timedelta(days=400), worker_id=0, completed=7)
    totals.run("default", later(120))
    assert told() == 1


def test_a_history_from_before_the_totals_is_counted_hour_by_hour(service, drifts):
    for hour in range(5):
        finish(service, 1, later(hours=hour))
    totals.compare("default", later(hours=6))
    assert mark() == later(hours=6, seconds=-40)
    assert told() == completed(service, later(hours=6)) == 5
    assert FinishedTotal.objects.count() == 5
    assert not drifts


def test_one_compare_follows_the_other_at_whatever_fraction_of_a_second(service):
    finish(service, 1, later(1))
    totals.compare("default", later(hours=3, seconds=0.7))
    assert mark() == later(hours=3, seconds=-40), "three hours at once"


def test_where_much_has_ended_since_the_compare_the_workers_are_believed(service, monkeypatch):
    monkeypatch.setattr("docqueue.stats.FINISHED_EXACTLY", 10)
    me = worker(T0, 600)
    totals.compare("default", later(41))
    finish(service, 11, later(50), me)
    tell(me, 9, later(50))
    assert completed(service, later(55)) == 9, "what the worker has not told yet comes with its next ten seconds"
    tell(me, 2, later(50))
    assert completed(service, later(55)) == 11


def test_a_mark_that_nobody_moves_any_more_gives_the_least_there_are(service, monkeypatch):
    """After an upgrade, or days without a worker, the history of years is not read for a number."""
    monkeypatch.setattr("docqueue.stats.FINISHED_EXACTLY", 10)
    totals.compare("default", later(41))
    finish(service, 12, later(50))
    found = service.get_queue_stats(now=later(minutes=20)).queues["default"]
    assert (found.in_words("completed"), found.in_words("cancelled")) == ("≥ 11", "≥ 0")
    me = worker(T0, 6000)
    tell(me, 12, later(50))
    assert service.get_queue_stats(now=later(minutes=20)).queues["default"].in_words("completed") == "≥ 12"
    monkeypatch.setattr("docqueue.stats.FINISHED_EXACTLY", 12)
    found = service.get_queue_stats(now=later(minutes=20)).queues["default"]
    assert (found.in_words("completed"), found.counted_seconds_ago) == ("12", {})


def test_what_ended_a_minute_is_told_of_the_last_ten_minutes(service):
    me = worker(T0, 6000)
    tell(me, 100, T0)
    tell(me, 50, later(minutes=9), cancelled=10)
    assert service.get_queue_stats(now=later(minutes=9)).queues["default"].finished_per_minute == 16.0
    assert service.get_queue_stats(now=later(minutes=11)).queues["default"].finished_per_minute == 6.0


def test_enqueue_writes_nothing_for_it(service):
    service.enqueue("d", OPERATION, now=T0)
    service.enqueue_many([NewItem(operation=OPERATION)], now=T0)
    assert not FinishedTotal.objects.exists()
    assert not Depth.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_that_compare_at_once_each_part_is_compared_once(service, drifts):
    me = worker(T0, 6000)
    for hour in range(6):
        finish(service, 3, later(hours=hour), me)
        tell(me, 2, later(hours=hour))
    in_threads(4, lambda _n: totals.compare("default", later(hours=7)))
    assert completed(service, later(hours=7)) == 18
    totals.compare("default", later(hours=7))  # who meets another leaves the rest to the next time
    assert told() == completed(service, later(hours=7)) == 18
    assert [e.fields["completed"] for e in drifts] == [1] * 6


@pytest.mark.django_db(transaction=True)
def test_of_many_that_sum_up_at_once_no_number_is_lost_or_counted_twice(service):
    me = worker(T0, 10**6)
    for second in range(0, 3600, 10):
        tell(me, 1, later(second))
    Depth.objects.create(queue="", status="finished", number=0, counted_at=later(hours=5))

    def sum_up(number: int) -> None:
        totals._roll_up("default", later(hours=6))
        tell(me + number + 1, 1, later(hours=6))

    in_threads(4, sum_up)
    totals._roll_up("default", later(hours=6))
    assert told() == 360 + 4
    assert len(rows("select 1 from docqueue_finished_total where at = %s", [T0])) == 1
    assert Worker.objects.count() == 1
