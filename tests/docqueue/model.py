"""The queue as a few Python dictionaries: what the service must do, said a second time and without a database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

MAX_CRASHES = 3
RETRY_SECONDS = 20
SLOTS = 2  # of a concurrency key
RATE, BURST = 0.125, 2  # of the limit; the rate is exact in binary, and so are its tokens after whole seconds


@dataclass
class Item:
    """One item as the model sees it. `position` is read from the database: only its order matters."""

    id: int
    key: str | None
    unique: str | None
    priority: int
    max_attempts: int
    slots: str | None = None
    limited: bool = False
    status: str = "pending"
    reason: str | None = None
    next_at: datetime | None = None
    holds: bool = False
    slot: bool = False
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
            "has_slot": self.slot,
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
    tokens: float = BURST
    filled_at: datetime | None = None
    paused: bool = False

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

    def claimable(self, limit: int, now: datetime) -> list[int]:
        """What a worker's claim must take, which is charged to the limit."""
        if self.paused:
            return []
        found = self._front(limit)
        waiting = sorted((i for i in self.live.values() if i.reason == "limited"), key=lambda i: (-i.priority, i.id))
        if waiting and self.filled_at is not None:
            tokens = min(BURST, self.tokens + RATE * (now - self.filled_at).total_seconds())
            if allowed := waiting[: min(int(tokens), limit - len(found))]:
                self.tokens, self.filled_at = tokens - len(allowed), now
                found += [i.id for i in allowed]
        return found

    def _front(self, limit: int) -> list[int]:
        """What of it stands in the lane."""
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
        self.live[item.id] = item
        if item.unique is not None:
            self.unique[item.unique] = item.id
        if due_at is not None:
            item.status, item.reason, item.next_at = "waiting", "delayed", due_at
        else:
            self.admit(item)

    def admit(self, item: Item) -> None:
        """Lead an item whose time has come through the gates, as far as they are open."""
        item.status, item.returned = "waiting", False
        if item.key is not None and not item.holds:
            item.reason = "ordering"
            self.next_turn(item.key)
        elif item.slots is not None and not item.slot:
            item.reason = "concurrency"
            self.next_slots(item.slots)
        elif item.limited:
            item.reason = "limited"
        else:
            item.status, item.reason, item.returned = "pending", None, item.suspect

    def claim(self, item_id: int, worker: int) -> Item:
        """A worker takes a pending item."""
        item = self.live[item_id]
        assert item.status == "pending" or item.reason == "limited"
        if item.reason == "limited":
            item.suspect = False  # it does not run alone
        item.status, item.reason, item.worker, item.returned = "in_progress", None, worker, False
        item.attempt += 1
        item.claim_no += 1
        return item

    def finish(self, item: Item, status: str) -> None:
        """An item leaves for the history; its keys are free and the next one's turn comes."""
        del self.live[item.id]
        self.finished[item.id] = status
        self._free_unique(item)
        self.next_turn(item.key)
        self.next_slots(item.slots)

    def die(self, item: Item) -> None:
        """An item is set aside, and lets the others of its key pass."""
        item.status, item.reason, item.next_at, item.holds, item.slot = "dead", None, None, False, False
        self._free_unique(item)
        self.next_turn(item.key)
        self.next_slots(item.slots)

    def wait(self, item: Item, reason: str, until: datetime) -> None:
        """An item waits for its time, holding its key if it held it, without its slot."""
        item.status, item.reason, item.next_at, item.slot = "waiting", reason, until, False
        self.next_slots(item.slots)

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
            line[0].holds = True
            self.admit(line[0])

    def next_slots(self, key: str | None) -> None:
        """As far as slots are free, those that are next take one."""
        while key is not None:
            mine = [i for i in self.live.values() if i.slots == key]
            waiting = sorted((i for i in mine if i.reason == "concurrency"), key=lambda i: (-i.priority, i.id))
            if not waiting or sum(i.slot for i in mine) >= SLOTS:
                return
            waiting[0].slot = True
            self.admit(waiting[0])

    def promote(self, now: datetime) -> None:
        """Every rule of admission."""
        due = [i for i in self.live.values() if i.next_at is not None and i.next_at <= now]
        for item in due:
            item.next_at, item.reason = None, "due"
        for item in due:  # all stand at their gate before the first goes through
            if item.key is not None and not item.holds:
                item.reason = "ordering"
            elif item.slots is not None and not item.slot:
                item.reason = "concurrency"
        for item in due:
            if item.reason == "due":
                self.admit(item)
        lines = [self.line(key) for key in {i.key for i in self.live.values()} if key and self.holder(key) is None]
        for head in [line[0] for line in lines if line]:  # those of all keys take their turn before a slot is given
            head.holds = True
            if head.slots is not None and not head.slot:
                head.reason = "concurrency"
            else:
                self.admit(head)
        for slots in sorted({i.slots for i in self.live.values() if i.slots is not None}):
            self.next_slots(slots)

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
        else:
            self.admit(item)

    def _free_unique(self, item: Item) -> None:
        if item.unique is not None and self.unique.get(item.unique) == item.id:
            del self.unique[item.unique]
