"""What has been committed so far: items, leases, keys, claims. Said a second time, without a database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from docqueue.items import ClaimedItem

DUE = ("delayed", "retry", "snoozed")
Rule = Generator[None, None, None]


class Violation(BaseException):
    """A promise was broken. No Exception: hooks that run after a commit report those and forget them."""


def must(holds: bool, promise: str) -> None:
    """Raise `Violation` unless it holds."""
    if not holds:
        raise Violation(promise)


@dataclass
class Item:
    """One item as the statements so far have left it."""

    id: int
    key: str | None
    unique: str | None
    max_attempts: int
    status: str
    reason: str | None
    next_at: datetime | None = None
    holds: bool = False
    returned: bool = False
    suspect: bool = False
    cancel: bool = False
    attempt: int = 0
    crashes: int = 0
    claim_no: int = 0
    claims_before: int = 0  # the schedule
    token: int | None = None
    worker: int | None = None

    def __str__(self) -> str:
        said = {"key": self.key, "unique": self.unique, "claims": self.claim_no, "crashes": self.crashes}
        flags = [name for name in ("holds", "returned", "suspect", "cancel") if getattr(self, name)]
        words = [self.status, self.reason or "", *(f"{name} {value}" for name, value in said.items() if value), *flags]
        return ", ".join(word for word in words if word)

    @property
    def live(self) -> bool:
        return self.status not in ("completed", "cancelled")

    @property
    def in_line(self) -> bool:
        return self.status == "waiting" and self.reason == "ordering"

    def row(self) -> dict[str, Any]:
        """What its row must say while it is live."""
        return {
            "status": self.status,
            "wait_reason": self.reason,
            "next_retry_at": self.next_at,
            "holds_key": self.holds,
            "returned": self.returned,
            "suspect": self.suspect,
            "cancelled": self.cancel,
            "attempt": self.attempt,
            "crashes": self.crashes,
            "claim_no": self.claim_no,
            "claim_token": self.token,
            "worker_id": self.worker,
        }


class Ledger:
    """All that was committed in one schedule, and what must hold whatever the statement."""

    def __init__(self) -> None:
        self.items: dict[int, Item] = {}
        self.unique: dict[str, int] = {}
        self.leases: dict[int, datetime] = {}
        self.lost: set[int] = set()
        self.attempts: list[tuple[int, int, str]] = []
        self.claims: dict[tuple[int, int], tuple[int, int]] = {}
        self.tokens: set[int] = set()
        self.answers: dict[tuple[int, int], str] = {}
        self.undone: set[int] = set()
        self.reaped: set[tuple[int, int | None]] = set()
        self.open: dict[str, list[tuple[str, Rule]]] = defaultdict(list)
        self.facts: Counter[str] = Counter()
        self.blocked: set[str] = set()
        self._actor = ""

    # -- what is always true -------------------------------------------------------------------------------------

    def alone(self, actor: str) -> bool:
        """Whether no other actor is in the midst of anything, so that nothing can be locked."""
        return not self.blocked and not any(self.open[other] for other in self.open if other != actor)

    def _holders(self, key: str | None) -> list[Item]:
        return [i for i in self.items.values() if key is not None and i.key == key and i.holds]

    def _line(self, key: str | None) -> list[Item]:
        return [i for i in self.items.values() if key is not None and i.key == key and i.in_line]

    def _is_current(self, item_id: int, token: int) -> bool:
        item = self.items[item_id]
        return item.status == "in_progress" and item.token == token

    def _fence(self, item_id: int, token: int, answer: str | None) -> None:
        """A write by a claim was accepted (`answer` is the item's new status) or refused (None)."""
        current = self._is_current(item_id, token)
        must(answer is None or current, f"a stale claim of item {item_id} was accepted: {answer}")
        must(answer is not None or not current, f"the newest claim of item {item_id} was refused")
        self.answers[item_id, token] = answer or "lost"
        if answer is None:
            self.facts["late write refused"] += 1
            self.facts["write by a claim that rolled back refused"] += token in self.undone
            self.facts["write refused after a reap"] += (item_id, token) in self.reaped
            self.facts["write refused while another has the item"] += self.items[item_id].status == "in_progress"

    def _take(self, row: tuple[Any, ...]) -> None:
        """A claim takes effect."""
        claim = ClaimedItem._make(row)
        item = self.items[claim.id]
        must(item.status == "pending", f"item {item.id} was claimed while {item.status} ({item.claim_no} before)")
        must((item.id, claim.claim_no) not in self.claims, f"claim {claim.claim_no} of item {item.id} was made twice")
        others = [i.id for i in self.items.values() if i.status == "in_progress" and i.key == item.key]
        must(item.key is None or not others, f"items {others} and {item.id} of key {item.key} run at once")
        must(item.key is None or item.holds, f"item {item.id} runs without holding its key")
        item.status, item.token, item.worker, item.returned = "in_progress", claim.claim_token, claim.worker_id, False
        item.attempt += 1
        item.claim_no += 1
        self.claims[item.id, item.claim_no] = (claim.claim_token, claim.worker_id)
        told = (claim.claim_no, claim.attempt, claim.crashes, claim.suspect)
        wanted = (item.claim_no, item.attempt, item.crashes, item.suspect)
        must(told == wanted, f"claim of item {item.id} says {told}, not {wanted}")
        if claim.worker_id in self.lost:
            self.facts["worker marked lost beside its claim"] += 1

    def _end(self, item: Item, status: str) -> None:
        """An item leaves for the history, or is set aside."""
        must(item.live, f"item {item.id} ended {item.status} and now {status}")
        item.status, item.reason, item.holds = status, None, False
        if item.unique is not None and self.unique.get(item.unique) == item.id:
            del self.unique[item.unique]

    def _leave(self, item_id: int, token: int) -> Item:
        """A claim ends by its holder's own write."""
        must(self._is_current(item_id, token), f"item {item_id} left a claim that is not the newest")
        item = self.items[item_id]
        item.worker = item.token = None
        return item
