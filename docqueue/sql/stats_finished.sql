-- Finished items per queue: the totals up to the mark to which they have been compared with the history, and from there on
-- the history itself; where that would be more than `limit` items, what the workers have counted. And how many ended within
-- the last ten minutes, by what the workers have counted.
with clock as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), mark as materialized (
    select coalesce(max(counted_at), '-infinity') as at from docqueue_depth where queue = '' and status = 'finished'
), late as materialized (
    select queue, count(*) filter (where status = 'completed') as completed,
        count(*) filter (where status = 'cancelled') as cancelled, count(*) as number
    from (
        select queue, status from docqueue_history where finished_at >= (select at from mark) order by finished_at
        -- a mark that nobody moves is no use: then it is the history that tells
        limit (select case when m.at > c.now - interval '10 minutes' then %(limit)s + 1 end from mark m, clock c)
    ) h
    group by queue
), many as materialized (
    select coalesce(sum(number), 0) > %(limit)s and (select m.at > c.now - interval '10 minutes' from mark m, clock c) as yes
    from late
), counted as (
    select queue, completed, cancelled, 0 as recent from late where not (select yes from many)
    union all
    select queue, completed, cancelled, 0 from docqueue_finished_total
    where at < (select at from mark) or (select yes from many)
    union all
    select queue, 0, 0, completed + cancelled + dead from docqueue_finished_total
    where at > (select now from clock) - interval '10 minutes' and at <= (select now from clock)
)
select queue, sum(completed)::bigint, sum(cancelled)::bigint, (sum(recent) / 10.0)::float8
from counted group by queue
