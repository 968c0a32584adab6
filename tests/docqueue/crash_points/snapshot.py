"""What the database says, with everything left out that differs from one run of the same scene to the next."""

from __future__ import annotations

from typing import Any

TABLES = (
    "item",
    "history",
    "key",
    "attempt",
    "worker",
    "audit",
    "checkpoint",
    "progress",
    "queue",
    "dependency",
    "batch",
    "limit",
    "schedule_tick",
    "schedule",
    "bulk",
    "finished_total",
    "depth",
    "failure",
    "resolution",
)
QUERIES = {
    "item": """
        select id, status, wait_reason, queue, priority, dense_rank() over (order by position), operation, payload,
            attempt, max_attempts, claim_no, crashes, suspect, returned, holds_key, claim_token is not null,
            worker_id is not null, cancel_requested_at is not null, died_at is not null, next_retry_at is not null,
            error_code, unique_key, ordering_key, slot_key, slot, limit_key, tenant, batch_id is not null
        from docqueue_item order by id""",
    "history": "select id, status, attempt, claim_no, crashes, result from docqueue_history order by id",
    "key": "select item_id, key, lifetime from docqueue_key order by item_id, key",
    "attempt": "select item_id, attempt, claim_no, outcome, code from docqueue_attempt order by item_id, claim_no",
    "checkpoint": "select item_id, name, result from docqueue_checkpoint order by item_id, name",
    "progress": "select item_id, percent, stage from docqueue_progress order by item_id",
    "dependency": """
        select child_id, dense_rank() over (order by parent_id), if_failed, outcome, result
        from docqueue_dependency order by child_id, parent_id""",
    "limit": "select key, rate, tokens, failures, opened_at, probe_at from docqueue_limit order by key",
    "queue": "select name, paused_at, paused_reason, paused_by from docqueue_queue order by name",
    "bulk": """
        select action, filter, state, total, done, skipped, finished_at is not null,
            options ? 'canary', options ? 'canaries', options ? 'stopped',
            (select count(*) from docqueue_item i where i.id <= b.reached_id)
        from docqueue_bulk b order by id""",
    "failure": """
        select fingerprint = 'gone', number, acknowledged_by, note from docqueue_failure
        order by fingerprint = 'gone'""",
    "resolution": "select seconds, number from docqueue_resolution order by id",
    "batch": """
        select name, sealed_at is not null, finished_at is not null, outcome, callback_id is not null
        from docqueue_batch order by id""",
    "audit": """
        select item_id, action, actor, regexp_replace(reason, '[0-9]+', '#') from docqueue_audit
        order by item_id, action, actor""",
    "worker": """
        select kind, lost_at is not null, stopped_at is not null, swept_at is not null, lease_expires_at,
            asked, asked_by,
            (select count(*) from docqueue_item i where i.worker_id = w.id and i.status = 'in_progress')
        from docqueue_worker w order by id""",
    "tick": """
        select t.item_id, s.name, t.tick_at
        from docqueue_schedule_tick t join docqueue_schedule s on s.id = t.schedule_id order by t.item_id""",
    "schedule": """
        select name, operation, interval_seconds, options, source, paused_at is not null, paused_reason, next_at,
            last_error, last_error_at
        from docqueue_schedule order by name""",
    "totals": """
        select queue, at, worker_id <> 0, completed, cancelled, dead from docqueue_finished_total
        order by queue, at, worker_id""",
    "depth": "select queue, status, number, counted_at from docqueue_depth order by queue, status",
    "partition": """
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'docqueue_history'::regclass order by 1""",
}
WITH_AN_ID = ("item", "history", "key", "attempt", "checkpoint", "progress", "audit", "dependency", "tick")

Snapshot = dict[str, list[tuple[Any, ...]]]


def snapshot(cursor: Any) -> Snapshot:
    """Every row of the queue, item ids counted from the first there is."""
    found: Snapshot = {}
    for name, query in QUERIES.items():
        cursor.execute(query)
        found[name] = cursor.fetchall()
    ids = {row[0] for name in ("item", "history", "key") for row in found[name]}
    ranks = {item_id: rank for rank, item_id in enumerate(sorted(ids))}
    for name in WITH_AN_ID:
        found[name] = [(ranks.get(row[0], "gone"), *row[1:]) for row in found[name]]
    return found


def clear(cursor: Any) -> None:
    """Empty the queue."""
    for table in TABLES:
        cursor.execute(f"delete from docqueue_{table}")
