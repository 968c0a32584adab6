-- What a worker must know before it claims, each row of one kind with what it tells:
-- lane: a known lane's first item behind the worker's floor; new: a lane that the worker does not know yet (the first in
-- each gap between those it knows); returned: queues to which something came back; suspect: queues with so many suspects;
-- ahead: how many workers with smaller numbers live that serve such a queue; paused: queues;
-- asked: what a person asks of this worker;
-- limited, dependencies: whether limits, and items that come after others, are or were in use at all; workers: how many live, counted to two; drawn: the newest position; oldest, next: the oldest running and the next transaction. No walk over what was claimed
-- before: while somebody holds a snapshot its index entries stay, and there may be millions.
with known as materialized (
    select * from unnest(%(queues)s::text[], %(priorities)s::smallint[], %(floors)s::bigint[]) as l (queue, priority, floor)
), gaps as (
    select queue, priority as below, lead(priority, 1, (-32768)::smallint) over (partition by queue order by priority desc) as above
    from known
    union all
    select queue, 32767, max(priority) from known group by queue
), queues as materialized (
    select queue as after, lead(queue) over (order by queue) as before
    from (select distinct queue from known union select '') q
), suspects as materialized (
    select queue, count(*) as number from docqueue_item where status = 'pending' and returned and suspect group by queue
)
select 'lane' as kind, l.queue, l.priority, f.position as number
from known l cross join lateral (
    select i.position from docqueue_item i
    where i.status = 'pending' and not i.returned and i.queue = l.queue and i.priority = l.priority
        and i.position > l.floor
    order by i.position limit 1
) f
union all
select 'new', f.queue, f.priority, null
from gaps g cross join lateral (
    select i.queue, i.priority from docqueue_item i
    where i.status = 'pending' and not i.returned and i.queue = g.queue and i.priority < g.below and i.priority > g.above
    order by i.queue, i.priority desc, i.position limit 1
) f
union all
select 'new', f.queue, f.priority, null
from queues q cross join lateral (
    select i.queue, i.priority from docqueue_item i
    where i.status = 'pending' and not i.returned and i.queue > q.after and i.queue < q.before
    order by i.queue, i.priority desc, i.position limit 1
) f
where q.before is not null
union all
select 'new', f.queue, f.priority, null
from queues q cross join lateral (
    select i.queue, i.priority from docqueue_item i
    where i.status = 'pending' and not i.returned and i.queue > q.after
    order by i.queue, i.priority desc, i.position limit 1
) f
where q.before is null
union all
select distinct 'returned', queue, null::smallint, null::bigint
from docqueue_item where status = 'pending' and returned and not suspect
union all
select 'suspect', queue, null, number from suspects
union all
select 'ahead', s.queue, null, (
    select count(*) from docqueue_worker w
    where w.lost_at is null and w.stopped_at is null and w.kind = 'worker' and w.id < %(worker_id)s
        and (w.queues = '{}' or s.queue = any(w.queues)) and s.queue <> all(w.excluded) and w.asked is null)
from suspects s
union all
select 'limited', null, null, 1 where exists (select from docqueue_limit)
union all
select 'dependencies', null, null, 1 where pg_sequence_last_value('docqueue_dependency_id_seq') is not null
union all
select 'paused', name, null, null from docqueue_queue where paused_at is not null
union all
select 'workers', null, null, count(*)
from (select from docqueue_worker where lost_at is null and stopped_at is null and kind = 'worker' limit 2) live
union all
select 'asked', asked, null, null from docqueue_worker where id = %(worker_id)s and asked is not null
union all
select 'drawn', null, null, last_value from docqueue_position_seq
union all
select 'oldest', null, null, pg_snapshot_xmin(pg_current_snapshot())::text::bigint
union all
select 'next', null, null, pg_snapshot_xmax(pg_current_snapshot())::text::bigint
