"""What the ORM can not say of slots. Frozen with its migration: add a migration instead."""

ANY_ITEM = """
create or replace view docqueue_any_item as
select id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata,
    null::jsonb as result, attempt, max_attempts, crashes, run_after, enqueued_at, claimed_at,
    null::timestamptz as finished_at, worker_id, claim_no, error_code, error_message, wait_reason, timeout_seconds,
    next_retry_at, cancel_requested_at, died_at, fingerprint, batch_id, tenant, slot_key, limit_key, slot_limit, slot
from docqueue_item
union all
select id, queue, priority, status, operation, document_id, ordering_key, unique_key, payload, metadata,
    result, attempt, max_attempts, crashes, run_after, enqueued_at, claimed_at,
    finished_at, worker_id, claim_no, error_code, error_message, null::varchar(16), null::double precision,
    null::timestamptz, null::timestamptz, null::timestamptz, null::varchar(32), batch_id, tenant,
    null::varchar(255), null::varchar(255), null::smallint, null::smallint
from docqueue_history;
"""

ANY_ITEM_REVERSE = """
drop view docqueue_any_item;
create view docqueue_any_item as
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
