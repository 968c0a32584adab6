-- Put a dead item back, or let one that waits for its time run now: whichever of these states is asked for. An item with an ordering key takes its turn again.
with decided as materialized (
    -- the statement that locks also reads: a second look would see the snapshot's version of the row
    select id, status = 'dead' as was_dead, died_at, coalesce(%(now)s::timestamptz, clock_timestamp()) as now,
        case
            when %(delay_seconds)s > 0 then 'delayed'
            else docqueue_gate(ordering_key, holds_key, slot_key, slot, limit_key, %(fair)s and tenant is not null)
        end as reason
    from docqueue_item
    where id = %(item_id)s and status = any(%(statuses)s::text[])
        and (status = 'dead' or status = 'waiting' and wait_reason in ('delayed', 'retry', 'snoozed', 'no_handler', 'unwell', 'dependency'))
    for update
), resolved as (
    insert into docqueue_resolution (at, seconds, number)
    select now, greatest(0, extract(epoch from now - died_at)), 1 from decided where was_dead
)
update docqueue_item i set
    status = case when d.reason is null then 'pending' else 'waiting' end,
    wait_reason = d.reason,
    position = case when d.reason is null then nextval('docqueue_position_seq') end,
    next_retry_at = case when d.reason = 'delayed' then d.now + make_interval(secs => %(delay_seconds)s) end,
    returned = d.reason is null and i.suspect,
    attempt = case when d.was_dead and %(reset_attempts)s then 0 else i.attempt end,
    max_attempts = case when d.was_dead and not %(reset_attempts)s then greatest(i.max_attempts, i.attempt + 1)
        else i.max_attempts end,
    crashes = case when d.was_dead and %(reset_attempts)s then 0 else i.crashes end,
    cancel_requested_at = null, died_at = null
from decided d
where i.id = d.id
returning i.id, i.status, i.wait_reason, i.queue, i.ordering_key, i.slot_key
