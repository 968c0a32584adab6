"""Each verb from each state: what the table allows succeeds, all else raises the right error and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from docqueue import claiming
from docqueue.conf import overridden
from docqueue.exceptions import AlreadyClaimed, IllegalTransition, ItemNotFound, LeaseLost
from docqueue.maintenance import promote, reap
from docqueue.models import QueueItem
from docqueue.service import ClaimedItem, DocumentQueueService
from docqueue.states import TRANSITIONS, WAITING_FOR_TIME, Status, WaitReason, allowed
from docqueue.store import new_token
from tests.docqueue.helpers import OPERATION, STATES, everything, in_state, later, row, worker

pytestmark = pytest.mark.django_db

NOT_FOR_TIME = {WaitReason.ORDERING, WaitReason.CONCURRENCY, WaitReason.LIMITED, WaitReason.FAIR_SHARE}
SOON = later(60)  # before any hour-long wait of `in_state` ends, and within every lease

Call = Callable[[DocumentQueueService, int, ClaimedItem], Any]
FENCED: dict[str, Call] = {
    "complete": lambda s, i, c: s.mark_completed(c, now=SOON),
    "fail": lambda s, i, c: s.mark_failed(c, "no", now=SOON),
    "move_to_dead": lambda s, i, c: s.move_to_dead(c, "no", now=SOON),
    "snooze": lambda s, i, c: s.snooze(c, 60, now=SOON),
    "release": lambda s, i, c: s.release(c, now=SOON),
    "heartbeat": lambda s, i, c: s.heartbeat(c, now=SOON),
}
BY_PEOPLE: dict[str, Call] = {
    "requeue": lambda s, i, c: s.requeue(i, now=SOON),
    "run_now": lambda s, i, c: s.run_now(i, now=SOON),
    "change_priority": lambda s, i, c: s.change_priority(i, 7, now=SOON),
    "cancel": lambda s, i, c: s.cancel(i, now=SOON),
    "discard": lambda s, i, c: s.discard(i, now=SOON),
}
BY_NOBODY: dict[str, Call] = {
    "claim": lambda s, i, c: s.claim(100, worker=worker(SOON), now=SOON),
    "promote": lambda s, i, c: promote.run("default", SOON),
    "reap": lambda s, i, c: reap.run("default", SOON),
}
STATE_IDS = [f"{status}-{reason}" if reason else str(status) for status, reason in STATES]


def fence(claim: ClaimedItem | None, item_id: int) -> ClaimedItem:
    """The last claim made on the item; for one never claimed, a claim that somebody made up."""
    if claim is not None:
        return claim
    return ClaimedItem(
        **dict.fromkeys(ClaimedItem._fields)
        | {"id": item_id, "claim_no": 1, "claim_token": new_token(), "worker_id": worker(), "operation": OPERATION}
        | {"attempt": 1, "max_attempts": 5, "crashes": 0}
    )


def targets(verb: str, source: Status) -> set[Status]:
    return {m.target for m in TRANSITIONS if (m.verb, m.source) == (verb, source)}


@pytest.mark.parametrize(("status", "reason"), STATES, ids=STATE_IDS)
@pytest.mark.parametrize("verb", FENCED)
def test_a_fenced_verb_works_in_progress_and_changes_nothing_else(service, verb, status, reason):
    item_id, claim = in_state(service, status, reason)
    claim = fence(claim, item_id)
    before = everything(item_id)
    if status is Status.IN_PROGRESS:
        FENCED[verb](service, item_id, claim)
        assert service.get_status(item_id) in (targets(verb, status) or {status})
        assert everything(item_id) != before
    else:
        with pytest.raises(LeaseLost):
            FENCED[verb](service, item_id, claim)
        assert everything(item_id) == before


@pytest.mark.parametrize("verb", FENCED)
def test_a_fenced_verb_with_a_wrong_token_changes_nothing(service, verb):
    item_id, claim = in_state(service, Status.IN_PROGRESS)
    before = everything(item_id)
    for forged in (
        claim._replace(claim_token=claim.claim_token ^ 1),
        claim._replace(id=item_id + 10_000),
    ):
        with pytest.raises(LeaseLost, match="nothing was changed"):
            FENCED[verb](service, item_id, forged)
    assert everything(item_id) == before


@pytest.mark.parametrize(("status", "reason"), STATES, ids=STATE_IDS)
@pytest.mark.parametrize("verb", BY_PEOPLE)
def test_a_persons_verb_follows_the_table(service, verb, status, reason):
    item_id, claim = in_state(service, status, reason)
    before = everything(item_id)
    if allowed(verb, status) and not (verb in ("requeue", "run_now") and reason in NOT_FOR_TIME):
        BY_PEOPLE[verb](service, item_id, claim)
        assert service.get_status(item_id) in targets(verb, status)
        assert everything(item_id)["audit"], "what a person did is written down"
    else:
        with pytest.raises(IllegalTransition, match=f"Item {item_id} is"):
            BY_PEOPLE[verb](service, item_id, claim)
        assert everything(item_id) == before


@pytest.mark.parametrize("verb", BY_PEOPLE)
def test_a_persons_verb_on_an_unknown_item_says_so(service, verb):
    with pytest.raises(ItemNotFound, match="There is no item 999"):
        BY_PEOPLE[verb](service, 999, None)


@pytest.mark.parametrize(("status", "reason"), STATES, ids=STATE_IDS)
def test_mark_in_progress_takes_pending_items_and_no_others(service, status, reason):
    item_id, _ = in_state(service, status, reason)
    before = everything(item_id)
    if status is Status.PENDING:
        claim = service.mark_in_progress(item_id, now=SOON)
        assert (claim.id, claim.claim_no, claim.attempt, claim.claimed_at) == (item_id, 1, 1, SOON)
        assert row(item_id)["status"] == "in_progress"
    else:
        with pytest.raises(AlreadyClaimed):
            service.mark_in_progress(item_id, now=SOON)
        assert everything(item_id) == before, "not even a lease row stays behind"


@pytest.mark.parametrize(("status", "reason"), STATES, ids=STATE_IDS)
@pytest.mark.parametrize("verb", BY_NOBODY)
def test_what_runs_by_itself_moves_only_what_is_due(service, verb, status, reason):
    """At SOON nobody's wait is over and nobody's lease has run out: only a claim of a pending item does anything."""
    item_id, claim = in_state(service, status, reason)
    before = everything(item_id)
    with overridden(FAIR_SHARE=1):
        BY_NOBODY[verb](service, item_id, claim)
    after = everything(item_id)
    if (verb, status) == ("claim", Status.PENDING):
        assert after["live"]["status"] == "in_progress"
    else:
        before.pop("workers")
        after.pop("workers")
        assert after == before


MUCH_LATER = later(7200)


@pytest.mark.parametrize(("status", "reason"), STATES, ids=STATE_IDS)
def test_when_every_time_has_come_the_promoter_moves_waiting_items_and_no_others(service, status, reason):
    item_id, _ = in_state(service, status, reason)
    before = everything(item_id)
    promote.run("default", MUCH_LATER)
    if reason in WAITING_FOR_TIME or reason is WaitReason.FAIR_SHARE:  # which is off again
        assert row(item_id)["status"] == "pending"
        assert (row(item_id)["wait_reason"], row(item_id)["next_retry_at"]) == (None, None)
    else:
        assert everything(item_id) == before


@pytest.mark.parametrize(("status", "reason"), STATES, ids=STATE_IDS)
def test_when_every_lease_has_run_out_the_reaper_frees_items_in_progress_and_no_others(service, status, reason):
    item_id, _ = in_state(service, status, reason)
    before = everything(item_id)
    reap.run("default", MUCH_LATER)
    if status is Status.IN_PROGRESS:
        assert row(item_id)["status"] == "pending"
    else:
        after = everything(item_id)
        before.pop("workers")
        after.pop("workers")
        assert after == before


RECIPES: dict[tuple[str, Status, Status], Call] = {
    ("fail", Status.IN_PROGRESS, Status.WAITING): lambda s, i, c: s.mark_failed(c, "x", now=SOON),
    ("fail", Status.IN_PROGRESS, Status.DEAD): lambda s, i, c: s.mark_failed(c, "x", retryable=False, now=SOON),
    ("fail", Status.IN_PROGRESS, Status.CANCELLED): lambda s, i, c: (s.cancel(i, now=SOON), FENCED["fail"](s, i, c)),
    ("move_to_dead", Status.IN_PROGRESS, Status.CANCELLED): lambda s, i, c: (
        s.cancel(i, now=SOON),
        FENCED["move_to_dead"](s, i, c),
    ),
    ("snooze", Status.IN_PROGRESS, Status.CANCELLED): lambda s, i, c: (
        s.cancel(i, now=SOON),
        FENCED["snooze"](s, i, c),
    ),
    ("release", Status.IN_PROGRESS, Status.CANCELLED): lambda s, i, c: (
        s.cancel(i, now=SOON),
        FENCED["release"](s, i, c),
    ),
    ("release", Status.IN_PROGRESS, Status.WAITING): lambda s, i, c: (
        QueueItem.objects.filter(pk=i).update(limit_key="line"),
        FENCED["release"](s, i, c),
    ),
    ("requeue", Status.DEAD, Status.WAITING): lambda s, i, c: s.requeue(i, delay_seconds=60, now=SOON),
    ("promote", Status.WAITING, Status.PENDING): lambda s, i, c: promote.run("default", MUCH_LATER),
    ("reap", Status.IN_PROGRESS, Status.PENDING): lambda s, i, c: reap.run("default", MUCH_LATER),
    ("reap", Status.IN_PROGRESS, Status.CANCELLED): lambda s, i, c: (
        s.cancel(i, now=SOON),
        reap.run("default", MUCH_LATER),
    ),
}


def _crash_until_dead(s: DocumentQueueService, item_id: int, claim: ClaimedItem) -> None:
    reap.run("default", MUCH_LATER)
    for n in range(1, 4):
        moment = later(7200 + 100 * n)
        assert claiming.claim_suspect("default", worker(moment), ["default"], moment)
        reap.run("default", later(7200 + 100 * n + 31))


RECIPES["reap", Status.IN_PROGRESS, Status.DEAD] = _crash_until_dead


@pytest.mark.parametrize(
    "move", [m for m in TRANSITIONS if m.verb != "claim_limited"], ids=lambda m: f"{m.verb}-{m.source}-{m.target}"
)
def test_every_move_of_the_table_can_be_made(service, move):
    recipe = RECIPES.get(tuple(move)) or (FENCED | BY_PEOPLE | BY_NOBODY)[move.verb]
    item_id, claim = in_state(service, move.source, WaitReason.DELAYED if move.source is Status.WAITING else None)
    recipe(service, item_id, claim)
    assert service.get_status(item_id) == move.target
