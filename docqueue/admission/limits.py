"""Rate limits and circuit breakers: what limits starts is charged in the statement that claims.

An item with a `limit_key` stays `waiting` until `claim_limited` takes it; no attempt is spent before. The figures of a
limit stand in the setting LIMITS, its tokens and the breaker's state in docqueue_limit.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from docqueue import events, routing, store
from docqueue.conf import get_settings
from docqueue.items import PAYLOAD, ClaimedItem, in_claim_order

COMPLETED, FAILED, OTHER = "completed", "failed", "other"
UNLIMITED = routing.LimitRule(rate=None, burst=None, failures=None, open_seconds=routing.OPEN_SECONDS)


def queues(using: str) -> list[str]:
    """The queues, but for paused ones, in which items wait for a limit."""
    return [row[0] for row in store.run(using, "limited_queues", {})]


def claim(
    using: str, worker: int, names: Sequence[str], limit: int, now: datetime | None = None
) -> tuple[list[ClaimedItem], float | None]:
    """Claim up to `limit` items of these queues that wait for a limit, as far as their limits allow it.

    Also returns in how many seconds a limit may allow more; None when nothing waits for one.
    """
    params = {"queues": list(names), "limit": limit, "worker_id": worker, "token": store.new_token(), "now": now}
    rows = store.run(using, "claim_limited", params)
    seconds = json.loads(rows.pop()[PAYLOAD])["seconds"]
    return in_claim_order(rows), seconds


def ensure(using: str, keys: Iterable[str], now: datetime | None = None) -> None:
    """Have the rows of these limits say what the settings say; a key that they say nothing of limits nothing."""
    known = {key: routing.limit(get_settings().LIMITS, key) or UNLIMITED for key in keys}
    if known:
        rules = known.values()
        params = {
            "keys": list(known),
            "rates": [rule.rate for rule in rules],
            "bursts": [rule.burst for rule in rules],
            "failures": [rule.failures for rule in rules],
            "open_seconds": [rule.open_seconds for rule in rules],
            "now": now,
        }
        store.count(using, "ensure_limits", params)


def after_commit(using: str, keys: Iterable[str | None], now: datetime | None = None) -> None:
    """The same once the caller's transaction has committed: nobody else waits for it then."""
    wanted = {key for key in keys if key is not None}
    if wanted:
        transaction.on_commit(lambda: ensure(using, wanted, now), using=using, robust=True)


def ensure_all(using: str, now: datetime | None = None) -> int:
    """The rule's level-triggered half: every limit that items wait for has its row. Promotes nothing."""
    if names := queues(using):
        ensure(using, [row[0] for row in store.run(using, "waiting_limits", {"queues": names})], now)
    return 0


def note(using: str, ended: Iterable[tuple[ClaimedItem, str]], now: datetime | None = None) -> None:
    """Tell the breakers how items ended ("completed", "failed", "other"), once the caller has committed."""
    told = [(item.limit_key, item.claimed_at, verdict) for item, verdict in ended if item.limit_key is not None]
    if not told:
        return
    keys, claimed, verdicts = map(list, zip(*told, strict=True))
    params = {"keys": keys, "claimed": claimed, "verdicts": verdicts, "now": now}

    def tell() -> None:
        for key, opened, closed in store.run(using, "note_verdicts", params):
            if opened or closed:
                event = events.EventName.BREAKER_OPENED if opened else events.EventName.BREAKER_CLOSED
                events.emit(event, logging.WARNING if opened else logging.INFO, limit=key)

    transaction.on_commit(tell, using=using, robust=True)
