-- Insert one item without an ordering key: pending when it is due, else waiting until run_after.
insert into docqueue_item (
    queue, priority, position, status, wait_reason, operation, document_id, unique_key, payload, metadata,
    max_attempts, timeout_seconds, run_after, next_retry_at, enqueued_at)
select
    %(queue)s, %(priority)s,
    case when due then nextval('docqueue_position_seq') end,
    case when due then 'pending' else 'waiting' end,
    case when not due then 'delayed' end,
    %(operation)s, %(document_id)s, %(unique_key)s, %(payload)s::jsonb, %(metadata)s::jsonb,
    %(max_attempts)s, %(timeout_seconds)s,
    run_after, case when not due then run_after end, now
from (
    select now, run_after, coalesce(run_after <= now, true) as due
    from (
        select now, coalesce(%(run_after)s::timestamptz, now + make_interval(secs => %(delay_seconds)s)) as run_after
        from (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now) clock
    ) asked
) decided
returning id, status, wait_reason, false as contended
