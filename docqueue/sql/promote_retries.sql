-- Move a slice of one queue's retries whose time has come, the oldest first, as far as its budget goes: a token each, of which
-- the bucket gets so many a second. Whoever finds the bucket locked does nothing: another is at it. No bucket, nothing moves.
with clock as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), bucket as materialized (
    -- the statement that locks also reads: what another has just taken is gone. (A clock that goes back gives nothing.)
    select l.key, c.now, least(%(burst)s, l.tokens
        + %(rate)s * greatest(0, extract(epoch from c.now - l.refilled_at)::float8)) as tokens
    from docqueue_limit l cross join clock c where l.key = %(key)s
    for update of l skip locked
), due as materialized (
    select id, next_retry_at, docqueue_gate(ordering_key, holds_key, slot_key, slot, limit_key, %(fair)s and tenant is not null) as gate
    from docqueue_item
    where status = 'waiting' and wait_reason = 'retry'
        -- asked for as a stretch of (queue, time), so that the planner does not walk over all queues by time
        and (queue, next_retry_at) >= (%(queue)s, '-infinity') and (queue, next_retry_at) <= (%(queue)s, (select now from clock))
    order by queue, next_retry_at, id
    limit (select coalesce((select least(%(limit)s, floor(tokens + 1e-9)) from bucket), 0))
    for update skip locked
), charged as (
    update docqueue_limit l set tokens = b.tokens - d.number, refilled_at = greatest(b.now, l.refilled_at),
        rate = %(rate)s, burst = %(burst)s
    from bucket b cross join (select count(*) as number from due) d
    where l.key = b.key and d.number > 0
), placed as materialized (
    select id, gate from due order by next_retry_at, id
), numbered as materialized (
    select id, gate, case when gate is null then nextval('docqueue_position_seq') end as position from placed
)
update docqueue_item i set
    status = case when n.gate is null then 'pending' else 'waiting' end,
    wait_reason = n.gate, position = n.position, returned = n.gate is null and i.suspect, next_retry_at = null
from numbered n
where i.id = n.id
returning i.id, i.status, i.wait_reason, i.queue, i.ordering_key, i.slot_key
