-- Insert one item with an ordering key. It takes its turn only when the key is free, nobody stands in line and the
-- key's hash slot can be locked without waiting; otherwise it waits in line. `contended`: only the slot was taken,
-- so a promotion right after the caller's commit is worth a try.
with asked as materialized (
    select now, coalesce(%(run_after)s::timestamptz, now + make_interval(secs => %(delay_seconds)s)) as run_after
    from (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now) clock
), decided as materialized (
    select now, run_after, coalesce(run_after <= now, true) as due,
        not exists (select from docqueue_item where holds_key and ordering_key = %(ordering_key)s)
        and not exists (
            select from docqueue_item
            where status = 'waiting' and wait_reason = 'ordering' and ordering_key = %(ordering_key)s
        ) as free
    from asked
), turn as materialized (
    -- CASE, not AND: the lock must not be taken for an item that will wait anyway
    select *, case when due and free
        then pg_try_advisory_xact_lock(%(lock_class)s, hashtext(%(ordering_key)s) & 1023) else false end as mine
    from decided
), head as (
    insert into docqueue_item (
        queue, priority, position, status, operation, document_id, ordering_key, holds_key, unique_key, payload,
        metadata, max_attempts, timeout_seconds, run_after, enqueued_at)
    select
        %(queue)s, %(priority)s, nextval('docqueue_position_seq'), 'pending', %(operation)s, %(document_id)s,
        %(ordering_key)s, true, %(unique_key)s, %(payload)s::jsonb, %(metadata)s::jsonb, %(max_attempts)s,
        %(timeout_seconds)s, run_after, now
    from turn where mine
    on conflict (ordering_key) where holds_key do nothing
    returning id, status, wait_reason
), rest as (
    insert into docqueue_item (
        queue, priority, status, wait_reason, operation, document_id, ordering_key, unique_key, payload, metadata,
        max_attempts, timeout_seconds, run_after, next_retry_at, enqueued_at)
    select
        %(queue)s, %(priority)s, 'waiting', case when due then 'ordering' else 'delayed' end, %(operation)s,
        %(document_id)s, %(ordering_key)s, %(unique_key)s, %(payload)s::jsonb, %(metadata)s::jsonb,
        %(max_attempts)s, %(timeout_seconds)s, run_after, case when not due then run_after end, now
    from turn where not exists (select from head)
    returning id, status, wait_reason
)
select id, status, wait_reason, false as contended from head
union all
select id, status, wait_reason, (select due and free from turn) from rest
