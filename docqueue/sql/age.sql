-- Raise a slice of pending items by ten in priority that have been due for so long: one step for each `seconds` since they were
-- enqueued (or their run_after). A walk from lane to lane; who is at the front of one has been there longest, so only those
-- lanes are read whose first item is to rise. A raised item draws a new position: with its old one it would stand before
-- the place that workers have reached in its new lane, where their next claims do not look.
with recursive clock as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), lane as (
    (select queue, priority, greatest(enqueued_at, run_after) + make_interval(secs => (aged + 1) * %(seconds)s) as rises_at
    from docqueue_item where status = 'pending' and not returned
    order by queue, priority desc, position limit 1)
    union all
    select n.queue, n.priority, n.rises_at
    from lane l cross join lateral (
        select * from (
            (select i.queue, i.priority, greatest(i.enqueued_at, i.run_after) + make_interval(secs => (i.aged + 1) * %(seconds)s) as rises_at
            from docqueue_item i
            where i.status = 'pending' and not i.returned and i.queue = l.queue and i.priority < l.priority
            order by i.queue, i.priority desc, i.position limit 1)
            union all
            (select i.queue, i.priority, greatest(i.enqueued_at, i.run_after) + make_interval(secs => (i.aged + 1) * %(seconds)s)
            from docqueue_item i
            where i.status = 'pending' and not i.returned and i.queue > l.queue
            order by i.queue, i.priority desc, i.position limit 1)
        ) next order by queue, priority desc limit 1
    ) n
), front as materialized (
    select f.id
    from lane l cross join lateral (
        select id, enqueued_at, run_after, aged from docqueue_item
        where status = 'pending' and not returned and queue = l.queue and priority = l.priority
        order by position limit %(limit)s
    ) f
    where l.priority < 100 and l.rises_at <= (select now from clock)
        and greatest(f.enqueued_at, f.run_after) + make_interval(secs => (f.aged + 1) * %(seconds)s) <= (select now from clock)
    limit %(limit)s
), locked as materialized (
    -- Those that somebody is just claiming need it no more; what another has just raised is not raised twice. (Asked for as
    -- `= 'pending'` the planner may walk over the lanes instead of looking up each.)
    select id, priority, position from docqueue_item
    where id = any(array(select id from front)) and status is not distinct from 'pending' and not returned and priority < 100
        and greatest(enqueued_at, run_after) + make_interval(secs => (aged + 1) * %(seconds)s) <= (select now from clock)
    order by id for update skip locked
), placed as materialized (
    select id from locked order by priority desc, position
), numbered as materialized (
    select id, nextval('docqueue_position_seq') as position from placed
)
update docqueue_item i set priority = least(100, i.priority + 10), aged = i.aged + 1, position = n.position
from numbered n
where i.id = n.id
