-- Add what a worker has seen end, or a slice of a bulk operation has ended (`worker_id`: that one's id, negative), per queue
-- and ten seconds (`ats`: seconds since 1970). What is told too late counts as of twenty seconds ago: older times have been
-- compared with the history, or are about to be. Returns the clock.
with clock as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), said as (
    select s.queue, to_timestamp(floor(extract(epoch from
            least(greatest(to_timestamp(s.at), c.now - interval '20 seconds'), c.now)) / 10) * 10) as at,
        sum(s.completed) as completed, sum(s.cancelled) as cancelled, sum(s.dead) as dead
    from clock c cross join unnest(
        %(queues)s::text[], %(ats)s::float8[], %(completed)s::bigint[], %(cancelled)s::bigint[], %(dead)s::bigint[]
    ) as s (queue, at, completed, cancelled, dead)
    group by 1, 2
)
insert into docqueue_finished_total (queue, at, worker_id, completed, cancelled, dead)
select queue, at, %(worker_id)s, completed, cancelled, dead from said order by queue, at
on conflict (queue, at, worker_id) do update set
    completed = docqueue_finished_total.completed + excluded.completed,
    cancelled = docqueue_finished_total.cancelled + excluded.cancelled,
    dead = docqueue_finished_total.dead + excluded.dead
returning (select extract(epoch from now)::float8 from clock)
