-- Put a slice of items back, each as requeue.sql does one: dead ones from their first attempt, and those that wait for
-- their time now. What has moved on since the slice was chosen is left as it is.
with clock as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), decided as materialized (
    -- the statement that locks also reads: a second look would see the snapshot's version of the row
    select id, status = 'dead' as was_dead, died_at,
        docqueue_gate(ordering_key, holds_key, slot_key, slot, limit_key, %(fair)s and tenant is not null) as reason
    from docqueue_item
    where id = any(%(ids)s::bigint[]) and status = any(%(statuses)s::text[])
        and (status = 'dead' and died_at <= %(created_at)s::timestamptz
            or status = 'waiting' and wait_reason in ('delayed', 'retry', 'snoozed', 'no_handler', 'unwell'))
    order by id for update
), resolved as (
    -- those that had been dead for about as long in one row
    insert into docqueue_resolution (at, seconds, number)
    select max(now), max(seconds), count(*)
    from (select now, greatest(0, extract(epoch from now - died_at)::float8) as seconds from decided cross join clock where was_dead) d
    group by floor(4 * ln(greatest(1, seconds)))
), numbered as materialized (
    select id, was_dead, reason, case when reason is null then nextval('docqueue_position_seq') end as position from decided
)
update docqueue_item i set
    status = case when n.reason is null then 'pending' else 'waiting' end,
    wait_reason = n.reason, position = n.position, next_retry_at = null, returned = n.reason is null and i.suspect,
    attempt = case when n.was_dead then 0 else i.attempt end,
    crashes = case when n.was_dead then 0 else i.crashes end,
    cancel_requested_at = null, died_at = null
from numbered n
where i.id = n.id
returning i.id, i.status, i.wait_reason, i.queue, i.ordering_key, i.slot_key
