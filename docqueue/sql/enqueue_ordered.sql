-- Insert one item with an ordering key that is due. It takes its turn when the key is free, nobody stands in line and
-- the key's hash slot can be locked without waiting; behind others it waits in line. No row when only the slot or a
-- newcomer was in the way: nothing is inserted then (enqueue_in_line.sql is).
insert into docqueue_item (
    queue, priority, position, status, wait_reason, operation, document_id, ordering_key, holds_key, unique_key,
    payload, metadata, max_attempts, timeout_seconds, run_after, enqueued_at)
select
    %(queue)s, %(priority)s, case when mine then nextval('docqueue_position_seq') end,
    case when mine then 'pending' else 'waiting' end, case when mine then null else 'ordering' end,
    %(operation)s, %(document_id)s, %(ordering_key)s, mine is true, %(unique_key)s, %(payload)s::jsonb,
    %(metadata)s::jsonb, %(max_attempts)s, %(timeout_seconds)s, %(run_after)s::timestamptz,
    coalesce(%(now)s::timestamptz, clock_timestamp())
from (
    -- true: it is our turn; false: the slot is taken; null: others come first. CASE, not AND: the lock must not be
    -- taken for an item that will wait anyway. OFFSET 0: it is asked for once, however often its answer is read.
    select case
        when not exists (select from docqueue_item where holds_key and ordering_key = %(ordering_key)s)
            and not exists (
                select from docqueue_item
                where status = 'waiting' and wait_reason = 'ordering' and ordering_key = %(ordering_key)s
            )
        then pg_try_advisory_xact_lock(%(lock_class)s, hashtext(%(ordering_key)s) & 1023) end as mine
    offset 0
) turn
where mine is not false
on conflict (ordering_key) where holds_key do nothing
returning id, status, wait_reason, case when %(wake)s and status = 'pending' then pg_notify('docqueue', queue) end
