-- What ended, by queue: in each of the last 60 minutes and in each of the last 24 hours, by what workers and bulk operations
-- have told. `seconds`: how long a row's time is, `at`: its start, in seconds since 1970. A walk from queue to queue, and of
-- each queue what is not older than a day: totals of more than an hour ago are one row an hour.
with recursive clock as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), queues as (
    (select queue from docqueue_finished_total order by queue limit 1)
    union all
    select (select t.queue from docqueue_finished_total t where t.queue > q.queue order by t.queue limit 1)
    from queues q where q.queue is not null
), told as materialized (
    select t.queue, extract(epoch from t.at)::bigint as at, t.completed, t.cancelled, t.dead
    from clock c cross join queues q cross join lateral (
        select * from docqueue_finished_total t
        where t.queue = q.queue and t.at >= date_trunc('hour', c.now, 'UTC') - interval '23 hours' and t.at <= c.now
    ) t
    where q.queue is not null
)
select 3600 as seconds, t.queue, t.at / 3600 * 3600 as start, sum(completed)::bigint, sum(cancelled)::bigint, sum(dead)::bigint
from told t group by 2, 3
union all
select 60, t.queue, t.at / 60 * 60, sum(completed)::bigint, sum(cancelled)::bigint, sum(dead)::bigint
from told t cross join clock c
where t.at >= extract(epoch from date_trunc('minute', c.now))::bigint - 59 * 60
group by 2, 3
