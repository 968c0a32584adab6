-- Finished items per queue: the totals up to the mark to which they have been compared with the history, and from there on
-- the history itself; where that would be more than `limit` items, what the workers have counted, and whether that is the
-- least there are, as it is when nobody has moved the mark for long. And how many ended within the last ten minutes, by
-- what the workers have counted.
with clock as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), mark as materialized (
    select coalesce(max(counted_at), '-infinity') as at from docqueue_depth where queue = '' and status = 'finished'
), late as materialized (
    select queue, count(*) filter (where status = 'completed') as completed,
        count(*) filter (where status = 'cancelled') as cancelled, count(*) as number
    from (
        select queue, status from docqueue_history where finished_at >= (select at from mark) order by finished_at
        limit %(limit)s + 1
    ) h
    group by queue
), many as materialized (
    select coalesce(sum(number), 0) > %(limit)s as yes from late
), old as materialized (
    select m.yes and k.at <= c.now - interval '10 minutes' as yes from many m, mark k, clock c
), told as materialized (
    select queue, sum(completed) as completed, sum(cancelled) as cancelled
    from docqueue_finished_total
    where at >= (select at from mark) and (select yes from many)
    group by queue
), counted as (
    select queue, completed, cancelled, 0 as recent from late where not (select yes from many)
    union all
    select queue, completed, cancelled, 0 from docqueue_finished_total where at < (select at from mark)
    union all
    select queue, completed, cancelled, 0 from told where not (select yes from old)
    union all
    select queue, greatest(l.completed, t.completed), greatest(l.cancelled, t.cancelled), 0
    from told t full join late l using (queue)
    where (select yes from old)
    union all
    select queue, 0, 0, completed + cancelled + dead from docqueue_finished_total
    where at > (select now from clock) - interval '10 minutes' and at <= (select now from clock)
)
select queue, sum(completed)::bigint, sum(cancelled)::bigint, (sum(recent) / 10.0)::float8, (select yes from old)
from counted group by queue
