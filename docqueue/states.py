"""The states of an item and the one table of legal moves between them.

Everything that needs to know a legal move reads `TRANSITIONS`: the tests of every state × verb, the admin's
actions, the diagram in docs/states.md and the row trigger in the database (`trigger_condition`).
"""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Status(TextChoices):
    """Where an item is."""

    WAITING = "waiting", _("waiting")
    PENDING = "pending", _("pending")
    IN_PROGRESS = "in_progress", _("in progress")
    COMPLETED = "completed", _("completed")
    DEAD = "dead", _("dead")
    CANCELLED = "cancelled", _("cancelled")


class WaitReason(TextChoices):
    """Which rule of admission holds a waiting item."""

    DELAYED = "delayed", _("not due yet: the caller asked for a later start")
    RETRY = "retry", _("backing off after a failure")
    SNOOZED = "snoozed", _("snoozed by its handler")
    NO_HANDLER = "no_handler", _("the worker that took it has no handler for it")
    UNWELL = "unwell", _("the database was unwell while it ran")
    DEPENDENCY = "dependency", _("an item that it comes after has not ended well yet")
    ORDERING = "ordering", _("another item of the same ordering key comes first")
    CONCURRENCY = "concurrency", _("as many items of its concurrency key run as may")
    LIMITED = "limited", _("its rate limit or circuit breaker lets no more start now")
    FAIR_SHARE = "fair_share", _("its tenant has its share of the lane already")


class Move(NamedTuple):
    """One legal move: the verb that makes it and the states on both sides."""

    verb: str
    source: Status
    target: Status


W, P, R, C, D, X = (
    Status.WAITING,
    Status.PENDING,
    Status.IN_PROGRESS,
    Status.COMPLETED,
    Status.DEAD,
    Status.CANCELLED,
)

TRANSITIONS: tuple[Move, ...] = (
    Move("promote", W, P),
    Move("claim", P, R),
    Move("claim_limited", W, R),
    Move("complete", R, C),
    Move("fail", R, W),
    Move("fail", R, D),
    Move("fail", R, X),
    Move("move_to_dead", R, D),
    Move("move_to_dead", R, X),
    Move("snooze", R, W),
    Move("snooze", R, X),
    Move("release", R, P),
    Move("release", R, W),
    Move("release", R, X),
    Move("reap", R, P),
    Move("reap", R, D),
    Move("reap", R, X),
    Move("requeue", D, W),
    Move("requeue", D, P),
    Move("requeue", W, P),
    Move("run_now", W, P),
    Move("change_priority", W, W),
    Move("change_priority", P, P),
    Move("cancel", W, X),
    Move("cancel", P, X),
    Move("cancel", R, R),
    Move("cancel", D, X),
    Move("discard", D, X),
)

LIVE: frozenset[Status] = frozenset({W, P, R, D})
"""States of rows in docqueue_item."""

FINISHED: frozenset[Status] = frozenset({C, X})
"""States of rows in docqueue_history: final, never left."""

RAN: frozenset[Status] = frozenset({R, C, D})
"""States to which a run leads, be it one that does not count as an attempt."""

WAITING_FOR_TIME: tuple[WaitReason, ...] = (
    WaitReason.DELAYED,
    WaitReason.RETRY,
    WaitReason.SNOOZED,
    WaitReason.NO_HANDLER,
    WaitReason.UNWELL,
)
"""Reasons that end by themselves when `next_retry_at` has come."""


def allowed(verb: str, source: Status) -> bool:
    """Whether `verb` may be applied to an item in `source`."""
    return any(move.verb == verb and move.source == source for move in TRANSITIONS)


def attempt(number: int, status: str) -> int:
    """The number of an item's attempt as its handler sees it: from 1, also for a probe, which does not count."""
    return max(1, number) if status in RAN else number


def live_moves() -> list[tuple[Status, Status]]:
    """Legal changes of a live row's status, sorted; staying in a state is always legal."""
    moves = {(m.source, m.target) for m in TRANSITIONS if {m.source, m.target} <= LIVE}
    return sorted((a, b) for a, b in moves if a != b)


def trigger_condition() -> str:
    """The WHEN clause of the trigger that refuses illegal changes: true for a change that must not be.

    A claim, of which there are most, is the first that it compares with.
    """
    moves = sorted(live_moves(), key=lambda move: move != (P, R))
    legal = ", ".join(f"('{a.value}', '{b.value}')" for a, b in moves)
    return f"OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN ({legal})"
