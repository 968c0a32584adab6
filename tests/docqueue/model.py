"""The queue as a few Python dictionaries: what the service must do, said a second time and without a database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

MAX_CRASHES = 3
RETRY_SECONDS = 20


@dataclass
class Item:
    """One item as the model sees it. `position` is read from the database: only its order matters."""

    id: int
    key: str | None
    unique: str | None
    priority: int
    max_attempts: int
    status: str = "pending"
    reason: str | None = None
    next_at: datetime | None = None
    holds: bool = False
    returned: bool = False
    suspect: bool = False
    cancel: bool = False
    attempt: int = 0
    crashes: int = 0
    claim_no: int = 0
    worker: int | None = None
    position: int | None = None

    def shown(self) -> dict[str, object]:
        """What must equal the database's row."""
        return {
            "status": self.status,
            "wait_reason": self.reason,
            "next_retry_at": self.next_at,
            "holds_key": self.holds,
            "returned": self.returned,
            "suspect": self.suspect,
            "attempt": self.attempt,
            "max_attempts": self.max_attempts,
            "crashes": self.crashes,
            "claim_no": self.claim_no,
            "worker_id": self.worker,
            "cancelled": self.cancel,
        }


@dataclass
class Model:
    """All live items, what became of the others, unique keys and leases."""

    live: dict[int, Item] = field(default_factory=dict)
    finished: dict[int, str] = field(default_factory=dict)
    unique: dict[str, int] = field(default_factory=dict)
    leases: dict[int, datetime] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)

    # -- looking -------------------------------------------------------------------------------------------------

    def holder(self, key: str) -> Item | None:
        """Who holds an ordering key."""
        found = [i for i in self.live.values() if i.key == key and i.holds]
        assert len(found) <= 1, f"{key} is held twice"
        return found[0] if found else None

    def line(self, key: str) -> list[Item]:
        """Who stands in line for it, in order."""
        found = [i for i in self.live.values() if i.key == key and i.reason == "ordering"]
        return sorted(found, key=lambda i: i.id)

    def claimable(self, limit: int) -> list[int]:
        """What a worker's claim must take."""
        pending = sorted(
            (i for i in self.live.values() if i.status == "pending"), key=lambda i: (-i.priority, i.position)
        )
        front = [i.id for i in pending if i.returned and not i.suspect][:limit]
        return front + [i.id for i in pending if not i.returned][: limit - len(front)]

    def suspects(self) -> list[int]:
        """Suspects, in the order in which they must be taken."""
        found = [i for i in self.live.values() if i.status == "pending" and i.suspect]
        return [i.id for i in sorted(found, key=lambda i: (-i.priority, i.position))]

    # -- moves ---------------------------------------------------------------------------------------------------

    def enqueue(self, item: Item, due_at: datetime | None) -> None:
        """A new item."""
        if due_at is not None:
            item.status, item.reason, item.next_at = "waiting", "delayed", due_at
        elif item.key is not None:
            if self.holder(item.key) or self.line(item.key):
                item.status, item.reason = "waiting", "ordering"
            else:
                item.holds = True
        if item.unique is not None:
            self.unique[item.unique] = item.id
        self.live[item.id] = item

    def claim(self, item_id: int, worker: int) -> Item:
        """A worker takes a pending item."""
        item = self.live[item_id]
        assert item.status == "pending"
        item.status, item.worker, item.returned = "in_progress", worker, False
        item.attempt += 1
        item.claim_no += 1
        return item

    def finish(self, item: Item, status: str) -> None:
        """An item leaves for the history; its keys are free and the next one's turn comes."""
        del self.live[item.id]
        self.finished[item.id] = status
        self._free_unique(item)
        self.next_turn(item.key)

    def die(self, item: Item) -> None:
        """An item is set aside, and lets the others of its key pass."""
        item.status, item.reason, item.next_at, item.holds = "dead", None, None, False
        self._free_unique(item)
        self.next_turn(item.key)

    def wait(self, item: Item, reason: str, until: datetime) -> None:
        """An item waits for its time, holding its key if it held it."""
        item.status, item.reason, item.next_at = "waiting", reason, until

    def settle(self, item: Item) -> bool:
        """A claim ends. True: the cancel that was asked for decides how."""
        if item.cancel:
            self.finish(item, "cancelled")
            return True
        item.worker = None
        item.returned = False
        return False

    def next_turn(self, key: str | None) -> None:
        """If the key is free, the first in line takes it."""
        if key is not None and self.holder(key) is None and (line := self.line(key)):
            head = line[0]
            head.status, head.reason, head.holds, head.returned = "pending", None, True, head.suspect

    def promote(self, now: datetime) -> None:
        """Every rule of admission."""
        due = [i for i in self.live.values() if i.next_at is not None and i.next_at <= now]
        for item in sorted(due, key=lambda i: (i.next_at, i.id)):
            item.next_at = None
            if item.key is None or item.holds:
                item.status, item.reason, item.returned = "pending", None, item.suspect
            else:
                item.reason, item.returned = "ordering", False
        for key in sorted({i.key for i in self.live.values() if i.key is not None}):
            self.next_turn(key)

    def reap(self, now: datetime) -> None:
        """Leases that ran out."""
        self.lost |= {worker for worker, expires in self.leases.items() if expires < now}
        for item in sorted(self.live.values(), key=lambda i: i.id):
            if item.status != "in_progress" or item.worker not in self.lost:
                continue
            if item.cancel:
                self.finish(item, "cancelled")
                continue
            item.crashes += item.suspect
            fatal = item.suspect and item.crashes >= MAX_CRASHES
            item.attempt -= 1
            item.status, item.worker, item.returned, item.suspect = "pending", None, True, True
            if fatal:
                self.die(item)

    def requeue(self, item: Item, now: datetime, delay: int, reset: bool) -> None:
        """A person puts a dead item back, or lets a waiting one run now."""
        if item.status == "dead" and reset:
            item.attempt = item.crashes = 0
        elif item.status == "dead":
            item.max_attempts = max(item.max_attempts, item.attempt + 1)
        item.next_at, item.returned, item.cancel = None, False, False
        if delay:
            self.wait(item, "delayed", now + timedelta(seconds=delay))
        elif item.key is not None and not item.holds:
            item.status, item.reason = "waiting", "ordering"
            self.next_turn(item.key)
        else:
            item.status, item.reason, item.returned = "pending", None, item.suspect

    def _free_unique(self, item: Item) -> None:
        if item.unique is not None and self.unique.get(item.unique) == item.id:
            del self.unique[item.unique]
