"""Taking items: worker rows with their lease, claims in batches, suspects one at a time."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from docqueue import store
from docqueue.admission import limits
from docqueue.conf import get_settings
from docqueue.items import ClaimedItem, in_claim_order


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A queue that has pending items: plain ones, suspects, or both. Paused queues are not listed."""

    queue: str
    plain: bool
    suspect: bool


def lanes(using: str, serve: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[Lane]:
    """The lanes with something to claim, of the queues in `serve` (empty: all) but those in `exclude`."""
    found = (Lane(queue=q, plain=p, suspect=s) for q, p, s in store.run(using, "lane_queues", {}))
    return [lane for lane in found if (not serve or lane.queue in serve) and lane.queue not in exclude]


@dataclass(kw_only=True)
class Sight:
    """What look.sql saw. `first`: by lane (queue, priority) the first position behind the floor asked for.

    `suspects`: by queue, how many wait there, and `ahead` of us how many workers live that serve it. `workers` that
    live are counted to two; `limited`: items wait for a limit; `dependencies`: some come after others; `drawn` is the
    newest position; `oldest` and `next` are the oldest running transaction and the one to come. `asked`: what a person
    asks of us.
    """

    first: dict[tuple[str, int], int] = field(default_factory=dict)
    new: list[tuple[str, int]] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    suspects: dict[str, int] = field(default_factory=dict)
    ahead: dict[str, int] = field(default_factory=dict)
    paused: list[str] = field(default_factory=list)
    asked: str = ""
    workers: int = 0
    limited: int = 0
    dependencies: int = 0
    drawn: int = 0
    oldest: int = 0
    next: int = 0


def look(using: str, worker: int, known: Sequence[tuple[str, int]], floors: Sequence[int]) -> Sight:
    """Look at the `known` lanes (queue, priority) behind their floors, and for lanes that are not known."""
    params = {
        "worker_id": worker,
        "queues": [q for q, _ in known],
        "priorities": [p for _, p in known],
        "floors": list(floors),
    }
    seen = Sight()
    for kind, queue, priority, number in store.run(using, "look", params):
        match kind:
            case "lane":
                seen.first[queue, priority] = number
            case "new":
                seen.new.append((queue, priority))
            case "returned":
                seen.returned.append(queue)
            case "suspect":
                seen.suspects[queue] = number
            case "ahead":
                seen.ahead[queue] = number
            case "paused":
                seen.paused.append(queue)
            case "asked":
                seen.asked = queue
            case _:  # workers, limited, dependencies, drawn, oldest, next
                setattr(seen, kind, number)
    return seen


def register(
    using: str,
    kind: str,
    *,
    lease_seconds: float,
    name: str = "",
    queues: Sequence[str] = (),
    excluded: Sequence[str] = (),
    processes: int = 0,
    info: str = "{}",
    now: datetime | None = None,
) -> int:
    """A new worker row with a lease of its own. Returns its id."""
    host = socket.gethostname()
    params = {
        "name": name or f"{host}:{os.getpid()}",
        "kind": kind,
        "hostname": host,
        "pid": os.getpid(),
        "queues": list(queues),
        "excluded": list(excluded),
        "processes": processes,
        "lease_seconds": lease_seconds,
        "info": info,
        "now": now,
    }
    return int(store.run(using, "register_worker", params)[0][0])


def claim(using: str, worker: int, queues: Sequence[str], limit: int, now: datetime | None = None) -> list[ClaimedItem]:
    """Claim up to `limit` items from the fronts of these queues' lanes, in the order given. Never blocks."""
    items: list[ClaimedItem] = []
    token = store.new_token()
    for queue in queues:
        if len(items) >= limit:
            break
        params = {"worker_id": worker, "token": token, "limit": limit - len(items), "queue": queue, "now": now}
        items += in_claim_order(store.run(using, "claim", params))
    return items


def claim_fronts(
    using: str, worker: int, serve: Sequence[str], limit: int, now: datetime | None = None
) -> list[ClaimedItem]:
    """Claim up to `limit` plain items of these queues (empty: all), then of those that wait for a limit."""
    items = claim(using, worker, [lane.queue for lane in lanes(using, serve) if lane.plain], limit, now)
    if len(items) < limit and (limited := [q for q in limits.queues(using) if not serve or q in serve]):
        items += limits.claim(using, worker, limited, limit - len(items), now)[0]
    return items


def claim_suspect(using: str, worker: int, queues: Sequence[str], now: datetime | None = None) -> ClaimedItem | None:
    """Claim one suspect, an item that may have killed its worker; it must run alone."""
    params = {"worker_id": worker, "token": store.new_token(), "queues": list(queues), "now": now}
    found = in_claim_order(store.run(using, "claim_suspect", params))
    return found[0] if found else None


def register_caller(using: str, lease_seconds: float | None, now: datetime | None = None) -> int:
    """A lease row for a caller outside a worker, for `lease_seconds` (default CALLER_LEASE_SECONDS)."""
    from docqueue.models import Worker  # late: a spawned executor reads this module before it sets up Django

    lease = get_settings().CALLER_LEASE_SECONDS if lease_seconds is None else lease_seconds
    return register(using, Worker.Kind.CALLER, lease_seconds=lease, now=now)


def claim_as_caller(
    using: str, serve: Sequence[str], limit: int, lease_seconds: float | None = None, now: datetime | None = None
) -> list[ClaimedItem]:
    """Claim outside a worker, under a lease row of its own: one suspect alone, else up to `limit` plain items."""
    found = lanes(using, serve)
    limited = [queue for queue in limits.queues(using) if not serve or queue in serve]
    if not (found or limited) or limit < 1:
        return []
    with store.atomic(using):
        own = register_caller(using, lease_seconds, now)
        suspects = [lane.queue for lane in found if lane.suspect]
        alone = claim_suspect(using, own, suspects, now) if suspects else None
        plain = [lane.queue for lane in found if lane.plain]
        random.shuffle(plain)  # so that no queue starves behind another
        items = [alone] if alone else claim(using, own, plain, limit, now)
        if limited and not alone and len(items) < limit:
            items += limits.claim(using, own, limited, limit - len(items), now)[0]
        if not items:
            store.run(using, "forget_caller", {"worker_id": own})
    return items


def renew(using: str, worker: int, lease_seconds: float, info: str | None = None, now: datetime | None = None) -> bool:
    """Renew a worker's lease. False: it is lost or stopped, for ever."""
    params = {"worker_id": worker, "lease_seconds": lease_seconds, "info": info, "now": now}
    return bool(store.run(using, "heartbeat", params))


def stop(using: str, worker: int, now: datetime | None = None) -> None:
    """Mark a worker stopped; whatever it still holds is reaped uncharged."""
    store.count(using, "stop_worker", {"worker_id": worker, "now": now})


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the database says a worker holds: the fence, and whether somebody asked to cancel it."""

    token: int
    cancel_requested: bool


def cancel_asked(using: str, worker: int) -> dict[int, float]:
    """Which of the items that this worker holds somebody asked to cancel, and how many seconds ago."""
    return dict(store.run(using, "cancel_asked", {"worker_id": worker}))


def held(using: str, worker: int) -> dict[int, Held]:
    """By item id, everything in progress under this worker row."""
    rows = store.run(using, "held", {"worker_id": worker})
    return {item_id: Held(token=token, cancel_requested=asked) for item_id, token, asked in rows}
