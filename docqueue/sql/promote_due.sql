-- Move a slice of items whose time has come: to pending, or before the next rule of admission. Those behind the last of the slice
-- before (`after`), or that have become due within `window` seconds; without either from the front. The index entries of
-- those that were promoted before stay for as long as somebody holds a snapshot: a walk from the front meets them all. Not
-- `retries` where these have a budget: then promote_retries.sql promotes them.
with due as materialized (
    -- a head keeps its key while it backs off; others join the line
    select id, next_retry_at, docqueue_gate(ordering_key, holds_key, slot_key, slot, limit_key, %(fair)s and tenant is not null) as gate
    from docqueue_item
    where status = 'waiting' and wait_reason in ('delayed', 'retry', 'snoozed', 'no_handler', 'unwell')
        and (%(retries)s or wait_reason <> 'retry')
        -- each time once: an index has no use for a clock that goes on
        and (next_retry_at, id) > ((select coalesce(%(after)s::timestamptz,
            coalesce(%(now)s::timestamptz, clock_timestamp()) - make_interval(secs => %(window)s), '-infinity')), %(after_id)s)
        and next_retry_at <= (select coalesce(%(now)s::timestamptz, clock_timestamp()))
    order by next_retry_at, id limit %(limit)s
    for update skip locked
), placed as materialized (
    select id, gate, next_retry_at from due order by next_retry_at, id
), numbered as materialized (
    select id, next_retry_at, gate, case when gate is null then nextval('docqueue_position_seq') end as position from placed
)
update docqueue_item i set
    status = case when n.gate is null then 'pending' else 'waiting' end,
    wait_reason = n.gate, position = n.position, returned = n.gate is null and i.suspect, next_retry_at = null
from numbered n
where i.id = n.id
returning i.id, i.status, i.wait_reason, i.queue, i.ordering_key, i.slot_key, n.next_retry_at
