"""Random walks through the service, each step compared with an in-memory model of the whole queue."""

from __future__ import annotations

import os
from datetime import timedelta
from random import Random
from typing import ClassVar

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from docqueue import claiming, outcomes, settling
from docqueue.conf import overridden
from docqueue.exceptions import AlreadyClaimed, IllegalTransition, LeaseLost
from docqueue.maintenance import promote, reap
from docqueue.models import Worker
from docqueue.retry import Fixed
from docqueue.service import ClaimedItem, DocumentQueueService
from docqueue.states import Status
from tests.docqueue.helpers import T0, rows
from tests.docqueue.model import BURST, RATE, RETRY_SECONDS, SLOTS, Item, Model

OPERATION = "model.operation"
TABLES = ("item", "history", "key", "worker", "attempt", "audit", "limit", "queue")
DICE = st.integers(0, 2**32).map(Random)


class Walk(RuleBasedStateMachine):
    """One walk. Each step gets dice, whose throws pick among the items, the claims and the verbs there are."""

    steps: ClassVar[int] = 0

    @initialize()
    def start(self) -> None:
        with connection.cursor() as cursor:
            for table in TABLES:
                cursor.execute(f"delete from docqueue_{table}")
        self.service, self.model, self.now = DocumentQueueService(), Model(), T0
        self.claims: list[ClaimedItem] = []
        self.at = 0  # which of the three workers acts
        self.workers = [self._new_worker() for _ in range(3)]

    @property
    def worker(self) -> int:
        return self.workers[self.at]

    @worker.setter
    def worker(self, new: int) -> None:
        self.workers[self.at] = new

    def _new_worker(self) -> int:
        worker = claiming.register("default", Worker.Kind.WORKER, lease_seconds=30, now=self.now)
        self.model.leases[worker] = self.now + timedelta(seconds=30)
        return worker

    @rule(dice=DICE)
    def step(self, dice: Random) -> None:
        """One rule, so that the mixture of actions is ours: hypothesis would mostly make one or two of many."""
        self.at = dice.randrange(3)
        actions = [self._time_passes] * 3 + [self._enqueue] * 2
        if self.model.live:
            actions += [self._claim] * 4 + [self._somebody_acts] * 3 + [self._pause]
        if self.claims:
            actions += [self._settle] * 5
        dice.choice(actions)(dice)

    def _any_item(self, dice: Random) -> int:
        """Mostly one that is live."""
        return dice.choice(sorted(self.model.live) * 5 + sorted(self.model.finished))

    # -- time and what runs by itself ----------------------------------------------------------------------------

    def _time_passes(self, dice: Random) -> None:
        """Up to a moment at which the worker renews its lease, or does not, and duties run, or do not."""
        self.now += timedelta(seconds=dice.choice([1, 15, 20, 40]))
        if dice.random() < 0.5:
            self._heartbeat()
        if dice.random() < 0.7:
            reap.run("default", self.now)
            self.model.reap(self.now)
        if dice.random() < 0.8:
            promote.run("default", self.now)
            self.model.promote(self.now)

    def _heartbeat(self) -> None:
        stands = claiming.renew("default", self.worker, 30, now=self.now)
        assert stands == (self.worker not in self.model.lost)
        if stands:
            self.model.leases[self.worker] = self.now + timedelta(seconds=30)
        else:
            self.worker = self._new_worker()

    # -- producing -----------------------------------------------------------------------------------------------

    def _enqueue(self, dice: Random) -> None:
        for _ in range(dice.choice([1, 1, 3])):
            self._enqueue_one(dice)

    def _enqueue_one(self, dice: Random) -> None:
        key, unique = dice.choice([None, "a", "a", "b"]), dice.choice([None, None, "u"])
        priority, delay, most = dice.choice([-1, 0, 1]), dice.choice([0, 0, 0, 15]), dice.choice([1, 2, 3])
        slots, limited = dice.choice([None, None, "s"]), dice.choice([False, False, True])
        new = self.service.enqueue(
            None,
            OPERATION,
            priority,
            concurrency_key=slots,
            concurrency_limit=SLOTS if slots else None,
            limit_key="limit" if limited else None,
            ordering_key=key,
            unique_key=unique,
            delay_seconds=delay,
            max_attempts=most,
            now=self.now,
        )
        if unique in self.model.unique:
            assert (new.id, new.created) == (self.model.unique[unique], False)
        else:
            assert new.created
            due_at = self.now + timedelta(seconds=delay) if delay else None
            self.model.enqueue(Item(new.id, key, unique, priority, most, slots, limited), due_at)
            if limited and self.model.filled_at is None:
                self.model.filled_at = self.now
        item = self.model.live[new.id]
        assert (new.status, new.wait_reason) == (item.status, item.reason)

    # -- claiming ------------------------------------------------------------------------------------------------

    def _claim(self, dice: Random) -> None:
        if self.worker in self.model.lost and dice.random() < 0.8:
            self.worker = self._new_worker()
        lost = self.worker in self.model.lost
        match dice.choice(["batch", "batch", "suspect", "one"]):
            case "batch":
                limit = dice.choice([1, 2, 5])
                expected = [] if lost else self.model.claimable(limit, self.now)
                found = self.service.claim(limit, worker=self.worker, now=self.now)
                assert sorted(c.id for c in found) == sorted(expected)
                plain = [c for c in found if c.limit_key is None]
                assert plain == sorted(plain, key=lambda c: (-c.priority, c.position))
                self._took(found)
            case "suspect":
                expected = [] if lost else self.model.suspects()
                alone = claiming.claim_suspect("default", self.worker, ["default"], self.now)
                assert (alone.id if alone else None) == (expected[0] if expected else None)
                self._took([alone] if alone else [])
            case _:
                self._mark_in_progress(self._any_item(dice))

    def _mark_in_progress(self, item_id: int) -> None:
        item = self.model.live.get(item_id)
        if item is None or item.status != "pending":
            with pytest.raises(AlreadyClaimed):
                self.service.mark_in_progress(item_id, now=self.now)
            return
        claim = self.service.mark_in_progress(item_id, lease_seconds=20, now=self.now)
        self.model.leases[claim.worker_id] = self.now + timedelta(seconds=20)
        self._took([claim])

    def _took(self, claims: list[ClaimedItem]) -> None:
        for claim in claims:
            item = self.model.claim(claim.id, claim.worker_id)
            assert (claim.attempt, claim.claim_no) == (item.attempt, item.claim_no)
            assert (claim.crashes, claim.suspect) == (item.crashes, item.suspect)
        self.claims += claims

    # -- settling: with the newest claim, or with a stale one ----------------------------------------------------

    def _settle(self, dice: Random) -> None:
        for claim in dice.sample(self.claims, min(2, len(self.claims))):
            how = dice.choice(["complete", "complete", "fail", "fail at once", "fatal", "crash", "snooze", "release"])
            self._settle_one(claim, how)
            if dice.random() < 0.8:
                self.claims.remove(claim)

    def _settle_one(self, claim: ClaimedItem, how: str) -> None:
        item = self.model.live.get(claim.id)
        if item is None or item.status != "in_progress" or item.claim_no != claim.claim_no:
            with pytest.raises(LeaseLost):
                self._write(claim, how)
            return
        status = self._write(claim, how)
        if how == "complete":
            self.model.finish(item, "completed")
        elif not self.model.settle(item):
            self._apply(item, how)
        expected = item.status if item.id in self.model.live else self.model.finished[item.id]
        assert status == expected

    def _write(self, claim: ClaimedItem, how: str) -> Status:
        now = self.now
        match how:
            case "complete":
                self.service.mark_completed(claim, now=now)
                return Status.COMPLETED
            case "fail":
                return self.service.mark_failed(claim, "no", now=now)
            case "fail at once":
                return self.service.mark_failed(claim, "no", retry_after=0, now=now)
            case "fatal":
                return self.service.move_to_dead(claim, "no", now=now)
            case "snooze":
                return self.service.snooze(claim, 15, now=now)
            case "release":
                return self.service.release(claim, now=now)
        crash = outcomes.Crashed(code="killed", message="")
        found = settling.settle("default", [(claim, crash)], now)
        if not found:
            raise LeaseLost
        return found[claim.id]

    def _apply(self, item: Item, how: str) -> None:
        wait = timedelta(seconds={"fail at once": 0, "snooze": 15}.get(how, RETRY_SECONDS))
        if how in ("snooze", "release", "crash"):
            item.attempt -= 1
        if how == "crash":
            item.crashes += 1
            item.suspect = True
        if how == "release" and item.limited and not item.suspect:
            item.status, item.reason = "waiting", "limited"
        elif how == "release":
            item.status, item.returned = "pending", True
        elif how == "snooze":
            self.model.wait(item, "snoozed", self.now + wait)
        elif {"fatal": True, "crash": item.crashes >= 3}.get(how, item.attempt >= item.max_attempts):
            self.model.die(item)
        else:
            self.model.wait(item, "retry", self.now + wait)

    # -- people --------------------------------------------------------------------------------------------------

    def _somebody_acts(self, dice: Random) -> None:
        item_id = self._any_item(dice)
        match dice.choice(["cancel", "discard", "requeue", "requeue", "requeue"]):
            case "requeue":
                self._requeue(item_id, dice.choice([0, 15]), dice.random() < 0.5)
            case verb:
                self._cancel(item_id, verb)

    def _pause(self, dice: Random) -> None:
        if self.model.paused:
            self.service.resume_queue("default", by="walk")
        elif dice.random() < 0.5:
            self.service.pause_queue("default", "to see", by="walk")
        else:
            return
        self.model.paused = not self.model.paused

    def _cancel(self, item_id: int, verb: str) -> None:
        item = self.model.live.get(item_id)
        if item is None or (verb == "discard" and item.status != "dead"):
            with pytest.raises(IllegalTransition):
                getattr(self.service, verb)(item_id, now=self.now)
            return
        status = getattr(self.service, verb)(item_id, now=self.now)
        if item.status == "in_progress":
            item.cancel = True
            assert status is Status.IN_PROGRESS
        else:
            self.model.finish(item, "cancelled")
            assert status is Status.CANCELLED

    def _requeue(self, item_id: int, delay: int, reset: bool) -> None:
        item = self.model.live.get(item_id)
        if item is None or not (item.status == "dead" or item.next_at is not None):
            with pytest.raises(IllegalTransition):
                self.service.requeue(item_id, delay_seconds=delay, reset_attempts=reset, now=self.now)
            return
        self.service.requeue(item_id, delay_seconds=delay, reset_attempts=reset, now=self.now)
        self.model.requeue(item, self.now, delay, reset)

    # -- after every step ----------------------------------------------------------------------------------------

    @invariant()
    def the_database_says_what_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        type(self).steps += 1
        found = rows(
            "select *, cancel_requested_at is not null as cancelled, slot is not null as has_slot "
            "from docqueue_item order by id"
        )
        wanted = {item.id: item.shown() for item in self.model.live.values()}
        assert {r["id"]: {name: r[name] for name in wanted.get(r["id"], r)} for r in found} == wanted
        for r in found:
            self.model.live[r["id"]].position = r["position"]
            assert r["position"] is not None or r["status"] == "waiting"
        history = {r["id"]: r["status"] for r in rows("select id, status from docqueue_history")}
        assert history == self.model.finished
        assert {r["key"]: r["item_id"] for r in rows("select * from docqueue_key")} == self.model.unique


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("examples", "steps"),
    [
        pytest.param(30, 40, id="30 walks"),
        pytest.param(
            int(os.environ.get("MODEL_EXAMPLES", "400")), 20, id="many walks",
            marks=[pytest.mark.slow, pytest.mark.timeout(3600)],
        ),
    ],
)  # fmt: skip
def test_random_walks_through_the_service_agree_with_the_model(register, monkeypatch, examples, steps):
    """MODEL_EXAMPLES=10000 for a long one."""
    register(OPERATION, retry=Fixed(RETRY_SECONDS))
    monkeypatch.setattr("docqueue.outcomes.CRASH_BACKOFF", Fixed(RETRY_SECONDS))  # the model knows no chance
    Walk.steps = 0
    with overridden(LIMITS={"limit": {"rate": RATE, "burst": BURST}}):
        run_state_machine_as_test(
            Walk,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    assert Walk.steps > 6 * examples
