"""Rate limits and circuit breakers: charged in the statement that claims, whoever asks."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import connection, connections, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from docqueue.conf import overridden
from docqueue.exceptions import ConfigurationError, InvalidOption
from docqueue.maintenance import promote, prune, reap
from docqueue.models import Attempt, HistoryItem, Limit, QueueItem
from docqueue.rules import Rules
from docqueue.service import ClaimedItem, DocumentQueueService, NewItem
from tests.docqueue.helpers import OPERATION, T0, in_background, in_threads, later, row, rows, somebody_else, worker

pytestmark = pytest.mark.django_db(transaction=True)

LIMITS = {
    "slow": {"rate": 2, "burst": 3},
    "tenant:*": {"rate": 1},
    "km": {"failures": 3, "open_seconds": 30},
    "fast": {"rate": 200, "burst": 20},
}


@pytest.fixture(autouse=True)
def limited():
    with overridden(LIMITS=LIMITS):
        yield


def enqueue(service: DocumentQueueService, count: int, key: str = "slow", **more) -> list[int]:
    return [service.enqueue(None, OPERATION, limit_key=key, now=T0, **more).id for _ in range(count)]


def claim(service: DocumentQueueService, seconds: float, limit: int = 100) -> list[ClaimedItem]:
    return service.claim(limit, worker=worker(later(seconds)), now=later(seconds))


# -- rates -------------------------------------------------------------------------------------------------------


def test_a_burst_starts_at_once_and_then_one_by_one_as_tokens_come(service):
    ids = enqueue(service, 10)
    assert {(row(i)["status"], row(i)["wait_reason"], row(i)["attempt"]) for i in ids} == {("waiting", "limited", 0)}
    assert [c.id for c in claim(service, 0)] == ids[:3]
    assert claim(service, 0.4) == []
    assert [c.id for c in claim(service, 0.5)] == [ids[3]]
    assert [(c.id, c.attempt) for c in claim(service, 1.6)] == [(ids[4], 1), (ids[5], 1)]
    assert len(claim(service, 3600)) == 3, "an hour without any is worth no more than the burst"


def test_a_pattern_gives_each_key_a_limit_of_its_own(service):
    for tenant in ("a", "b"):
        enqueue(service, 3, key=f"tenant:{tenant}")
    assert sorted(c.limit_key for c in claim(service, 0)) == ["tenant:a", "tenant:b"]
    assert Limit.objects.count() == 2


def test_priority_comes_first_among_those_that_wait_for_a_limit(service):
    _, high = enqueue(service, 1, priority=-5) + enqueue(service, 1, priority=5)
    assert [c.id for c in claim(service, 0, limit=1)] == [high]


def test_of_several_limits_each_has_its_turn_whatever_its_name_and_priority_comes_first(service):
    with overridden(LIMITS={"*": {"rate": 100, "burst": 100}}):
        z, a = enqueue(service, 2, key="z"), enqueue(service, 2, key="a")
        [urgent] = enqueue(service, 1, key="m", priority=5)
        found = [claim(service, 0, limit=1)[0].id for _ in range(5)]
        more = enqueue(service, 2, key="z") + enqueue(service, 2, key="a")
        assert [c.id for c in claim(service, 0, limit=2)] == [more[0], more[2]]
    assert found == [urgent, *z, *a]


def test_of_many_limits_only_as_many_are_locked_as_could_start_something(service):
    with overridden(LIMITS={"*": {"rate": 1}}):
        first, *_ = [enqueue(service, 1, key=f"key {n}")[0] for n in (3, 1, 2, 5, 4)]
        asking = worker(later(0))
        with somebody_else() as other:
            with transaction.atomic():
                assert [c.id for c in service.claim(1, worker=asking, now=later(0))] == [first]
                other.execute("select key from docqueue_limit order by key for update skip locked")
                free = [key for (key,) in other.fetchall()]
        assert free == ["key 1", "key 2", "key 4", "key 5"]
        assert len(service.claim(9, worker=asking, now=later(0))) == 4


def test_a_limit_that_nobody_has_used_for_a_day_is_forgotten_unless_it_has_something_to_say(service):
    enqueue(service, 1, key="tenant:a")
    enqueue(service, 1, key="fast")
    enqueue(service, 3, key="km")
    for claimed in claim(service, 0):
        if claimed.limit_key == "km":
            service.mark_failed(claimed, "down", now=later(1))
        else:
            service.mark_completed(claimed, now=later(1))
    assert Limit.objects.get(key="km").opened_at is not None
    prune.run("default", later(3600))
    assert sorted(Limit.objects.values_list("key", flat=True)) == ["fast", "km", "tenant:a"]
    prune.run("default", later(days=2))
    assert list(Limit.objects.values_list("key", flat=True)) == ["km"]
    enqueue(service, 3, key="tenant:a")
    assert len(claim(service, 3 * 86_400)) == 1, "a new one is as full as the old one was"


def test_no_more_is_charged_than_is_claimed(service):
    ids = enqueue(service, 10)
    assert [c.id for c in claim(service, 0, limit=1)] == ids[:1]
    assert [c.id for c in claim(service, 0)] == ids[1:3]


def test_a_bulk_and_delayed_and_retried_items_wait_for_the_limit_too(service):
    rules = Rules(limit_key="slow")
    first, late = service.enqueue_many(
        [NewItem(operation=OPERATION, rules=rules), NewItem(operation=OPERATION, rules=rules, delay_seconds=60)], now=T0
    )
    [found] = claim(service, 0)
    service.mark_failed(found, "no", retry_after=30, now=T0)
    promote.run("default", later(61))
    assert [row(i)["wait_reason"] for i in (first, late)] == ["limited"] * 2
    assert [c.id for c in claim(service, 61)] == [first, late]


def test_what_is_handed_back_unrun_waits_for_its_limit_again(service):
    [item_id] = enqueue(service, 1)
    [found] = claim(service, 0)
    assert service.release(found, now=T0) == "waiting"
    assert (row(item_id)["wait_reason"], row(item_id)["attempt"]) == ("limited", 0)
    [found] = claim(service, 0)
    assert found.id == item_id


def test_a_paused_queue_starts_nothing_that_is_limited(service):
    enqueue(service, 1, queue="q")
    with connection.cursor() as cursor:
        cursor.execute("insert into docqueue_queue values ('q', now(), 'tired', '{}')")
    assert claim(service, 0) == []


def test_a_caller_outside_a_worker_gets_limited_items_too(service):
    ids = enqueue(service, 5)
    assert [c.id for c in service.claim(10, now=T0)] == ids[:3]
    assert service.claim(10, now=T0) == []


def test_changed_settings_are_taken_over_and_a_key_without_a_limit_waits_no_more(service):
    ids = enqueue(service, 10)
    claim(service, 0)
    with overridden(LIMITS={"slow": {"rate": 100, "burst": 2}}):
        promote.run("default", later(0))
        assert len(claim(service, 60)) == 2
    with overridden(LIMITS={}):
        promote.run("default", later(60))
        assert [c.id for c in claim(service, 60)] == ids[5:]


def test_an_enqueue_neither_waits_for_who_charges_the_limit_nor_locks_it(service):
    enqueue(service, 1)
    before = rows("select ctid::text, xmin::text, xmax::text from docqueue_limit")
    enqueue(service, 1)
    assert rows("select ctid::text, xmin::text, xmax::text from docqueue_limit") == before
    with somebody_else() as other:
        other.execute("select from docqueue_limit for update")
        in_background(lambda: enqueue(service, 1)).result(10)


def test_an_unknown_limit_is_refused_at_the_door(service):
    with pytest.raises(InvalidOption, match="LIMITS"):
        service.enqueue(None, OPERATION, limit_key="unheard of")
    assert not QueueItem.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{}, {"rate": 0}, {"rate": 1, "burst": 0.5}, {"burst": 3}, {"rate": "1"}, {"failures": 0}, {"speed": 1}]
)
def test_a_limit_that_makes_no_sense_is_named(wrong):
    with pytest.raises(ConfigurationError, match="LIMITS"), overridden(LIMITS={"x": wrong}):
        pass


def excess(starts: list[datetime], rate: float, burst: float) -> float:
    """By how many starts the fullest window is over the bound; every window begins and ends with a start."""
    times = sorted(moment.timestamp() for moment in starts)
    return max(
        (j - i + 1) - (burst + rate * (times[j] - times[i])) for i in range(len(times)) for j in range(i, len(times))
    )


@settings(deadline=None)
@given(
    rate=st.floats(0.2, 50),
    burst=st.integers(1, 20),
    asks=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 30)), max_size=15),
)
def test_no_window_holds_more_than_burst_and_rate_allow(rate, burst, asks):
    service = DocumentQueueService()
    with overridden(LIMITS={"any": {"rate": rate, "burst": burst}}):
        Limit.objects.all().delete()
        QueueItem.objects.all().delete()
        service.enqueue_many([NewItem(operation=OPERATION, rules=Rules(limit_key="any"))] * 300, now=T0)
        starts, at = [], 0.0
        for pause, limit in asks:
            at += pause
            starts += [found.claimed_at for found in claim(service, at, limit)]
        assert not starts or excess(starts, rate, burst) <= 0.001


def test_ten_workers_at_once_hold_the_bound(service):
    """The database's own clock and real connections; a start counts at its claim."""
    enqueue(service, 400, key="fast")

    def work(number: int) -> None:
        mine = DocumentQueueService()
        me = worker()
        while QueueItem.objects.filter(status="waiting").exists():
            for found in mine.claim(3, worker=me):
                mine.mark_completed(found)
        connections.close_all()

    in_threads(10, work)
    starts = list(HistoryItem.objects.values_list("claimed_at", flat=True))
    assert len(starts) == 400
    assert excess(starts, 200, 20) <= 0.01
    assert (max(starts) - min(starts)).total_seconds() < 6, "and what is allowed does start"


# -- breakers ----------------------------------------------------------------------------------------------------


def fail(service: DocumentQueueService, found: ClaimedItem, seconds: float = 0) -> None:
    service.mark_failed(found, "down", retry_after=0, now=later(seconds))


def opened(service: DocumentQueueService) -> list[int]:
    """A breaker that three failures have opened at T0, with five items behind it."""
    ids = enqueue(service, 5, key="km")
    for found in claim(service, 0, limit=3):
        fail(service, found)
    promote.run("default", later(1))
    return ids


def test_failures_in_a_row_open_it_and_nothing_starts_nor_spends_attempts(service):
    ids = opened(service)
    assert Limit.objects.get().opened_at == T0
    assert claim(service, 1) == claim(service, 29.9) == []
    assert [row(i)["attempt"] for i in ids] == [1, 1, 1, 0, 0]
    assert {row(i)["wait_reason"] for i in ids} == {"limited"}


def test_a_success_between_failures_keeps_it_closed(service):
    enqueue(service, 6, key="km")
    for n, found in enumerate(claim(service, 0)):
        service.mark_completed(found, now=T0) if n == 2 else fail(service, found)
    assert Limit.objects.get().opened_at is not None, "three failed after it"
    Limit.objects.all().delete()
    enqueue(service, 4, key="km")
    for n, found in enumerate(claim(service, 0, limit=4)):
        service.mark_completed(found, now=T0) if n == 1 else fail(service, found)
    assert Limit.objects.get().opened_at is None


def test_half_open_one_probe_starts_and_its_success_closes(service):
    ids = opened(service)
    [probe] = claim(service, 30)
    assert claim(service, 31) == [], "a single one"
    assert (probe.id, probe.attempt, probe.claim_no) == (ids[3], 0, 1), "its attempt does not count"
    service.mark_completed(probe, now=later(31))
    assert Limit.objects.get().opened_at is None
    assert len(claim(service, 31)) == 4


def test_a_probe_that_fails_leaves_it_open_and_spends_no_attempt(service):
    ids = opened(service)
    for at in (30, 61, 92):
        [probe] = claim(service, at)
        fail(service, probe, at + 0.5)
        promote.run("default", later(at + 0.5))
        assert row(probe.id)["attempt"] == (0 if probe.id in ids[3:] else 1)
        assert claim(service, at + 30) == []
    assert {row(i)["status"] for i in ids} == {"waiting"}


def test_a_probe_is_shown_as_an_attempt_from_one_wherever_attempts_are_shown(service):
    opened(service)
    [probe] = claim(service, 30)
    assert service.explain(probe.id) == "Running: attempt 1 of 5."
    fail(service, probe, 32)
    assert Attempt.objects.get(item_id=probe.id).attempt == 1
    promote.run("default", later(600))
    [lost] = claim(service, 600)
    assert lost.attempt == 0
    reap.run("default", later(3600))
    assert Attempt.objects.filter(item_id=lost.id).latest("id").attempt == 1


def test_a_probe_is_told_of_while_it_runs_and_once_it_has_failed_when_the_next_may(service):
    opened(service)
    [probe] = claim(service, 30)
    [told] = service.get_queue_stats(now=later(31)).breakers
    assert (told.limit, told.probe, told.half_open(later(31))) == ("km", probe.id, True)
    fail(service, probe, 32)
    [told] = service.get_queue_stats(now=later(33)).breakers
    assert (told.probe, told.tries_at, told.half_open(later(33))) == (None, later(62), False)
    assert [c.id for c in claim(service, 61.9)] == []
    assert len(claim(service, 62)) == 1


def test_an_item_that_fails_for_its_own_reasons_does_not_stop_the_others(service):
    """Whoever had its turn least often is the next probe."""
    poison, good = opened(service), enqueue(service, 1, key="km")[0]
    tried = []
    for at in range(30, 300, 31):
        [probe] = claim(service, at)
        tried.append(probe.id)
        if probe.id == good:
            service.mark_completed(probe, now=later(at))
            break
        fail(service, probe, at)
        promote.run("default", later(at + 1))
    assert tried == [*poison[3:], good], "those that had not been tried yet come first"
    assert Limit.objects.get().opened_at is None


def test_a_probe_of_which_nothing_is_heard_is_followed_by_another(service):
    opened(service)
    [probe] = claim(service, 30)
    assert claim(service, 59) == []
    [second] = claim(service, 60)
    assert second.id != probe.id


def test_a_probe_that_was_handed_back_lets_the_next_go_at_once(service):
    opened(service)
    [probe] = claim(service, 30)
    service.release(probe, now=later(30))
    assert len(claim(service, 31)) == 1


def test_a_failure_that_is_the_items_own_fault_opens_nothing(service):
    enqueue(service, 5, key="km")
    for found in claim(service, 0):
        service.mark_failed(found, "bad", retryable=False, now=T0)
    assert Limit.objects.get().opened_at is None


def test_an_end_of_what_started_before_it_opened_does_not_close_it(service):
    enqueue(service, 5, key="km")
    found = claim(service, 0)
    for one in found[:3]:
        fail(service, one, 1)
    service.mark_completed(found[3], now=later(2))
    assert Limit.objects.get().opened_at == later(1)


def test_the_item_of_a_lost_worker_runs_again_uncharged(service):
    [item_id] = enqueue(service, 1)
    claim(service, 0)
    reap.run("default", later(3600))
    assert row(item_id)["status"] == "pending"
    assert Attempt.objects.get().code == "lease_lost"


def test_one_that_was_suspect_and_starts_beside_others_is_not_charged_when_its_worker_dies(service):
    item_id, _ = enqueue(service, 2)
    QueueItem.objects.filter(id=item_id).update(suspect=True)  # its process died, and it has backed off
    assert len(claim(service, 0)) == 2
    reap.run("default", later(3600))
    assert [attempt.code for attempt in Attempt.objects.all()] == ["lease_lost"] * 2
    assert row(item_id)["crashes"] == 0


def test_a_suspect_that_is_handed_back_unrun_still_runs_alone(service):
    [item_id] = enqueue(service, 1)
    claim(service, 0)
    reap.run("default", later(3600))
    [found] = service.claim(10, now=later(3600))
    assert found.suspect
    service.release(found, now=later(3600))
    assert (row(item_id)["status"], row(item_id)["returned"], row(item_id)["suspect"]) == ("pending", True, True)
