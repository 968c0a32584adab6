"""The history's weekly partitions: a finish never fails for lack of one, and only the retention drops them."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from django.db import OperationalError, connection, transaction
from django.db.utils import IntegrityError

from docqueue import history, store
from docqueue.maintenance import partitions
from docqueue.states import Status
from tests.docqueue.helpers import (
    OPERATION,
    in_background,
    in_state,
    in_threads,
    past,
    row,
    rows,
    somebody_else,
    until,
    waiting_for,
)

pytestmark = pytest.mark.django_db(transaction=True)

YEARS = count(2031)


@pytest.fixture
def far_ahead():
    """A moment in a year that has no partitions yet; they are dropped again at the end."""
    moment = datetime(next(YEARS), 6, 15, 12, tzinfo=UTC)
    assert names(moment.year) == []
    yield moment
    for name in names(moment.year):
        with connection.cursor() as cursor:
            cursor.execute(f'drop table "{name}"')
    history.forget()


def names(year: int) -> list[str]:
    return [r[0] for r in store.run("default", "partitions", {}) if f"_{year}w" in r[0]]


def claimed(service, now):
    return service.mark_in_progress(service.enqueue("d", OPERATION, ordering_key=None, now=now).id, now=now)


def lock_timeout() -> str:
    return rows("show lock_timeout")[0]["lock_timeout"]


@pytest.mark.parametrize(
    ("moment", "name", "start"),
    [
        (datetime(2026, 3, 4, 12, tzinfo=UTC), "docqueue_history_2026w10", datetime(2026, 3, 2, tzinfo=UTC)),
        (datetime(2026, 3, 2, tzinfo=UTC), "docqueue_history_2026w10", datetime(2026, 3, 2, tzinfo=UTC)),
        (datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC), "docqueue_history_2026w09", datetime(2026, 2, 23, tzinfo=UTC)),
        (datetime(2027, 1, 1, tzinfo=UTC), "docqueue_history_2026w53", datetime(2026, 12, 28, tzinfo=UTC)),
        (
            datetime.fromisoformat("2026-03-09T01:00:00+05:00"),
            "docqueue_history_2026w10",
            datetime(2026, 3, 2, tzinfo=UTC),
        ),
    ],
)
def test_a_week_runs_from_monday_to_monday_in_utc(moment, name, start):
    assert history.week(moment) == (name, start, start + timedelta(days=7))


def test_an_item_can_be_completed_a_year_ahead(service, far_ahead):
    claim = claimed(service, far_ahead)
    service.mark_completed(claim, now=far_ahead)
    assert past(claim.id)["finished_at"] == far_ahead


@pytest.mark.parametrize("verb", ["complete", "cancel", "cancelled by settle"])
def test_every_way_into_the_history_makes_its_partition(service, far_ahead, verb):
    claim = claimed(service, far_ahead)
    match verb:
        case "complete":
            service.mark_completed(claim, now=far_ahead)
        case "cancel":
            service.release(claim, now=far_ahead)
            service.cancel(claim.id, now=far_ahead)
        case _:
            service.cancel(claim.id, now=far_ahead)
            assert service.release(claim, now=far_ahead) is Status.CANCELLED
    assert past(claim.id) is not None
    assert len(names(far_ahead.year)) in (1, 2)


def test_a_finish_inside_a_callers_transaction_makes_its_partition_and_keeps_the_transaction(service, far_ahead):
    claim = claimed(service, far_ahead)
    with transaction.atomic():
        before = service.enqueue("e", OPERATION, ordering_key=None, now=far_ahead).id
        service.mark_completed(claim, now=far_ahead)
        after = service.enqueue("f", OPERATION, ordering_key=None, now=far_ahead).id
    assert past(claim.id) is not None
    assert row(before) is not None
    assert row(after) is not None


def test_a_callers_lock_timeout_is_as_it_was(service, far_ahead):
    claim = claimed(service, far_ahead)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("set local lock_timeout = '7s'")
        service.mark_completed(claim, now=far_ahead)
        assert lock_timeout() == "7s"
    assert lock_timeout() == "0"


def test_outside_a_transaction_no_lock_timeout_stays_behind(service, far_ahead):
    service.mark_completed(claimed(service, far_ahead), now=far_ahead)
    assert lock_timeout() == "0"


def test_a_rolled_back_finish_does_not_leave_a_false_memory_of_its_partition(service, far_ahead):
    claim = claimed(service, far_ahead)
    with transaction.atomic():
        service.mark_completed(claim, now=far_ahead)
        transaction.set_rollback(True)
    assert row(claim.id)["status"] == "in_progress"
    service.mark_completed(claim, now=far_ahead)
    assert past(claim.id) is not None


def test_a_partition_that_vanished_behind_our_back_is_made_again(service, far_ahead):
    history.ensure("default", far_ahead)
    [name] = names(far_ahead.year)
    with connection.cursor() as cursor:
        cursor.execute(f'drop table "{name}"')
    for inside in (False, True):
        claim = claimed(service, far_ahead)
        if inside:
            with transaction.atomic():
                service.mark_completed(claim, now=far_ahead)
        else:
            service.mark_completed(claim, now=far_ahead)
        assert past(claim.id) is not None


@pytest.mark.parametrize("inside", [False, True])
def test_a_partition_that_somebody_made_under_another_name_serves(service, far_ahead, inside):
    _, lower, upper = history.week(far_ahead)
    mine = f"docqueue_history_{far_ahead.year}w_of_mine"
    with connection.cursor() as cursor:
        cursor.execute(
            f"create table {mine} partition of docqueue_history for values from (%s) to (%s)",
            [lower - timedelta(days=7), upper + timedelta(days=7)],
        )
    claim = claimed(service, far_ahead)
    with transaction.atomic() if inside else nullcontext():
        service.mark_completed(claim, now=far_ahead)
    assert past(claim.id) is not None
    assert names(far_ahead.year) == [mine]


def test_an_open_reader_of_the_history_delays_no_finish(service, far_ahead):
    claim = claimed(service, far_ahead)
    with somebody_else() as reader:
        reader.execute("select count(*) from docqueue_history")
        service.mark_completed(claim, now=far_ahead)
        assert past(claim.id) is not None


def test_a_finish_waits_for_a_short_exclusive_lock_on_the_history_and_does_not_fail(service, far_ahead):
    claim = claimed(service, far_ahead)
    with somebody_else() as owner:
        owner.execute("lock table docqueue_history in access exclusive mode")
        finishing = in_background(lambda: service.mark_completed(claim, now=far_ahead))
        until(lambda: waiting_for("relation"))
        owner.connection.rollback()
        finishing.result()
    assert past(claim.id) is not None


def test_a_finisher_whose_transaction_stays_open_holds_up_nobody(service, far_ahead):
    mine, theirs = claimed(service, far_ahead), claimed(service, far_ahead)
    with transaction.atomic():
        service.mark_completed(mine, now=far_ahead)
        in_background(lambda: service.mark_completed(theirs, now=far_ahead)).result(5)
        assert past(theirs.id) is not None
    assert past(mine.id) is not None


def test_many_finishers_at_once_make_one_partition(service, far_ahead):
    claims = [claimed(service, far_ahead) for _ in range(8)]
    history.forget()
    in_threads(8, lambda n: service.mark_completed(claims[n], now=far_ahead))
    assert all(past(claim.id) for claim in claims)
    assert len(set(names(far_ahead.year))) == len(names(far_ahead.year)) <= 2


def test_the_duty_makes_partitions_four_weeks_ahead(far_ahead):
    partitions.run("default", far_ahead)
    assert names(far_ahead.year) == [history.week(far_ahead + timedelta(weeks=n))[0] for n in range(4)]


def test_only_partitions_that_ended_longer_ago_than_the_retention_are_dropped(service, settings, far_ahead):
    settings.DOCQUEUE = {"RETENTION_DAYS": 14}
    old, young = claimed(service, far_ahead), claimed(service, far_ahead)
    service.mark_completed(old, now=far_ahead)
    service.mark_completed(young, now=far_ahead + timedelta(weeks=1))
    ends = history.week(far_ahead)[2]
    assert history.drop_expired("default", 14, ends + timedelta(days=14, seconds=-1)) == []
    dropped = history.drop_expired("default", 14, ends + timedelta(days=14))
    assert history.week(far_ahead)[0] in dropped
    assert past(old.id) is None
    assert past(young.id) is not None


def test_a_reader_delays_the_retention_and_no_finish(service, far_ahead):
    claim, name = claimed(service, far_ahead), history.week(far_ahead)[0]
    service.mark_completed(claimed(service, far_ahead), now=far_ahead)
    much_later = far_ahead + timedelta(days=60)
    with somebody_else() as reader:
        reader.execute("select count(*) from docqueue_history")
        assert name not in history.drop_expired("default", 14, much_later)
        service.mark_completed(claim, now=far_ahead)
    assert name in history.drop_expired("default", 14, much_later)
    assert names(far_ahead.year) == []


def test_a_finish_after_the_partition_was_dropped_makes_it_again(service, far_ahead):
    claim = claimed(service, far_ahead)
    history.ensure("default", far_ahead)
    history.drop_expired("default", 14, far_ahead + timedelta(days=60))
    service.mark_completed(claim, now=far_ahead)
    assert past(claim.id) is not None


def test_the_databases_clock_decides_not_this_machines(service, monkeypatch):
    """A machine whose clock is years off must neither fail to finish an item nor drop the history."""
    claim = claimed(service, None)
    present = rows("select clock_timestamp() as now")[0]["now"]
    with connection.cursor() as cursor:
        cursor.execute(f'drop table if exists "{history.week(present)[0]}"')
    history.forget()

    class WrongClock(datetime):
        """A clock four hundred days ahead."""

        @classmethod
        def now(cls, tz=None):
            return present + timedelta(days=400)

    monkeypatch.setattr(history, "datetime", WrongClock)
    service.mark_completed(claim)
    assert past(claim.id) is not None
    assert history.drop_expired("default", 14) == []
    assert past(claim.id) is not None


def test_another_violated_constraint_is_not_taken_for_a_missing_partition():
    calls = []

    def write() -> None:
        calls.append(1)
        with connection.cursor() as cursor:
            cursor.execute("insert into docqueue_key (key, item_id, lifetime, created_at) values ('k', 1, 'f', null)")

    with pytest.raises(IntegrityError, match="null value"):
        history.with_partition("default", None, write)
    assert calls == [1]


def test_a_lock_that_is_never_given_back_is_reported_and_not_waited_for_for_ever(monkeypatch, far_ahead):
    monkeypatch.setattr(history, "TRIES", 3)
    with somebody_else() as owner:
        owner.execute("lock table docqueue_history in access exclusive mode")
        with pytest.raises(OperationalError, match="lock timeout"):
            history.ensure("default", far_ahead)
    history.ensure("default", far_ahead)
    assert len(names(far_ahead.year)) == 1


def test_status_and_lists_find_an_item_in_whatever_partition_it_lies(service, far_ahead):
    item_id, claim = in_state(service, Status.IN_PROGRESS)
    service.mark_completed(claim, result={"pages": 3}, now=far_ahead)
    assert service.get_status(item_id) is Status.COMPLETED
    found = service.get_item(item_id)
    assert (found.result, found.finished_at, found.wait_reason) == ({"pages": 3}, far_ahead, None)
