"""Why an item waits, what would release it, how many are before it, and how long that may take."""

from __future__ import annotations

import pytest

from docqueue import claiming, explaining
from docqueue.conf import overridden
from docqueue.maintenance import promote
from docqueue.models import Dependency, FinishedTotal, Limit, QueueItem, Worker
from docqueue.service import DocumentQueueService, NewItem
from docqueue.states import Status, WaitReason
from tests.docqueue.helpers import OPERATION, STATES, T0, in_state, later

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def served() -> int:
    """A worker that serves all queues."""
    return claiming.register("default", Worker.Kind.WORKER, lease_seconds=10**6, now=T0)


def pending(service: DocumentQueueService, number: int, **options: object) -> list[int]:
    return list(
        service.enqueue_many(
            [NewItem(operation=OPERATION, ordering_key=None, **options) for _ in range(number)], now=T0
        )
    )


@pytest.mark.parametrize(("status", "reason"), STATES)
def test_of_every_state_and_reason_the_sentence_and_the_figures_are_told(service, status, reason):
    item_id, _ = in_state(service, status, reason)
    said = service.explain_detail(item_id, now=T0)
    assert said.text == service.explain(item_id, now=T0)
    assert said.text.endswith(".")
    assert "None" not in said.text
    assert said.reason == (reason or status).value


def test_the_reasons_of_many_are_those_that_each_is_told_alone(service, django_assert_num_queries):
    ids = [in_state(service, status, reason)[0] for status, reason in STATES]
    live = list(QueueItem.objects.filter(pk__in=ids))
    assert len(live) > 5
    with django_assert_num_queries(2):
        found = service.reasons(live, now=T0)
    assert found == {item.pk: service.explain_detail(item.pk, now=T0).reason for item in live}
    with django_assert_num_queries(0):
        assert service.reasons([item for item in live if item.status != Status.PENDING], now=T0)


def test_the_reasons_of_pending_items_name_what_stops_their_lane(service):
    [here] = pending(service, 1)
    [paused] = pending(service, 1, queue="paused")
    [unknown] = pending(service, 1)
    QueueItem.objects.filter(pk=unknown).update(operation="nobody.knows")
    service.pause_queue("paused", now=T0)
    items = list(QueueItem.objects.all())
    assert service.reasons(items, now=T0) == {here: "pending", paused: "paused", unknown: "no_handler"}
    Worker.objects.update(stopped_at=T0)
    assert service.reasons(items, now=T0) == {here: "no_worker", paused: "paused", unknown: "no_worker"}
    for item in items:
        assert service.explain_detail(item.pk, now=T0).reason == service.reasons([item], now=T0)[item.pk]


# -- pending -----------------------------------------------------------------------------------------------------


def test_a_pending_item_has_its_place_in_the_order_in_which_it_will_be_claimed(service):
    low, normal, high = (pending(service, 3, priority=priority) for priority in (-10, 0, 10))
    places = [service.explain_detail(item_id, now=T0).position for item_id in (*high, *normal, *low)]
    assert places == list(range(1, 10))
    claim = service.claim(9, now=T0)[-1]
    pending(service, 2, priority=100)
    service.release(claim, now=T0)
    assert service.explain_detail(claim.id, now=T0).position == 1, "what was handed back goes first"


def test_with_a_throughput_there_is_an_estimate(service):
    ids = pending(service, 120)
    FinishedTotal.objects.create(queue="default", at=T0, worker_id=1, completed=290, cancelled=5, dead=5)
    said = service.explain_detail(ids[-1], now=later(5))
    assert said.text == "Waiting for a free worker: about the 120th of its queue; at 30 a minute about 4 min."
    assert (said.position, said.estimate_seconds) == (120, 240.0)
    assert service.explain_detail(ids[-1], now=later(minutes=11)).estimate_seconds is None, "nothing has ended lately"


@pytest.mark.parametrize(
    ("place", "words"), [(1, "."), (2, ": about the 2nd"), (3, ": about the 3rd"), (11, ": about the 11th")]
)
def test_the_place_is_told_as_people_say_it(service, place, words):
    item_id = pending(service, place)[-1]
    assert service.explain(item_id, now=T0).startswith(f"Waiting for a free worker{words}")


def test_no_more_than_so_many_are_counted(service, monkeypatch):
    monkeypatch.setattr("docqueue.waits.FAR", 5)
    monkeypatch.setattr("docqueue.explaining.FAR", 5)
    ids = pending(service, 7)
    assert service.explain_detail(ids[5], now=T0).position == 6
    said = service.explain_detail(ids[6], now=T0)
    assert (said.position, said.text) == (None, "Waiting for a free worker: behind more than 5 others of its queue.")


# -- waiting for others ------------------------------------------------------------------------------------------


def test_ordering_names_the_one_that_holds_the_key_and_how_many_are_between(service):
    ids = [service.enqueue("d", OPERATION, now=T0).id for _ in range(4)]
    service.mark_in_progress(ids[0], now=T0)
    said = service.explain_detail(ids[3], now=T0)
    assert said.text == (
        f"Waiting: item {ids[0]} (in progress) of 'd' comes first. "
        "This one may start when that has ended; 2 others stand before it."
    )
    assert (said.blocked_by, said.position) == ((ids[0],), 3)
    assert service.explain(ids[1], now=T0).endswith("when that has ended.")


def test_a_head_that_backs_off_is_told_with_its_reason(service):
    first, second = (service.enqueue("d", OPERATION, now=T0).id for _ in range(2))
    service.mark_failed(service.mark_in_progress(first, now=T0), "no", now=T0)
    assert f"item {first} (waiting: retry) of 'd' comes first" in service.explain(second, now=T0)


def test_a_line_whose_key_is_free_goes_on_within_seconds(service):
    first, second = (service.enqueue("d", OPERATION, now=T0).id for _ in range(2))
    QueueItem.objects.filter(pk=first).delete()
    assert service.explain(second, now=T0) == "Waiting: it is the next of 'd', and starts within seconds."


def test_a_dependency_names_the_parents_that_are_left_and_what_their_failure_means(service):
    parents = pending(service, 5)
    child = service.enqueue(None, OPERATION, after=parents, now=T0).id
    one = service.enqueue(None, OPERATION, after=parents[:1], if_parent_fails="cancel", now=T0).id
    service.mark_in_progress(parents[0], now=T0)
    said = service.explain_detail(child, now=T0)
    assert said.text == (
        f"Waiting: it comes after item {parents[0]} (in progress), item {parents[1]} (pending), "
        f"item {parents[2]} (pending) and 2 more. It may start when all are completed; "
        "if one fails, it waits until somebody requeues the parent, or lets it run."
    )
    assert said.blocked_by == tuple(parents[:3])
    assert service.explain(one, now=T0).endswith("when that is completed; if that fails, it is cancelled, too.")


def test_a_dependency_on_what_has_failed_says_what_to_do(service):
    (parent,) = pending(service, 1)
    child = service.enqueue(None, OPERATION, after=[parent], now=T0).id
    service.move_to_dead(service.mark_in_progress(parent, now=T0), "no", now=T0)
    Dependency.objects.filter(child_id=child).update(outcome="dead")
    said = service.explain(child, now=T0)
    assert said == f"Waiting: it comes after item {parent} (dead). Item {parent} has failed: requeue it."


def test_concurrency_names_those_that_have_the_places(service):
    options = {"concurrency_key": "km", "concurrency_limit": 2, "ordering_key": None, "now": T0}
    ids = [service.enqueue(None, OPERATION, **options).id for _ in range(4)]
    promote.run("default", T0)
    said = service.explain_detail(ids[3], now=T0)
    assert said.text == (
        f"Waiting: 2 of 'km' may run at once, and so many do: item {ids[0]} (pending) and item {ids[1]} (pending). "
        "This one may start when one of them has ended; 1 other stands before it."
    )
    assert (said.blocked_by, said.position) == (tuple(ids[:2]), 2)
    QueueItem.objects.filter(pk__in=ids[:2]).delete()
    assert service.explain(ids[2], now=T0) == (
        "Waiting: 0 of 2 of 'km' run; the free places are given out within seconds, to this one first."
    )


# -- limits ------------------------------------------------------------------------------------------------------


@pytest.fixture
def limited(service):
    """Three items under one limit."""
    with overridden(LIMITS={"mail": {"rate": 0.5}}):
        return [service.enqueue(None, OPERATION, limit_key="mail", ordering_key=None, now=T0).id for _ in range(3)]


def limit(**figures: object) -> None:
    Limit.objects.update_or_create(key="mail", defaults={"refilled_at": T0, **figures})


def test_a_rate_limit_tells_its_rate_and_when_the_next_may_start(service, limited):
    limit(rate=0.5, burst=1, tokens=0.25)
    said = service.explain_detail(limited[2], now=later(0.5))
    assert said.text == (
        "Waiting: the limit 'mail' lets 30 a minute start; the next may in 1 s; 2 others stand before it."
    )
    assert (said.position, said.estimate_seconds) == (3, 5.0)
    assert service.explain(limited[0], now=later(60)) == (
        "Waiting: the limit 'mail' lets 30 a minute start; one may start now."
    )


def test_an_open_breaker_tells_since_when_and_when_it_is_tried_next(service, limited):
    limit(failures_to_open=5, open_seconds=30, failures=5, opened_at=T0)
    said = service.explain_detail(limited[0], now=later(12))
    assert said.text == (
        "Waiting: the breaker of 'mail' has been open for 12 s (5 failures in a row); one item tries again in 18 s."
    )
    assert said.estimate_seconds == 18
    assert "the next item tries now" in service.explain(limited[0], now=later(40))
    limit(probe_at=later(31))
    assert "one item tries again in 21 s" in service.explain(limited[0], now=later(40)), "the probe has failed"
    QueueItem.objects.filter(pk=limited[1]).update(status=Status.IN_PROGRESS, claimed_at=later(31), wait_reason=None)
    said = service.explain_detail(limited[0], now=later(40))
    assert f"; item {limited[1]} is trying now whether it can be closed." in said.text
    assert said.estimate_seconds is None


def test_a_limit_that_has_no_figures_yet_is_named_all_the_same(service, limited):
    Limit.objects.all().delete()
    assert service.explain(limited[0], now=T0) == "Waiting: the limit 'mail' lets no more start now."


def test_fair_share_tells_how_many_of_the_tenant_are_in_the_lane(service):
    with overridden(FAIR_SHARE=1, FAIR_WEIGHTS={"acme": 2}):
        options = {"tenant": "acme", "ordering_key": None, "now": T0}
        ids = [service.enqueue(None, OPERATION, **options).id for _ in range(4)]
        QueueItem.objects.filter(pk__in=ids[:2]).update(status=Status.PENDING, wait_reason=None, position=1)
        said = service.explain_detail(ids[3], now=T0)
    assert said.text == (
        "Waiting: 'acme' has 2 items in the lane, and its share is 2. "
        "This one joins when one of them has started; 1 other stands before it."
    )
    assert said.position == 2


# -- the rest ----------------------------------------------------------------------------------------------------


def test_what_waits_for_its_time_tells_how_long(service):
    item_id, _ = in_state(service, Status.WAITING, WaitReason.DELAYED)
    assert service.explain_detail(item_id, now=later(600)).estimate_seconds == 3000


def test_a_list_takes_the_short_form_from_the_items_own_columns(service, django_assert_num_queries):
    item_id, _ = in_state(service, Status.WAITING, WaitReason.ORDERING)
    item = service.get_item(item_id)
    with django_assert_num_queries(0):
        assert explaining.brief("default", item, T0) == "Waiting: another item of 'line' comes first."


def test_an_item_that_has_moved_on_meanwhile_is_told_as_it_was_read(service):
    item_id, _ = in_state(service, Status.WAITING, WaitReason.CONCURRENCY)
    item = service.get_item(item_id)
    QueueItem.objects.all().delete()
    assert explaining.detail("default", item, T0).text == "Waiting: as many items of 'line' run as may."


def test_a_pending_item_that_was_claimed_meanwhile_has_no_place_any_more(service):
    pending(service, 1)
    item_id = pending(service, 1)[0]
    item = service.get_item(item_id)
    service.mark_in_progress(item_id, now=T0)
    said = explaining.detail("default", item, T0)
    assert (said.text, said.position) == ("Waiting for a free worker.", None)
