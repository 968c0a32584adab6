"""The verbs of items with rules of admission."""

from __future__ import annotations

from docqueue.admission import limits
from docqueue.conf import overridden
from docqueue.maintenance import promote, prune
from docqueue.rules import Rules
from docqueue.service import ClaimedItem, DocumentQueueService, NewItem
from tests.docqueue.crash_points.scenes import scene
from tests.docqueue.crash_points.stages import line, nothing
from tests.docqueue.helpers import OPERATION, T0, later, worker

LIMITS = {"km": {"rate": 1, "burst": 5, "failures": 1, "open_seconds": 60}}


def slots(service: DocumentQueueService) -> ClaimedItem:
    """Three items of a concurrency key with one slot, the first of which runs."""
    for _ in range(3):
        service.enqueue(None, OPERATION, concurrency_key="k", concurrency_limit=1, now=T0)
    [claim] = service.claim(1, worker=worker(T0), now=T0)
    return claim


def limited(service: DocumentQueueService) -> int:
    """Three items behind a limit. Returns a worker."""
    with overridden(LIMITS=LIMITS):
        for n in range(3):
            service.enqueue(None, OPERATION, limit_key="km", unique_key=f"u{n}", unique_for="claimed", now=T0)
    return worker(T0)


def limited_and_claimed(service: DocumentQueueService) -> list[ClaimedItem]:
    """The same, and two of them run."""
    return service.claim(2, worker=limited(service), now=T0)


def unused_limit(service: DocumentQueueService) -> None:
    """A limit that nobody has used since two days ago."""
    with overridden(LIMITS=LIMITS):
        limits.ensure("default", ["km"], later(days=-2))


def shares(service: DocumentQueueService) -> None:
    """A tenant with more items than it may have in its lane."""
    with overridden(FAIR_SHARE=1):
        service.enqueue_many([NewItem(operation=OPERATION, rules=Rules(tenant="a")) for _ in range(3)], now=T0)
    service.claim(1, worker=worker(T0), now=T0)


@scene(nothing, "enqueue_gated promote_slots")
def enqueue_for_a_slot(service: DocumentQueueService, given: None) -> None:
    service.enqueue(None, OPERATION, concurrency_key="k", now=T0)


@scene(nothing, "enqueue_gated ensure_limits")
def enqueue_behind_a_limit(service: DocumentQueueService, given: None) -> None:
    with overridden(LIMITS=LIMITS):
        service.enqueue(None, OPERATION, limit_key="km", now=T0)


@scene(nothing, "enqueue_gated commit")
def enqueue_for_a_share(service: DocumentQueueService, given: None) -> None:
    with overridden(FAIR_SHARE=1):
        service.enqueue(None, OPERATION, tenant="a", now=T0)


@scene(line, "commit")
def enqueue_after_others(service: DocumentQueueService, given: list[int]) -> None:
    service.enqueue(None, OPERATION, after=given[:2], now=T0)


@scene(unused_limit, "prune_limits")
def forget_a_limit(service: DocumentQueueService, given: None) -> None:
    prune.run("default", T0)


@scene(slots, "complete promote_slots")
def give_a_slot_back(service: DocumentQueueService, given: ClaimedItem) -> None:
    service.mark_completed(given, now=T0)


@scene(slots, "settle promote_slots")
def back_off_without_a_slot(service: DocumentQueueService, given: ClaimedItem) -> None:
    service.mark_failed(given, "no", retry_after=5, now=T0)


@scene(limited, "claim_limited")
def claim_behind_a_limit(service: DocumentQueueService, given: int) -> None:
    service.claim(2, worker=given, now=T0)


@scene(limited_and_claimed, "settle note_verdicts")
def open_a_breaker(service: DocumentQueueService, given: list[ClaimedItem]) -> None:
    service.mark_failed(given[0], "down", retry_after=5, now=T0)


@scene(limited_and_claimed, "settle")
def hand_back_behind_a_limit(service: DocumentQueueService, given: list[ClaimedItem]) -> None:
    service.release(given[1], now=T0)


@scene(slots, "")
def promote_where_no_slot_is_free(service: DocumentQueueService, given: ClaimedItem) -> None:
    promote.run("default", later(1))


@scene(limited, "ensure_limits")
def promote_limits(service: DocumentQueueService, given: int) -> None:
    with overridden(LIMITS={"km": {"rate": 9}}):
        promote.run("default", T0)


@scene(shares, "commit")
def promote_shares(service: DocumentQueueService, given: None) -> None:
    with overridden(FAIR_SHARE=1):
        promote.run("default", T0)
