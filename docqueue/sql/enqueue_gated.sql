-- Insert one item that has rules of admission of its own: it waits for the first of them, or is pending where there is
-- none. `held`: it comes after other items; their rows in docqueue_dependency are the caller's next statement.
insert into docqueue_item (
    queue, priority, position, status, wait_reason, operation, document_id, ordering_key, unique_key, payload, metadata,
    max_attempts, timeout_seconds, run_after, next_retry_at, enqueued_at, batch_id, tenant, slot_key, slot_limit, limit_key)
select
    %(queue)s, %(priority)s, case when gate is null then nextval('docqueue_position_seq') end,
    case when gate is null then 'pending' else 'waiting' end, gate, %(operation)s, %(document_id)s, %(ordering_key)s,
    %(unique_key)s, %(payload)s::jsonb, %(metadata)s::jsonb, %(max_attempts)s, %(timeout_seconds)s, run_after,
    case when gate = 'delayed' then run_after end, now, %(batch_id)s, %(tenant)s, %(slot_key)s, %(slot_limit)s,
    %(limit_key)s
from (
    select now, run_after, case
            when %(held)s then 'dependency'
            when run_after > now then 'delayed'
            else docqueue_gate(%(ordering_key)s::varchar, false, %(slot_key)s::varchar, null, %(limit_key)s::varchar,
                %(fair)s and %(tenant)s::varchar is not null)
        end as gate
    from (
        select now, coalesce(%(run_after)s::timestamptz, now + make_interval(secs => %(delay_seconds)s)) as run_after
        from (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now) clock
    ) asked
) placed
returning id, status, wait_reason, queue, ordering_key, slot_key
