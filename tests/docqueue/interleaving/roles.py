"""What the actors do: each role is a program of a few calls of the queue's own code, chosen by the actor's dice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from docqueue import claiming, outcomes, settling, store
from docqueue.exceptions import AlreadyClaimed, IllegalTransition, LeaseLost
from docqueue.maintenance import promote, reap
from docqueue.models import Worker
from docqueue.service import ClaimedItem, DocumentQueueService
from docqueue.states import Status
from tests.docqueue.interleaving.actors import USING, Performer

OPERATION = "interleaving.noop"
QUEUE = "default"
LEASE_SECONDS = 30
KEYS = (None, "a", "a", "b")
NEW_KEYS = (None, "a", "a", "b", "c", "c")  # nobody has c yet: two who enqueue it at once both find it free
UNIQUE = (None, None, "u")
ENDS: dict[str, outcomes.Outcome] = {
    "fail": outcomes.Failed(code="failed", message="no"),
    "fail at once": outcomes.Failed(code="failed", message="no", retry_after=0),
    "dead": outcomes.Dead(code="dead", message="no"),
    "snooze": outcomes.Snoozed(seconds=15),
    "release": outcomes.Released(),
    "crash": outcomes.Crashed(code="killed", message=""),
    "give up": outcomes.GivenUp(),
}


class Undone(Exception):
    """Something else in the caller's transaction has failed."""


@dataclass
class Stage:
    """What the programs of one schedule share."""

    service: DocumentQueueService
    ids: list[int]

    def new_item(self, performer: Performer, dice: Random) -> None:
        """Enqueue one of many kinds."""
        unique = dice.choice(UNIQUE)
        new = self.service.enqueue(
            None,
            OPERATION,
            dice.choice([0, 0, 1]),
            ordering_key=dice.choice(NEW_KEYS),
            unique_key=unique,
            delay_seconds=dice.choice([0, 0, 0, 15]),
            max_attempts=dice.choice([1, 2, 3]),
        )
        if new.created:
            self.ids.append(new.id)
        else:
            performer.event("told_of_another", unique, new.id)


class WorkerRole:
    """A worker: claims, settles, at times too late, and renews its lease or has lost it."""

    def __init__(self, stage: Stage, dice: Random, worker: int) -> None:
        self._stage, self._dice, self._worker = stage, dice, worker
        self._past: list[ClaimedItem] = []

    def __call__(self, actor: Performer) -> None:
        """The program."""
        dice = self._dice
        for _ in range(dice.choice([1, 2, 2])):
            claims = self._claim(actor, dice.choice(["batch"] * 5 + ["suspect", "one", "caller", "undone"]))
            if claims and dice.random() < 0.25:
                self._heartbeat()
            self._settle(actor, claims)
        if self._past and dice.random() < 0.3:
            self._write(actor, [dice.choice(self._past)], dice.choice(["complete", *ENDS]))

    def _claim(self, actor: Performer, how: str) -> list[ClaimedItem]:
        service, limit = self._stage.service, self._dice.choice([1, 1, 2])
        claims: list[ClaimedItem] = []
        match how:
            case "batch":
                claims = claiming.claim(USING, self._worker, [QUEUE], limit)
            case "suspect":
                alone = claiming.claim_suspect(USING, self._worker, [QUEUE])
                claims = [alone] if alone else []
            case "caller":
                claims = service.claim(limit, lease_seconds=LEASE_SECONDS)
            case "one":
                try:
                    claims = [service.mark_in_progress(self._dice.choice(self._stage.ids), lease_seconds=LEASE_SECONDS)]
                except AlreadyClaimed:
                    return []
            case "undone":
                try:
                    with store.atomic(USING):
                        self._past += claiming.claim(USING, self._worker, [QUEUE], limit)
                        raise Undone
                except Undone:
                    return []
        actor.event("told_claims", claims)
        self._past += claims
        return claims

    def _settle(self, actor: Performer, claims: list[ClaimedItem]) -> None:
        while claims:
            count = self._dice.choice([1, len(claims)])
            how = self._dice.choice(["complete"] * 5 + ["complete with effects", "step", "step", "nothing", *ENDS])
            batch, claims = claims[:count], claims[count:] + self._write(actor, claims[:count], how)
            if batch[0].worker_id != self._worker and self._dice.random() < 0.5:
                store.run(USING, "forget_caller", {"worker_id": batch[0].worker_id})

    def _write(self, actor: Performer, batch: Sequence[ClaimedItem], how: str) -> list[ClaimedItem]:
        """Write how these claims end, and say what the answer was. Returns what was claimed at once."""
        done = [(claim, None) for claim in batch]
        claimed: list[ClaimedItem] = []
        told: dict[int, Status] = {}
        match how:
            case "nothing":  # its answer was lost on the wire
                return []
            case "complete":
                told = dict.fromkeys(settling.complete(USING, done), Status.COMPLETED)
            case "complete with effects":
                try:
                    with store.atomic(USING):
                        completed = settling.complete(USING, done)
                        if len(completed) < len(done):
                            raise LeaseLost
                except LeaseLost:
                    return []  # what the statement said of the others of the batch was rolled back
                told = dict.fromkeys(completed, Status.COMPLETED)
            case "step":
                starts = settling.Starts(priorities=(1, 0), hints=(0, 0), fronts=(None, None), tags=(0, 0))
                step = settling.step(USING, self._worker, done, queue=QUEUE, starts=starts, limit=1)
                told, claimed = dict.fromkeys(step.completed, Status.COMPLETED), step.claimed
                actor.event("told_claims", claimed)
                self._past += claimed
            case _:
                told = settling.settle(USING, [(claim, ENDS[how]) for claim in batch])
        for claim in batch:
            actor.event("told", claim, str(told.get(claim.id, "lost")))
        return claimed

    def _heartbeat(self) -> None:
        if not claiming.renew(USING, self._worker, LEASE_SECONDS):
            self._worker = claiming.register(USING, Worker.Kind.WORKER, lease_seconds=LEASE_SECONDS)


def reaper(_stage: Stage, dice: Random) -> Callable[[Performer], None]:
    """Runs the reaper's duty."""
    rounds = dice.choice([1, 2, 2])

    def program(_actor: Performer) -> None:
        for _ in range(rounds):
            reap.run(USING)

    return program


def promoter(_stage: Stage, dice: Random) -> Callable[[Performer], None]:
    """Runs the promoter's duty."""
    rounds = dice.choice([1, 1, 2])

    def program(_actor: Performer) -> None:
        for _ in range(rounds):
            promote.run(USING)

    return program


def person(verbs: Sequence[str]) -> Callable[[Stage, Random], Callable[[Performer], None]]:
    """Cancels, discards, requeues or enqueues, as the dice choose among `verbs`."""

    def role(stage: Stage, dice: Random) -> Callable[[Performer], None]:
        def program(actor: Performer) -> None:
            for _ in range(dice.choice([1, 1, 2])):
                verb = dice.choice(verbs)
                if verb == "enqueue":
                    stage.new_item(actor, dice)
                    continue
                with suppress(IllegalTransition):  # the judge has seen whether it was
                    getattr(stage.service, verb)(dice.choice(stage.ids))

        return program

    return role


canceller = person(["cancel", "cancel", "cancel", "discard", "requeue", "enqueue"])
producer = person(["enqueue", "enqueue", "requeue"])
