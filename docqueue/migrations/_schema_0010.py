"""What the ORM can not say about the rules of admission. Frozen with its migration: add a migration instead."""

GATES = """
-- Which rule of admission an item that is due meets next; null: none, it may go to the lane. The one place that knows
-- their order. (An SQL function of one expression: the planner puts it in place of the call.)
create function docqueue_gate(
    ordering_key varchar, holds_key boolean, slot_key varchar, slot smallint, limit_key varchar, fair boolean
) returns varchar language sql immutable parallel safe as $$
    select case
        when ordering_key is not null and not holds_key then 'ordering'
        when slot_key is not null and slot is null then 'concurrency'
        when limit_key is not null then 'limited'
        when fair then 'fair_share'
    end
$$;

create or replace view docqueue_any_item as
select id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata,
    null::jsonb as result, attempt, max_attempts, crashes, run_after, enqueued_at, claimed_at,
    null::timestamptz as finished_at, worker_id, claim_no, error_code, error_message, wait_reason, timeout_seconds,
    next_retry_at, cancel_requested_at, died_at, fingerprint, batch_id, tenant, slot_key, limit_key
from docqueue_item
union all
select id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata,
    result, attempt, max_attempts, crashes, run_after, enqueued_at, claimed_at,
    finished_at, worker_id, claim_no, error_code, error_message, null::varchar(16), null::double precision,
    null::timestamptz, null::timestamptz, null::timestamptz, null::varchar(32), batch_id, tenant,
    null::varchar(255), null::varchar(255)
from docqueue_history;
"""

GATES_REVERSE = """
drop view docqueue_any_item;
create view docqueue_any_item as
select id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata,
    null::jsonb as result, attempt, max_attempts, crashes, run_after, enqueued_at, claimed_at,
    null::timestamptz as finished_at, worker_id, claim_no, error_code, error_message, wait_reason, timeout_seconds,
    next_retry_at, cancel_requested_at, died_at, fingerprint
from docqueue_item
union all
select id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata,
    result, attempt, max_attempts, crashes, run_after, enqueued_at, claimed_at,
    finished_at, worker_id, claim_no, error_code, error_message, null::varchar(16), null::double precision,
    null::timestamptz, null::timestamptz, null::timestamptz, null::varchar(32)
from docqueue_history;
drop function docqueue_gate;
"""
