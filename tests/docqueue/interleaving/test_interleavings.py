"""Thousands of schedules of real connections, statement by statement: no order breaks a promise."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from random import Random

import pytest

from docqueue import claiming, store
from docqueue.retry import Fixed
from tests.docqueue.interleaving import roles, scene, scheduler
from tests.docqueue.interleaving.actors import USING, Performer
from tests.docqueue.interleaving.faults import FAULTS, Fault
from tests.docqueue.interleaving.scheduler import Explorer, Failure, explorer

pytestmark = pytest.mark.django_db(transaction=True)

ASKED_FOR = os.environ.get("DOCQUEUE_INTERLEAVING_SEED")
SHORT = 200
PARTS, PART = 4, 2500
FOUND_WITHIN = 2500

SEEN_SOON = {
    "a settlement waits for cancel",
    "a statement waited",
    "cancel honoured by a settlement",
    "cancel honoured by the reaper",
    "cancel waits for claim",
    "claim passed over what another was taking",
    "claim reaped",
    "claim while claim is uncommitted",
    "complete while mark_lost is uncommitted",
    "complete while reap is uncommitted",
    "dead by crashes",
    "enqueue met a unique key",
    "late write refused",
    "promote_keys while enqueue_ordered is uncommitted",
    "promote_keys while promote_keys is uncommitted",
    "reap while claim is uncommitted",
    "reap while complete is uncommitted",
    "write by a claim that rolled back refused",
    "write refused after a reap",
}
"""What 200 schedules must have come across, so that they can not pass by avoiding each other."""

SEEN = SEEN_SOON | {
    "a settlement waits for reap",
    "cancel waits for complete",
    "cancel waits for settle",
    "claim_suspect while claim_suspect is uncommitted",
    "enqueue could not tell whose turn it was",
    "heartbeat refused",
    "heartbeat waits for mark_lost",
    "requeue waits for cancel",
    "requeue waits for requeue",
    "take_keys waits for cancel",
    "worker marked lost beside its claim",
    "write refused while another has the item",
}
"""The same of 2,500."""


@pytest.fixture
def stage(register, monkeypatch: pytest.MonkeyPatch) -> Iterator[Explorer]:
    """An explorer."""
    register(roles.OPERATION, retry=Fixed(20))
    monkeypatch.setattr("docqueue.outcomes.CRASH_BACKOFF", Fixed(20))  # a seed must say everything
    monkeypatch.setattr(logging.getLogger("docqueue"), "disabled", True)  # a hundred thousand lines
    with explorer() as found:
        yield found


def explore(stage: Explorer, seeds: range, wanted: set[str]) -> None:
    """Play them all: they must differ, and have come across all that is wanted."""
    for seed in seeds:
        stage.play(seed)
    print(f"{len(seeds)} schedules, {len(stage.traces)} of them distinct")
    assert len(stage.traces) > 0.95 * len(seeds), "the same schedule again and again shows nothing new"
    assert wanted - set(stage.facts) == set()


def test_two_hundred_schedules_keep_every_promise(stage: Explorer) -> None:
    explore(stage, range(SHORT), SEEN_SOON)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(PARTS))
def test_ten_thousand_schedules_keep_every_promise(stage: Explorer, part: int) -> None:
    explore(stage, range(part * PART, (part + 1) * PART), SEEN)


def test_a_seed_says_everything(stage: Explorer) -> None:
    for seed in range(20):
        assert stage.play(seed).lines == stage.play(seed).lines


def first_failure(stage: Explorer) -> Failure:
    """The first schedule that breaks a promise."""
    for seed in range(FOUND_WITHIN):
        try:
            stage.play(seed)
        except Failure as failure:
            print(f"found by schedule {seed + 1}: {failure.promise}")
            return failure
    raise AssertionError("nothing was found")


@pytest.mark.parametrize(
    "fault", [pytest.param(f, id=f.name, marks=[pytest.mark.slow] if f.rare else []) for f in FAULTS]
)
def test_a_statement_with_a_fault_is_found_out(stage: Explorer, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    faulty, sound = fault.text(), store.sql
    monkeypatch.setattr(store, "sql", lambda name: faulty if name == fault.statement else sound(name))
    found = first_failure(stage)
    assert any(word in found.promise for word in fault.breaks.split("|")), found.promise
    assert f"seed {found.seed}" in str(found), "it must be possible to see it again"
    monkeypatch.setattr(store, "sql", sound)
    stage.play(found.seed)


def renewing(workers: tuple[int, int]) -> Callable[[roles.Stage, Random], Callable[[Performer], None]]:
    """A role that renews two leases in one transaction, in this order."""

    def program(_actor: Performer) -> None:
        with store.atomic(USING):
            for worker in workers:
                claiming.renew(USING, worker, roles.LEASE_SECONDS)

    return lambda _stage, _dice: program


def test_actors_that_wait_for_each_other_are_found_out(stage: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, _ = scene.WORKERS
    monkeypatch.setitem(scheduler.OTHERS, "promoter", renewing((first, second)))
    monkeypatch.setitem(scheduler.OTHERS, "producer", renewing((second, first)))
    found = first_failure(stage)
    assert "wait for each other" in found.promise or "deadlock" in found.promise


if ASKED_FOR:

    def test_the_schedule_asked_for_keeps_every_promise(stage: Explorer) -> None:
        print("\n".join(stage.play(int(ASKED_FOR or 0)).lines))
