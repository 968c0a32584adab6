-- Move a slice of items whose time has come: to pending, or into their key's line. Those behind the last of the slice
-- before (`after`), or that have become due within `window` seconds; without either from the front. The index entries of
-- those that were promoted before stay for as long as somebody holds a snapshot: a walk from the front meets them all.
with due as materialized (
    -- a head keeps its key while it backs off; others join the line
    select id, next_retry_at, ordering_key is null or holds_key as ready from docqueue_item
    where status = 'waiting' and wait_reason in ('delayed', 'retry', 'snoozed', 'no_handler', 'unwell')
        -- each time once: an index has no use for a clock that goes on
        and (next_retry_at, id) > ((select coalesce(%(after)s::timestamptz,
            coalesce(%(now)s::timestamptz, clock_timestamp()) - make_interval(secs => %(window)s), '-infinity')), %(after_id)s)
        and next_retry_at <= (select coalesce(%(now)s::timestamptz, clock_timestamp()))
    order by next_retry_at, id limit %(limit)s
    for update skip locked
), placed as materialized (
    select id, ready, next_retry_at from due order by next_retry_at, id
), numbered as materialized (
    select id, next_retry_at, ready, case when ready then nextval('docqueue_position_seq') end as position from placed
)
update docqueue_item i set
    status = case when n.ready then 'pending' else 'waiting' end,
    wait_reason = case when n.ready then null else 'ordering' end,
    position = n.position, returned = n.ready and i.suspect, next_retry_at = null
from numbered n
where i.id = n.id
returning i.id, i.status, i.ordering_key, i.queue, n.next_retry_at
