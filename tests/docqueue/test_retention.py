"""How long the history keeps what has finished, and for how long dead letters wait; how wide its partitions are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection, transaction

from docqueue import conf, history, store
from docqueue.conf import overridden
from docqueue.maintenance import discard, partitions, promote
from docqueue.service import DocumentQueueService
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, T0, in_background, in_threads, later, past, row, rows, second_alias

pytestmark = pytest.mark.django_db(transaction=True)

DAY, WEEK = timedelta(days=1), timedelta(days=7)
MONDAYS = count(0)


@pytest.fixture
def monday() -> Iterator[datetime]:
    """A Monday in a year that has no partitions yet; they are dropped again at the end."""
    moment = datetime(2150 + next(MONDAYS), 6, 1, tzinfo=UTC)
    moment += timedelta(days=-moment.weekday() % 7)
    assert bounds(moment) == []
    history.forget()
    yield moment
    for name, *_ in bounds(moment):
        with connection.cursor() as cursor:
            cursor.execute(f'drop table "{name}"')
    history.forget()


def bounds(moment: datetime) -> list[tuple[str, datetime, datetime]]:
    """The partitions of a moment's year, in order of their time."""
    found = [b for b in history._bounds("default") if b[1] is not None and b[2] is not None]
    return sorted((b for b in found if b[1].year == moment.year), key=lambda b: b[1])  # type: ignore[union-attr,misc,arg-type]


def widths(moment: datetime) -> list[timedelta]:
    return [upper - lower for _, lower, upper in bounds(moment)]


def finish(service: DocumentQueueService, now: datetime) -> int:
    item_id = service.enqueue(None, OPERATION, now=now).id
    service.mark_completed(service.mark_in_progress(item_id, now=now), now=now)
    return item_id


def die(service: DocumentQueueService, now: datetime = T0, **options: Any) -> int:
    item_id = service.enqueue(None, OPERATION, now=now, **options).id
    service.move_to_dead(service.mark_in_progress(item_id, now=now), "hopeless", now=now)
    return item_id


# -- how wide ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retention_days", "width"),
    [(1, DAY), (13, DAY), (14, WEEK), (365, WEEK), (385, WEEK), (386, 2 * WEEK), (3650, 10 * WEEK)],
)
def test_a_partition_is_as_wide_as_the_retention_allows(retention_days: int, width: timedelta) -> None:
    name, lower, upper = history.span(T0, retention_days)
    assert upper - lower == width
    assert lower <= T0 < upper
    assert history.span(upper, retention_days)[1] == upper
    assert history.span(upper - timedelta(microseconds=1), retention_days)[0] == name
    assert width <= timedelta(days=max(1, retention_days / 2)), "an item stays half as long again at most"


@pytest.mark.parametrize("retention_days", [1, 7, 13, 14, 15, 100, 384, 385, 386, 500, 3650, 36_500])
@pytest.mark.parametrize("hours", range(0, 24 * 14, 31))
def test_there_are_never_more_than_sixty_partitions(retention_days: int, hours: int) -> None:
    now = later(hours=hours)
    _, _, upper = history.span(now - timedelta(days=retention_days), retention_days)
    number = 1  # what has ended longer ago than the retention is dropped
    while upper <= now + (history.WEEKS_AHEAD - 1) * WEEK:
        _, _, upper = history.span(upper, retention_days)
        number += 1
    assert number <= 60


def test_under_a_short_retention_each_day_is_dropped_for_itself(
    service: DocumentQueueService, monday: datetime
) -> None:
    with overridden(RETENTION_DAYS=3):
        first, second = finish(service, monday + DAY / 2), finish(service, monday + DAY)
        assert set(widths(monday)) == {DAY}
        partitions.run("default", monday + 4 * DAY - timedelta(seconds=1))
        assert past(first) is not None
        partitions.run("default", monday + 4 * DAY)
        assert (past(first), past(second) is not None) == (None, True)
        assert set(widths(monday)) == {DAY}
        ahead = bounds(monday)
        assert ahead[-1][2] >= monday + 4 * DAY + 3 * WEEK
        assert len(ahead) <= 60


def assert_whole(moment: datetime, lower: datetime, upper: datetime) -> None:
    """No gap and no overlap from `lower` to `upper`."""
    found = [b for b in bounds(moment) if b[1] < upper and b[2] > lower]
    assert found[0][1] <= lower
    assert found[-1][2] >= upper
    assert all(one[2] == other[1] for one, other in pairwise(found))


def test_a_shorter_retention_goes_on_with_days_behind_the_weeks_that_there_are(
    service: DocumentQueueService, monday: datetime
) -> None:
    partitions.run("default", monday)
    assert widths(monday) == [WEEK] * 4
    with overridden(RETENTION_DAYS=5):
        history.forget()
        inside = finish(service, monday + 20 * DAY)
        assert widths(monday) == [WEEK] * 4
        partitions.run("default", monday + 10 * DAY)
        assert widths(monday) == [WEEK] * 4 + [DAY] * 4
        behind = finish(service, monday + 28 * DAY)
        assert_whole(monday, monday + WEEK, monday + 32 * DAY)
        partitions.run("default", monday + 33 * DAY)
    assert past(inside) is None
    assert past(behind) is not None


@pytest.mark.parametrize("days", range(7))
@pytest.mark.parametrize("inside", [False, True], ids=["autocommit", "in a transaction"])
def test_a_longer_retention_fills_up_the_week_that_was_begun_in_days(
    service: DocumentQueueService, monday: datetime, days: int, inside: bool
) -> None:
    with overridden(RETENTION_DAYS=5):
        for n in range(days + 1):
            history.ensure("default", monday + n * DAY)
    history.forget()
    ids = []
    for n in range(14):
        if inside:
            with transaction.atomic():
                ids.append(finish(service, monday + n * DAY))
        else:
            ids.append(finish(service, monday + n * DAY))
    assert all(past(item_id) is not None for item_id in ids)
    rest = [] if days == 6 else [timedelta(days=6 - days)]
    assert widths(monday)[: days + 2] == [DAY] * (days + 1) + (rest or [WEEK])
    with overridden(RETENTION_DAYS=5):  # and back
        history.forget()
        partitions.run("default", monday + DAY)
        assert_whole(monday, monday, monday + 3 * WEEK)


def test_gaps_on_both_sides_of_what_somebody_made_by_hand_are_filled(
    service: DocumentQueueService, monday: datetime
) -> None:
    lower, upper = monday + timedelta(days=1, hours=6), monday + timedelta(days=3, hours=7, minutes=30)
    with connection.cursor() as cursor:
        cursor.execute(
            "create table by_hand partition of docqueue_history for values from (%s) to (%s)", [lower, upper]
        )
    for moment in (monday, lower, upper, monday + 6 * DAY):
        history.forget()
        finish(service, moment)
    assert_whole(monday, monday, monday + WEEK)
    assert widths(monday)[:3] == [lower - monday, upper - lower, monday + WEEK - upper]


def test_workers_with_the_old_and_the_new_retention_get_along(service: DocumentQueueService, monday: datetime) -> None:
    """As while a deployment is under way: makers of both widths at once, and nothing is left out."""

    def make(n: int) -> None:
        history._make("default", *(history.week if n % 2 else history.day)(monday + n % 5 * DAY))

    in_threads(6, make)
    history.forget()
    for n in range(7):
        assert past(finish(service, monday + n * DAY)) is not None
    assert_whole(monday, monday, monday + WEEK)


def test_a_retention_of_ten_years_makes_wide_partitions(service: DocumentQueueService, monday: datetime) -> None:
    with overridden(RETENTION_DAYS=3650):
        item_id = finish(service, monday)
        assert widths(monday) == [10 * WEEK]
        partitions.run("default", monday + timedelta(days=3650))
        assert past(item_id) is not None
    history.forget()
    assert past(finish(service, monday)) is not None
    with overridden(RETENTION_DAYS=3650):
        partitions.run("default", monday + timedelta(days=3650 + 71))
    assert past(item_id) is None
    for name, lower, _ in history._bounds("default"):
        if lower is not None and lower.year > monday.year:
            store.drop_partition("default", name)


@pytest.mark.parametrize("name", ["RETENTION_DAYS", "DEAD_RETENTION_DAYS"])
def test_a_retention_of_more_than_a_century_is_refused(name: str) -> None:
    assert conf.problems({name: 36_501}) == [f"DOCQUEUE[{name!r}] must be at most 36500."]
    assert conf.problems({name: 36_500}) == []


# -- by count ----------------------------------------------------------------------------------------------------


def test_the_oldest_partitions_go_while_the_history_has_more_items_than_that(
    service: DocumentQueueService, monday: datetime
) -> None:
    ids = [[finish(service, monday + n * WEEK + number * DAY / 8) for number in range(4)] for n in range(3)]
    now = monday + 2 * WEEK + DAY
    with overridden(RETENTION_COUNT=8, RETENTION_DAYS=365):
        partitions.run("default", now)
        assert past(ids[0][0]) is not None, "no statistics: nothing is known to be there"
        with connection.cursor() as cursor:
            cursor.execute("analyze docqueue_history")
        partitions.run("default", now)
        assert [past(some[0]) is not None for some in ids] == [False, True, True]
        partitions.run("default", now)
        assert past(ids[1][0]) is not None, "eight are not more than eight"
    with overridden(RETENTION_COUNT=1, RETENTION_DAYS=365):
        partitions.run("default", now)
    assert [past(some[0]) is not None for some in ids] == [False, False, True], "the present one always stays"


def test_without_a_count_nothing_is_dropped_for_it(service: DocumentQueueService, monday: datetime) -> None:
    item_id = finish(service, monday)
    with connection.cursor() as cursor:
        cursor.execute("analyze docqueue_history")
    partitions.run("default", monday + 2 * WEEK)
    assert past(item_id) is not None


def test_by_count_no_younger_partition_goes_before_an_older_one_that_is_being_read(
    service: DocumentQueueService, monday: datetime
) -> None:
    old, young = finish(service, monday), finish(service, monday + WEEK)
    with connection.cursor() as cursor:
        cursor.execute("analyze docqueue_history")
    name = history.week(monday)[0]
    with second_alias() as other, transaction.atomic(using=other):
        with transaction.get_connection(other).cursor() as cursor:
            cursor.execute(f"select count(*) from {name}")
        assert not {name, history.week(monday + WEEK)[0]} & {*history.drop_surplus("default", 0, monday + 3 * WEEK)}
    assert (past(old) is not None, past(young) is not None) == (True, True)
    assert history.drop_surplus("default", 0, monday + 3 * WEEK)[:2] == [name, history.week(monday + WEEK)[0]]


# -- dead letters ------------------------------------------------------------------------------------------------


def test_dead_letters_are_kept_for_ever_unless_it_is_said_otherwise(service: DocumentQueueService) -> None:
    item_id = die(service)
    assert discard.run("default", later(days=36_500)) == 0
    assert service.get_status(item_id) is Status.DEAD


def test_a_dead_letter_ends_cancelled_when_its_time_is_over_and_keeps_its_error(service: DocumentQueueService) -> None:
    item_id = die(service, unique_key="u")
    with overridden(DEAD_RETENTION_DAYS=30):
        assert discard.run("default", later(days=30)) == 0
        assert discard.run("default", later(days=30, seconds=1)) == 1
        assert discard.run("default", later(days=30, seconds=1)) == 0
    found = past(item_id)
    assert found is not None
    assert (found["status"], found["error_message"]) == ("cancelled", "hopeless")
    assert found["finished_at"] == later(days=30, seconds=1)
    assert row(item_id) is None


def test_only_the_dead_are_touched(service: DocumentQueueService) -> None:
    waiting = service.enqueue(None, OPERATION, delay_seconds=60, now=T0)
    running = service.mark_in_progress(service.enqueue(None, OPERATION, now=T0), now=T0)
    pending = service.enqueue(None, OPERATION, now=T0)
    back = die(service)
    service.requeue(back, now=later(1))
    with overridden(DEAD_RETENTION_DAYS=1):
        assert discard.run("default", later(days=100)) == 0
    assert [service.get_status(i).value for i in (waiting, running, pending, back)] == [
        "waiting",
        "in_progress",
        "pending",
        "pending",
    ]


def test_they_go_in_slices_each_with_one_entry_in_the_audit(
    service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert discard.SLICE == 1000
    monkeypatch.setattr(discard, "SLICE", 2)
    for _ in range(5):
        die(service)
    with overridden(DEAD_RETENTION_DAYS=1):
        assert discard.run("default", later(days=2)) == 5
    found = rows("select actor, action, item_id, count, filter::text, reason from docqueue_audit order by id")
    assert [entry["count"] for entry in found] == [2, 2, 1]
    assert {(e["actor"], e["action"], e["item_id"], e["filter"]) for e in found} == {
        ("docqueue", "discard", None, '{"dead_for_days": 1}')
    }
    assert found[0]["reason"] == "dead for longer than DEAD_RETENTION_DAYS"


def test_one_that_somebody_is_just_requeuing_is_left_alone(service: DocumentQueueService) -> None:
    mine, others = die(service), die(service)
    with overridden(DEAD_RETENTION_DAYS=1), second_alias() as other, transaction.atomic(using=other):
        DocumentQueueService(other).requeue(mine, now=T0)
        assert in_background(lambda: discard.run("default", later(days=2))).result(5) == 1
    assert (service.get_status(mine), service.get_status(others)) == (Status.PENDING, Status.CANCELLED)


def test_workers_at_once_end_each_once(service: DocumentQueueService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discard, "SLICE", 10)
    for _ in range(40):
        die(service)
    with overridden(DEAD_RETENTION_DAYS=1):
        assert sum(in_threads(4, lambda n: discard.run("default", later(days=2)))) == 40
    assert rows("select sum(count) as n from docqueue_audit")[0]["n"] == 40
    assert rows("select count(*) as n, count(distinct id) as ids from docqueue_history") == [{"n": 40, "ids": 40}]


def test_what_stands_behind_a_dead_letter_goes_on_as_after_a_discard(service: DocumentQueueService) -> None:
    item_id = service.enqueue("d", OPERATION, now=T0).id
    service.move_to_dead(service.mark_in_progress(item_id, now=T0), "hopeless", now=T0)
    behind = service.enqueue("d", OPERATION, now=T0)
    with overridden(DEAD_RETENTION_DAYS=1):
        discard.run("default", later(days=2))
    promote.run("default", later(days=2))
    assert service.get_status(behind) is Status.PENDING


def test_a_check_of_the_deployment_says_that_dead_letters_stay_for_ever(settings: Any) -> None:
    def said(deploy: bool) -> list[str]:
        found = run_checks(tags=["docqueue"], include_deployment_checks=deploy)
        return [m.msg for m in found if m.id == "docqueue.I001"]

    settings.DOCQUEUE = {}
    assert said(deploy=False) == [], "not at each start of a command"
    [message] = said(deploy=True)
    assert message.startswith("Dead letters are kept for ever")
    settings.DOCQUEUE = {"DEAD_RETENTION_DAYS": 90}
    assert said(deploy=True) == []
