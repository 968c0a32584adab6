"""What a schedule starts from: a few items in any states that they may be in, live workers, and one that is gone."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.db import connections

from tests.docqueue.interleaving.actors import USING
from tests.docqueue.interleaving.ledger import Item, Ledger
from tests.docqueue.interleaving.roles import KEYS, LEASE_SECONDS, OPERATION, QUEUE

# Numbers that no sequence gives: tables are empty before each schedule, so all may begin with the same.
WORKERS = (-3, -2, -1)
LAST_WORKER = -4  # brings everything to its end when the actors have left
GONE_WORKER = -5
FIRST_ITEM = -9
KINDS = ["fresh"] * 6 + ["delayed", "retry", "suspect", "suspect", "dead", "orphan", "orphan"]

# By hand, not by the service: one round trip instead of a dozen, and states that it takes days to come into.
INSERT = """
with said as (
    select * from jsonb_to_recordset(%(items)s::jsonb) as i (
        id bigint, status text, wait_reason text, next_retry_at timestamptz, ordering_key text, holds_key boolean,
        returned boolean, suspect boolean, cancelled boolean, unique_key text, attempt int, max_attempts int,
        crashes int, claim_no int, claim_token bigint, worker_id bigint)
), worker as (
    insert into docqueue_worker (
        id, name, kind, hostname, pid, queues, processes, started_at, heartbeat_at, lease_expires_at, info)
    select id, 'worker', 'worker', 'host', 1, '{}', 1, %(now)s, %(now)s, expires_at, '{}'
    from unnest(%(workers)s::bigint[], %(leases)s::timestamptz[]) as w (id, expires_at)
), key as (
    insert into docqueue_key (key, item_id, lifetime, created_at)
    select unique_key, id, 'finished', %(now)s from said where unique_key is not null and status <> 'dead'
)
insert into docqueue_item (
    id, queue, position, status, wait_reason, operation, ordering_key, holds_key, returned, suspect, unique_key,
    payload, metadata, attempt, max_attempts, crashes, timeout_seconds, next_retry_at, enqueued_at, worker_id,
    claim_no, claim_token, claimed_at, cancel_requested_at, died_at)
select
    id, %(queue)s, case when status <> 'waiting' then nextval('docqueue_position_seq') end, status, wait_reason,
    %(operation)s, ordering_key, holds_key, returned, suspect, unique_key, '{}', '{}', attempt, max_attempts, crashes,
    60, next_retry_at, %(now)s, worker_id, claim_no, claim_token, case when claim_no > 0 then %(now)s end,
    case when cancelled then %(now)s end, case when status = 'dead' then %(now)s end
from said order by id
"""

LIVE = """
select coalesce((
    select json_agg(r) from (select *, cancel_requested_at is not null as cancelled from docqueue_item) r), '[]')::text,
    coalesce((select json_object_agg(key, item_id) from docqueue_key), '{}')::text
"""
# The last look takes away what it sees.
ENDED = """
with worker as (delete from docqueue_worker), audit as (delete from docqueue_audit), key as (delete from docqueue_key),
    item as (delete from docqueue_item returning json_build_array(id, status, claim_no, attempt, crashes) as r),
    past as (delete from docqueue_history returning json_build_array(id, status, claim_no, attempt, crashes) as r),
    attempt as (delete from docqueue_attempt returning json_build_array(item_id, claim_no, outcome) as r)
select coalesce((select json_agg(r) from (select r from past union all select r from item) e), '[]')::text,
    coalesce((select json_agg(r) from attempt), '[]')::text
"""


def query(sql: str, params: Any = None) -> list[tuple[Any, ...]]:
    """What a query of ours, which is no step of the schedule, returns."""
    with connections[USING].cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else []


def look() -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The live items' rows, and which of them have the unique keys."""
    live, keys = query(LIVE)[0]
    return json.loads(live), json.loads(keys)


def strike() -> tuple[list[list[Any]], list[list[Any]]]:
    """Empty the tables. Returns what items there were, and what failed attempts."""
    ended, attempts = query(ENDED)[0]
    return json.loads(ended), json.loads(attempts)


def build(ledger: Ledger, dice: Random, now: datetime) -> list[int]:
    """Bring a scene into the empty tables and write it into the ledger. Returns the ids of its items."""
    ledger.leases = {worker: now + timedelta(seconds=dice.choice([10, LEASE_SECONDS, 60])) for worker in WORKERS}
    ledger.leases |= {LAST_WORKER: now + timedelta(days=1), GONE_WORKER: now - timedelta(seconds=1)}
    for n in range(dice.choice([2, 3, 3, 4])):
        item = _item(ledger, dice, FIRST_ITEM + n, now)
        ledger.items[item.id] = item
        if item.unique is not None and item.status != "dead":
            ledger.unique[item.unique] = item.id
    rows = [_row(item) for item in ledger.items.values()]
    params = {
        "items": json.dumps(rows, default=str),
        "workers": list(ledger.leases),
        "leases": list(ledger.leases.values()),
        "now": now,
        "queue": QUEUE,
        "operation": OPERATION,
    }
    query(INSERT, params)
    return list(ledger.items)


def _item(ledger: Ledger, dice: Random, item_id: int, now: datetime) -> Item:
    key, kind = dice.choice(KEYS), dice.choice(KINDS)
    unique = "u" if not ledger.unique and dice.random() < 0.3 else None
    item = Item(item_id, key, unique, dice.choice([1, 2, 3]), "pending", None)
    claims = dice.choice([1, 1, 2, 3])
    if kind == "delayed":
        item.status, item.reason, item.next_at = "waiting", "delayed", now + timedelta(seconds=15)
        return item
    if kind == "dead":
        item.status, item.attempt, item.claim_no = "dead", 1, claims
    elif key is not None and any(other.key == key and other.holds for other in ledger.items.values()):
        item.status, item.reason = "waiting", "ordering"
        return item
    else:
        item.holds = key is not None
    match kind:
        case "retry":
            item.status, item.reason, item.next_at = "waiting", "retry", now + timedelta(seconds=20)
            item.max_attempts, item.attempt, item.claim_no = 3, 1, claims
        case "suspect":
            item.returned = item.suspect = True
            item.claim_no, item.crashes = claims, claims - 1
        case "orphan":
            item.status, item.worker, item.token = "in_progress", GONE_WORKER, dice.getrandbits(60)
            item.attempt, item.claim_no, item.crashes = 1, claims, claims - 1
            item.suspect, item.cancel = claims > 1, dice.random() < 0.25
    item.claims_before = item.claim_no
    return item


def _row(item: Item) -> dict[str, Any]:
    more = {"id": item.id, "ordering_key": item.key, "unique_key": item.unique, "max_attempts": item.max_attempts}
    return item.row() | more
