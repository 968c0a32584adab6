"""What a process may be doing when it dies: every verb of the queue, with what has to be there before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from docqueue import claiming, doctor, enqueuing, outcomes, settling, store, waking
from docqueue.admission import due
from docqueue.context import Context
from docqueue.maintenance import partitions, promote, prune, reap
from docqueue.models import AuditEntry, Worker
from docqueue.service import ClaimedItem, DocumentQueueService, NewItem
from docqueue.steps import Steps
from tests.docqueue.crash_points.stages import (
    NEXT_YEAR,
    Silent,
    a_new_week,
    an_old_partition,
    as_caller,
    claimed,
    dead,
    fence,
    holders_gone,
    leftovers,
    line,
    lost,
    lost_alone,
    nothing,
    some,
    suspects,
    waiting,
)
from tests.docqueue.helpers import OPERATION, T0, later, worker

Act = Callable[[DocumentQueueService, Any], None]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """`prepare` makes what has to be there and returns what `act` is given; `act` is done by the doomed process.

    `commits`: the statements with which something comes to be, one after the other; all else is all or nothing.
    """

    commits: list[str]
    prepare: Callable[[DocumentQueueService], Any]
    act: Act


SCENES: dict[str, Scene] = {}


def scene(prepare: Callable[[DocumentQueueService], Any], commits: str) -> Callable[[Act], Act]:
    """Register a function as a scene under its name."""

    def register(act: Act) -> Act:
        SCENES[act.__name__] = Scene(prepare=prepare, act=act, commits=commits.split())
        return act

    return register


# -- enqueue -----------------------------------------------------------------------------------------------------


@scene(nothing, "enqueue")
def enqueue(service: DocumentQueueService, given: None) -> None:
    service.enqueue(None, OPERATION, now=T0)


@scene(nothing, "enqueue_later")
def enqueue_later(service: DocumentQueueService, given: None) -> None:
    service.enqueue(None, OPERATION, delay_seconds=60, now=T0)


@scene(line, "enqueue_ordered enqueue_ordered")
def enqueue_in_order(service: DocumentQueueService, given: list[int]) -> None:
    service.enqueue("d", OPERATION, now=T0)
    service.enqueue("e", OPERATION, now=T0)


@scene(line, "enqueue_in_line")
def enqueue_while_another_does(service: DocumentQueueService, given: list[int]) -> None:
    """As when somebody else's enqueue of the same key is not committed yet."""
    enqueuing._insert_row = lambda using, params: None
    service.enqueue("d", OPERATION, now=T0)


@scene(nothing, "commit")
def enqueue_under_a_key(service: DocumentQueueService, given: None) -> None:
    service.enqueue(None, OPERATION, unique_key="u", now=T0)


@scene(line, "")
def enqueue_under_a_taken_key(service: DocumentQueueService, given: list[int]) -> None:
    service.enqueue(None, OPERATION, unique_key="u1", now=T0)


@scene(line, "commit")
def enqueue_with_another_payload(service: DocumentQueueService, given: list[int]) -> None:
    service.enqueue(
        None, OPERATION, payload={"n": 2}, unique_key="u1", on_conflict="replace", idempotency_key="i", now=T0
    )


@scene(holders_gone, "free_keys commit")
def enqueue_under_an_orphaned_key(service: DocumentQueueService, given: None) -> None:
    service.enqueue(None, OPERATION, unique_key="u", now=T0)


@scene(nothing, "commit")
def enqueue_with_own_writes(service: DocumentQueueService, given: None) -> None:
    with store.atomic("default"):
        AuditEntry.objects.create(action="own", item_id=None, at=T0)
        service.enqueue("d", OPERATION, now=T0)
        service.enqueue(None, OPERATION, unique_key="u", now=T0)


@scene(line, "commit")
def enqueue_many(service: DocumentQueueService, given: list[int]) -> None:
    keys = (None, "u1", "new", "new", "other")
    service.enqueue_many([NewItem(document_id="d", operation=OPERATION, unique_key=key) for key in keys], now=T0)


@scene(holders_gone, "free_keys commit")
def enqueue_many_under_an_orphaned_key(service: DocumentQueueService, given: None) -> None:
    service.enqueue_many([NewItem(operation=OPERATION, unique_key="u")], now=T0)


# -- claim -------------------------------------------------------------------------------------------------------


@scene(some, "claim")
def claim(service: DocumentQueueService, given: int) -> None:
    service.claim(3, worker=given, now=T0)


@scene(some, "commit commit")
def claim_as_caller(service: DocumentQueueService, given: int) -> None:
    service.claim(3, now=T0)
    service.claim(3, queues=["default"], now=T0)


@scene(suspects, "claim_suspect")
def claim_suspect(service: DocumentQueueService, given: int) -> None:
    claiming.look("default", given, [("default", 0)], [0])
    claiming.claim_suspect("default", given, ["default"], later(60))


@scene(line, "commit")
def claim_one(service: DocumentQueueService, given: list[int]) -> None:
    service.mark_in_progress(given[0], now=T0)


@scene(lambda service: (claimed(service), some(service)), "step promote_keys")
def claim_and_complete(service: DocumentQueueService, given: tuple[list[ClaimedItem], int]) -> None:
    """A worker's step: both in one statement, and then the next of the key."""
    claims, me = given
    starts = settling.Starts(priorities=[0], hints=[0], fronts=["docqueue_front_1"], tags=[7])
    settling.step("default", me, [(c, None) for c in claims], queue="default", starts=starts, limit=3)


@scene(lambda service: worker(T0), "register_worker stop_worker")
def work_begins_and_stops(service: DocumentQueueService, given: int) -> None:
    claiming.register("default", Worker.Kind.WORKER, lease_seconds=30, now=T0)
    claiming.stop("default", given, T0)


# -- while it runs -----------------------------------------------------------------------------------------------


@scene(lambda service: worker(T0), "heartbeat")
def heartbeat(service: DocumentQueueService, given: int) -> None:
    claiming.renew("default", given, 30, now=later(10))


@scene(as_caller, "heartbeat_item")
def heartbeat_of_a_caller(service: DocumentQueueService, given: ClaimedItem) -> None:
    service.heartbeat(given, 30, now=later(10))


@scene(claimed, "progress progress")
def progress(service: DocumentQueueService, given: list[ClaimedItem]) -> None:
    for item in given:
        store.run("default", "progress", {**fence(item), "percent": 50, "stage": "half", "message": ""})
    claiming.cancel_asked("default", given[0].worker_id)


@scene(claimed, "checkpoint commit")
def step(service: DocumentQueueService, given: list[ClaimedItem]) -> None:
    item = given[0]
    steps = Steps(item, "default")
    steps.stored("one")
    steps.run("one", lambda: 1, atomic=False)
    steps.run("two", lambda: AuditEntry.objects.create(action="own", item_id=item.id, at=T0).pk and 2, atomic=True)


# -- how it ends -------------------------------------------------------------------------------------------------


@scene(as_caller, "complete promote_keys forget_caller")
def complete(service: DocumentQueueService, given: ClaimedItem) -> None:
    service.mark_completed(given, result={"n": 1}, now=T0)


@scene(claimed, "commit promote_keys commit")
def complete_with_own_writes(service: DocumentQueueService, given: list[ClaimedItem]) -> None:
    for item in given:
        with Context(item, "default", Silent()).complete(result=1):
            AuditEntry.objects.create(action="own", item_id=item.id, at=T0)


@scene(a_new_week, "commit commit complete promote_keys forget_caller")
def complete_in_a_new_week(service: DocumentQueueService, given: ClaimedItem) -> None:
    service.mark_completed(given, now=T0 + NEXT_YEAR)


@scene(as_caller, "settle forget_caller")
def retry(service: DocumentQueueService, given: ClaimedItem) -> None:
    service.mark_failed(given, "no", now=T0)


@scene(as_caller, "settle promote_keys forget_caller")
def fail(service: DocumentQueueService, given: ClaimedItem) -> None:
    service.mark_failed(given, "no", retryable=False, now=T0)


@scene(as_caller, "settle forget_caller")
def snooze(service: DocumentQueueService, given: ClaimedItem) -> None:
    service.snooze(given, 60, now=T0)


@scene(as_caller, "settle forget_caller")
def release(service: DocumentQueueService, given: ClaimedItem) -> None:
    service.release(given, now=T0)


@scene(claimed, "settle")
def crash_and_cancelled(service: DocumentQueueService, given: list[ClaimedItem]) -> None:
    """Two exits in one statement."""
    crashed = outcomes.Crashed(code="killed", message="")
    settling.settle("default", [(given[0], crashed), (given[1], outcomes.Released())], T0)


@scene(claimed, "settle")
def release_unknown(service: DocumentQueueService, given: list[ClaimedItem]) -> None:
    settling.release_unknown("default", given[0].worker_id, {(given[0].id, given[0].claim_token)})


# -- people ------------------------------------------------------------------------------------------------------


@scene(line, "commit promote_keys")
def cancel(service: DocumentQueueService, given: list[int]) -> None:
    service.cancel(given[0], by="me", reason="why", now=T0)


@scene(claimed, "commit")
def cancel_what_runs(service: DocumentQueueService, given: list[ClaimedItem]) -> None:
    service.cancel(given[0].id, by="me", now=T0)


@scene(dead, "commit")
def discard(service: DocumentQueueService, given: int) -> None:
    service.discard(given, by="me", now=T0)


@scene(dead, "commit")
def requeue(service: DocumentQueueService, given: int) -> None:
    service.requeue(given, clear_steps=True, by="me", now=T0)


# -- duties ------------------------------------------------------------------------------------------------------


@scene(lost, "mark_lost reap promote_keys")
def reap_the_lost(service: DocumentQueueService, given: None) -> None:
    reap.run("default", later(60))


@scene(lost_alone, "mark_lost reap promote_keys")
def reap_a_poison(service: DocumentQueueService, given: None) -> None:
    reap.run("default", later(60))


@scene(waiting, "promote_due promote_keys")
def promote_all(service: DocumentQueueService, given: None) -> None:
    promote.run("default", later(3600))


@scene(waiting, "promote_due promote_keys")
def promote_just_due(service: DocumentQueueService, given: None) -> None:
    due.promote_just_due("default", later(10), seconds=3600)


@scene(leftovers, "unsweep prune_workers prune_attempts prune_progress prune_checkpoints prune_keys")
def prune_leftovers(service: DocumentQueueService, given: None) -> None:
    prune.run("default", T0)


@scene(an_old_partition, "commit commit commit commit commit commit commit commit commit commit")
def drop_old_partitions(service: DocumentQueueService, given: None) -> None:
    partitions.run("default", T0 + 2 * NEXT_YEAR)


# -- who only looks ----------------------------------------------------------------------------------------------


@scene(claimed, "")
def look(service: DocumentQueueService, given: list[ClaimedItem]) -> None:
    service.get_queue_stats()
    service.get_status(given[0].id)
    service.explain(given[0])
    doctor.examine("default")
    store.clock("default")
    store.direct("default")
    store.state("default")
    waking.notify("default", ["default"])
