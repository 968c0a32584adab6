"""Only the newest claim can change an item: a stale worker changes nothing, whatever it tries."""

from __future__ import annotations

import pytest

from docqueue import claiming, context, store
from docqueue.exceptions import LeaseLost
from docqueue.maintenance import reap
from docqueue.service import ClaimedItem, DocumentQueueService
from docqueue.states import Status
from tests.docqueue.helpers import OPERATION, T0, everything, later, past, row, worker
from tests.docqueue.test_every_state_and_verb import FENCED
from tests.testapp.models import Effect

pytestmark = pytest.mark.django_db


@pytest.fixture
def stale(service: DocumentQueueService) -> ClaimedItem:
    """A claim whose worker lost its lease, and whose item was reaped."""
    service.enqueue("d", OPERATION, ordering_key=None, now=T0)
    [claim] = service.claim(1, worker=worker(T0), now=T0)
    assert reap.run("default", later(31)) == 1
    return claim


@pytest.mark.parametrize("verb", FENCED)
def test_after_a_reap_a_stale_worker_changes_nothing(service, stale, verb):
    before = everything(stale.id)
    with pytest.raises(LeaseLost) as caught:
        FENCED[verb](service, stale.id, stale)
    assert (caught.value.status, caught.value.retryable) == (409, False)
    assert everything(stale.id) == before


@pytest.mark.parametrize("verb", FENCED)
def test_after_another_workers_claim_a_stale_worker_changes_nothing(service, stale, verb):
    mine = claiming.claim_suspect("default", worker(later(32)), ["default"], later(32))
    assert mine.id == stale.id
    assert mine.claim_no == stale.claim_no + 1
    before = everything(stale.id)
    with pytest.raises(LeaseLost):
        FENCED[verb](service, stale.id, stale)
    assert everything(stale.id) == before
    service.mark_completed(mine, now=later(40))
    assert past(mine.id)["claim_no"] == mine.claim_no


@pytest.mark.parametrize("verb", FENCED)
def test_after_its_own_release_and_a_second_claim_the_first_claim_changes_nothing(service, verb):
    """One worker, one item, two claims: it is the claim that counts, not the worker."""
    service.enqueue("d", OPERATION, ordering_key=None, now=T0)
    mine = worker(T0)
    [first] = service.claim(1, worker=mine, now=T0)
    service.release(first, now=T0)
    [second] = service.claim(1, worker=mine, now=T0)
    assert second.worker_id == first.worker_id
    assert second.claim_token != first.claim_token
    before = everything(first.id)
    with pytest.raises(LeaseLost):
        FENCED[verb](service, first.id, first)
    assert everything(first.id) == before
    FENCED[verb](service, second.id, second)


def test_a_stale_heartbeat_does_not_keep_the_new_owners_lease_alive(service, stale):
    mine = service.mark_in_progress(stale.id, lease_seconds=30, now=later(40))
    with pytest.raises(LeaseLost):
        service.heartbeat(stale, 10_000, now=later(50))
    assert reap.run("default", later(71)) == 1
    assert row(mine.id)["status"] == "pending"


def test_a_worker_past_its_lease_that_nobody_reaped_may_still_finish(service):
    """Safety never rests on a clock: as long as the claim is the newest one, its answer is good."""
    service.enqueue("d", OPERATION, ordering_key=None, now=T0)
    [claim] = service.claim(1, worker=worker(T0), now=T0)
    service.mark_completed(claim, now=later(3600))
    assert past(claim.id)["status"] == "completed"


def test_a_claim_marked_lost_but_not_yet_reaped_may_still_finish_but_not_renew(service):
    service.enqueue("d", OPERATION, ordering_key=None, now=T0)
    [claim] = service.claim(1, worker=worker(T0), now=T0)
    store.run("default", "mark_lost", {"now": later(31)})
    with pytest.raises(LeaseLost):
        service.heartbeat(claim, now=later(32))
    service.mark_completed(claim, now=later(33))
    assert reap.run("default", later(34)) == 0


def test_stale_progress_is_not_written(service, stale):
    params = {"item_id": stale.id, "token": stale.claim_token, "percent": 50, "stage": "s", "message": "m"}
    assert store.run("default", "progress", params) == []
    assert store.run("default", "progress", params | {"token": None}) == []


class Deaf:
    """A channel to nobody."""

    def progress(self, *said):
        """Nobody listens."""

    def cancel_requested(self, item):
        return False


@pytest.mark.django_db(transaction=True)
def test_a_stale_handlers_database_effects_roll_back_with_its_completion(service, stale):
    ctx = context.Context(stale, "default", Deaf())
    with pytest.raises(LeaseLost, match="nothing of this run was written"), ctx.complete(result={"x": 1}):
        Effect.objects.create(item_id=stale.id, attempt=1)
    assert not Effect.objects.exists()
    assert not ctx.settled
    assert row(stale.id)["status"] == "pending"


@pytest.mark.django_db(transaction=True)
def test_the_newest_claims_effects_and_completion_commit_together(service, stale):
    mine = service.mark_in_progress(stale.id)
    ctx = context.Context(mine, "default", Deaf())
    with ctx.complete(result={"x": 1}):
        Effect.objects.create(item_id=mine.id, attempt=1)
    assert Effect.objects.filter(item_id=mine.id).count() == 1
    assert past(mine.id)["result"] == '{"x": 1}'
    with pytest.raises(RuntimeError, match="used already"), ctx.complete():
        Effect.objects.create(item_id=mine.id, attempt=2)
    assert Effect.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_error_inside_complete_leaves_the_item_in_progress(service):
    item = service.enqueue("d", OPERATION, ordering_key=None)
    claim = service.mark_in_progress(item)
    ctx = context.Context(claim, "default", Deaf())

    def handle() -> None:
        with ctx.complete():
            Effect.objects.create(item_id=claim.id, attempt=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        handle()
    assert not Effect.objects.exists()
    assert service.get_status(claim.id) is Status.IN_PROGRESS


def test_tokens_are_not_guessable_and_never_repeat(service):
    tokens = {store.new_token() for _ in range(10_000)}
    assert len(tokens) == 10_000
    assert all(0 <= token < 2**63 for token in tokens)
    assert max(tokens) > 2**62
