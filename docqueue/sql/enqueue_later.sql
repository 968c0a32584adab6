-- Insert one item that waits until its run_after, or for delay_seconds. No row, and nothing inserted, when it is due.
insert into docqueue_item (
    queue, priority, status, wait_reason, operation, document_id, ordering_key, unique_key, payload, metadata,
    max_attempts, timeout_seconds, run_after, next_retry_at, enqueued_at)
select
    %(queue)s, %(priority)s, 'waiting', 'delayed', %(operation)s, %(document_id)s, %(ordering_key)s, %(unique_key)s,
    %(payload)s::jsonb, %(metadata)s::jsonb, %(max_attempts)s, %(timeout_seconds)s, run_after, run_after, now
from (
    select now, coalesce(%(run_after)s::timestamptz, now + make_interval(secs => %(delay_seconds)s)) as run_after
    from (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now) clock
) asked
where run_after > now
returning id, status, wait_reason
