-- Put a slice of items back, each as requeue.sql does one: dead ones from their first attempt, and those that wait for
-- their time now. What has moved on since the slice was chosen is left as it is.
with decided as materialized (
    -- the statement that locks also reads: a second look would see the snapshot's version of the row
    select id, status = 'dead' as was_dead,
        docqueue_gate(ordering_key, holds_key, slot_key, slot, limit_key, %(fair)s and tenant is not null) as reason
    from docqueue_item
    where id = any(%(ids)s::bigint[]) and status = any(%(statuses)s::text[])
        and (status = 'dead' and died_at <= %(created_at)s::timestamptz
            or status = 'waiting' and wait_reason in ('delayed', 'retry', 'snoozed', 'no_handler', 'unwell'))
    order by id for update
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
