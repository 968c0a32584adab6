"""A worker that is gone: its items are freed, innocent ones uncharged, and one that kills its workers is set aside."""

from __future__ import annotations

import pytest

from docqueue import claiming, history, store
from docqueue.maintenance import prune, reap
from docqueue.models import Attempt, Worker
from docqueue.states import Status
from tests.docqueue.helpers import (
    OPERATION,
    T0,
    Gate,
    NewItemFactory,
    everything,
    in_state,
    later,
    past,
    row,
    rows,
    somebody_else,
    stopped_at_gate,
    worker,
)

pytestmark = pytest.mark.django_db


def held_item(service, lease_seconds: float = 30, **options):
    """An item in progress under a worker of its own, leased from T0."""
    item_id = service.enqueue("d", OPERATION, ordering_key=None, now=T0, **options).id
    [claim] = service.claim(1, worker=worker(T0, lease_seconds), now=T0)
    assert claim.id == item_id
    return claim


def lose(service, item_id: int, now) -> None:
    """Claim a suspect alone with a worker that is gone thirty seconds later, and reap."""
    found = claiming.claim_suspect("default", worker(now), ["default"], now)
    assert found is not None
    assert found.id == item_id
    assert reap.run("default", now + (later(31) - T0)) == 1


def test_before_the_lease_has_run_out_nothing_is_freed(service):
    claim = held_item(service)
    before = everything(claim.id)
    assert reap.run("default", later(30)) == 0
    assert everything(claim.id) == before


def test_after_the_lease_has_run_out_the_item_is_pending_again(service):
    claim = held_item(service)
    assert reap.run("default", later(31)) == 1
    item = row(claim.id)
    assert (item["status"], item["claim_token"], item["worker_id"]) == ("pending", None, None)


def test_a_renewed_lease_keeps_the_item(service):
    claim = held_item(service)
    assert claiming.renew("default", claim.worker_id, 30, now=later(20))
    assert reap.run("default", later(45)) == 0
    assert reap.run("default", later(51)) == 1


def test_a_worker_is_lost_once_and_for_ever(service):
    claim = held_item(service)
    reap.run("default", later(31))
    lost_at = Worker.objects.get(pk=claim.worker_id).lost_at
    assert lost_at == later(31)
    assert not claiming.renew("default", claim.worker_id, 1000, now=later(32))
    reap.run("default", later(40))
    assert Worker.objects.get(pk=claim.worker_id).lost_at == lost_at
    claiming.stop("default", claim.worker_id, later(41))
    assert Worker.objects.get(pk=claim.worker_id).stopped_at is None


def test_a_lost_worker_claims_nothing_of_any_kind(service):
    gone = worker(T0)
    reap.run("default", later(31))
    suspect = held_item(service)
    service.enqueue("d", OPERATION, ordering_key=None, now=later(31))
    reap.run("default", later(62))
    assert row(suspect.id)["suspect"]
    assert service.claim(5, worker=gone, now=later(63)) == []
    assert claiming.claim_suspect("default", gone, ["default"], later(63)) is None


def test_a_stopped_worker_claims_nothing(service):
    gone = worker(T0)
    claiming.stop("default", gone, T0)
    service.enqueue("d", OPERATION, ordering_key=None, now=T0)
    assert service.claim(5, worker=gone, now=T0) == []


def test_the_first_loss_charges_neither_attempt_nor_crash_and_makes_a_suspect(service):
    claim = held_item(service)
    reap.run("default", later(31))
    item = row(claim.id)
    assert (item["attempt"], item["crashes"], item["suspect"], item["returned"]) == (0, 0, True, True)
    [note] = Attempt.objects.filter(item_id=claim.id)
    assert (note.outcome, note.code, note.attempt, note.claim_no, note.worker_id) == (
        "lease_lost",
        "lease_lost",
        1,
        1,
        claim.worker_id,
    )
    assert (note.started_at, note.ended_at) == (T0, later(31))


def test_a_reaped_item_keeps_its_place_and_comes_before_the_lane(service):
    claim = held_item(service)
    service.enqueue("d", OPERATION, 100, ordering_key=None, now=T0)
    reap.run("default", later(31))
    assert row(claim.id)["position"] == claim.position
    assert service.get_pending_items()[0].id == claim.id


def test_a_suspect_is_left_to_be_run_alone(service):
    claim = held_item(service)
    other = service.enqueue("e", OPERATION, ordering_key=None, now=T0).id
    reap.run("default", later(31))
    alive = worker(later(31))
    assert [item.id for item in service.claim(10, worker=alive, now=later(32))] == [other]
    found = claiming.claim_suspect("default", alive, ["default"], later(32))
    assert (found.id, found.suspect, found.attempt, found.claim_no) == (claim.id, True, 1, 2)
    assert claiming.claim_suspect("default", alive, ["default"], later(32)) is None


def test_suspects_are_claimed_one_at_a_time(service):
    for _ in range(3):
        held_item(service)
    assert reap.run("default", later(31)) == 3
    alive = worker(later(31))
    found = [claiming.claim_suspect("default", alive, ["default"], later(32)) for _ in range(4)]
    assert [item is None for item in found] == [False, False, False, True]
    assert [item.position for item in found[:3]] == sorted(item.position for item in found[:3])


def test_a_suspect_of_a_queue_that_is_not_served_stays(service):
    held_item(service, queue="other")
    reap.run("default", later(31))
    assert claiming.claim_suspect("default", worker(later(31)), ["default"], later(32)) is None


def test_only_a_suspect_lost_again_is_charged_a_crash(service):
    claim = held_item(service)
    reap.run("default", later(31))
    lose(service, claim.id, later(40))
    item = row(claim.id)
    assert (item["status"], item["attempt"], item["crashes"]) == ("pending", 0, 1)
    assert [a.outcome for a in Attempt.objects.filter(item_id=claim.id).order_by("id")] == ["lease_lost", "crashed"]


def test_after_three_crashes_the_item_is_dead_with_code_crashed(service):
    claim = held_item(service)
    reap.run("default", later(31))
    for n in (1, 2, 3):
        lose(service, claim.id, later(100 * n))
    item = row(claim.id)
    assert (item["status"], item["crashes"], item["error_code"]) == ("dead", 3, "crashed")
    assert item["died_at"] == later(331)
    assert "died 3 times" in item["error_message"]
    assert service.requeue(claim.id, now=later(400)).status is Status.PENDING
    assert row(claim.id)["crashes"] == 0


def test_the_number_of_crashes_that_is_fatal_is_a_setting(service, settings):
    settings.DOCQUEUE = {"MAX_CRASHES": 1}
    claim = held_item(service)
    reap.run("default", later(31))
    lose(service, claim.id, later(100))
    assert row(claim.id)["status"] == "dead"


def test_the_hook_hears_of_a_death_by_crash(service, settings, register, registry, django_capture_on_commit_callbacks):
    from docqueue.handlers import on_dead

    heard = []
    register("fragile")
    on_dead("fragile")(lambda *said: heard.append(said))
    settings.DOCQUEUE = {"MAX_CRASHES": 1}
    service.enqueue("d", "fragile", ordering_key=None, now=T0)
    [claim] = service.claim(1, worker=worker(T0), now=T0)
    reap.run("default", later(31))
    with django_capture_on_commit_callbacks(execute=True):
        lose(service, claim.id, later(100))
    [(item_id, code, message)] = heard
    assert (item_id, code) == (claim.id, "crashed")
    assert message


def test_a_suspect_that_completes_is_just_completed(service):
    claim = held_item(service)
    reap.run("default", later(31))
    found = claiming.claim_suspect("default", worker(later(31)), ["default"], later(32))
    service.mark_completed(found, now=later(33))
    assert past(claim.id)["status"] == "completed"


def test_a_lost_item_whose_cancel_was_requested_is_cancelled(service):
    claim = held_item(service, unique_key="u")
    assert service.cancel(claim.id, now=later(5)) is Status.IN_PROGRESS
    assert reap.run("default", later(31)) == 1
    item = past(claim.id)
    assert (item["status"], item["finished_at"], item["worker_id"]) == ("cancelled", later(31), claim.worker_id)
    assert row(claim.id) is None
    assert rows("select * from docqueue_key") == []


def test_what_a_stopped_worker_left_comes_back_uncharged(service):
    claim = held_item(service)
    reap.run("default", later(31))
    suspect = claiming.claim_suspect("default", stopped := worker(later(40)), ["default"], later(40))
    assert suspect.id == claim.id
    claiming.stop("default", stopped, later(41))
    assert reap.run("default", later(41)) == 1
    item = row(claim.id)
    assert (item["status"], item["attempt"], item["crashes"]) == ("pending", 0, 0)
    assert [a.outcome for a in Attempt.objects.filter(item_id=claim.id).order_by("id")] == ["lease_lost"] * 2


def test_what_a_stopped_worker_left_never_dies_of_it(service, settings):
    settings.DOCQUEUE = {"MAX_CRASHES": 1}
    claim = held_item(service)
    reap.run("default", later(31))
    for n in range(1, 4):
        claiming.claim_suspect("default", stopped := worker(later(100 * n)), ["default"], later(100 * n))
        claiming.stop("default", stopped, later(100 * n + 1))
        assert reap.run("default", later(100 * n + 2)) == 1
    assert row(claim.id)["status"] == "pending"


def test_an_ordering_key_is_held_through_a_reap_and_freed_by_a_death(service, settings):
    settings.DOCQUEUE = {"MAX_CRASHES": 1}
    service.enqueue("d", OPERATION, now=T0)
    follower = service.enqueue("d", OPERATION, now=T0).id
    [claim] = service.claim(1, worker=worker(T0), now=T0)
    reap.run("default", later(31))
    assert row(claim.id)["holds_key"]
    assert row(follower)["status"] == "waiting"
    lose(service, claim.id, later(100))
    assert not row(claim.id)["holds_key"]


def test_many_items_are_freed_in_slices(service, monkeypatch):
    monkeypatch.setattr(reap, "SLICE", 10)
    service.enqueue_many([NewItemFactory() for _ in range(35)], now=T0)
    assert len(service.claim(35, worker=worker(T0), now=T0)) == 35
    assert reap.run("default", later(31)) == 35
    assert rows("select distinct status from docqueue_item") == [{"status": "pending"}]


def test_only_the_lost_workers_items_are_freed(service):
    lost, kept = held_item(service, 30), held_item(service, 300)
    assert reap.run("default", later(31)) == 1
    assert (row(lost.id)["status"], row(kept.id)["status"]) == ("pending", "in_progress")


def test_a_callers_lease_ends_like_a_workers(service):
    item_id, claim = in_state(service, Status.IN_PROGRESS)
    service.heartbeat(claim, 60, now=later(200))
    assert reap.run("default", later(259)) == 0
    assert reap.run("default", later(261)) == 1
    assert row(item_id)["status"] == "pending"


@pytest.mark.django_db(transaction=True)
def test_a_cancel_that_commits_while_the_reaper_looks_is_not_forgotten(service):
    """The reaper must read the item's newest version, not the one of its snapshot."""
    claim = held_item(service)
    history.ensure("default", T0)
    store.run("default", "mark_lost", {"now": later(31)})
    params = {"limit": Gate(1000), "max_crashes": 3, "now": later(31)}
    with stopped_at_gate(lambda: store.run("default", "reap", params)) as reaping:
        assert service.cancel(claim.id, now=later(31)) is Status.IN_PROGRESS
    assert [(r[0], r[1]) for r in reaping.result()] == [(claim.id, "cancelled")]
    assert row(claim.id) is None
    assert past(claim.id)["status"] == "cancelled"


def test_while_all_workers_are_well_a_round_asks_one_question(service, django_assert_num_queries):
    held_item(service)
    with django_assert_num_queries(1):
        assert reap.run("default", later(30)) == 0


# -- workers that need not be looked at any more -----------------------------------------------------------------


def swept_at(claim):
    return Worker.objects.get(pk=claim.worker_id).swept_at


def test_a_worker_that_ended_is_looked_at_for_a_minute_and_never_again(service, django_assert_num_queries):
    """For a minute, since a claim of its own may still be under way when it is called lost."""
    claim = held_item(service)
    for seconds in (31, 40, 91):
        reap.run("default", later(seconds))
        assert swept_at(claim) is None
    reap.run("default", later(91.1))
    assert swept_at(claim) == later(91.1)
    with django_assert_num_queries(1):
        reap.run("default", later(92))


@pytest.mark.django_db(transaction=True)
def test_a_worker_whose_item_somebody_has_locked_is_looked_at_until_it_holds_nothing(service):
    claim = held_item(service)
    with somebody_else() as other:
        other.execute("select from docqueue_item where id = %s for update", [claim.id])
        assert reap.run("default", later(31)) == 0
        assert reap.run("default", later(200)) == 0
        assert swept_at(claim) is None
    assert reap.run("default", later(201)) == 1


def test_what_a_worker_claimed_that_nobody_looks_at_any_more_is_found_by_the_slow_duty(service):
    """Its last claim took more than a minute to commit. The reaper must not walk over all that it ever claimed."""
    other = held_item(service, 300)
    claim = held_item(service)
    Worker.objects.filter(pk=claim.worker_id).update(lost_at=later(31), swept_at=later(100))
    assert reap.run("default", later(301)) == 1
    assert (row(other.id)["status"], row(claim.id)["status"]) == ("pending", "in_progress")
    prune.run("default", later(302))
    assert reap.run("default", later(303)) == 1
    assert row(claim.id)["status"] == "pending"


def test_the_row_of_a_worker_that_holds_something_is_kept_however_old_it_is(service):
    claim, done = held_item(service), held_item(service)
    service.mark_completed(done, now=T0)
    for each in (claim, done):
        claiming.stop("default", each.worker_id, T0)
    prune.run("default", later(days=30))
    assert list(Worker.objects.values_list("pk", flat=True)) == [claim.worker_id]
    assert reap.run("default", later(days=30)) == 1
