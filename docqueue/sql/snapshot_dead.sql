-- What died and is dead still, by queue: in each of the last 60 minutes and in each of the last 24 hours, of the newest
-- `limit` that did, found by the index over deaths. In the form of snapshot_ended.sql, without what only that knows.
with clock as materialized (
    select coalesce(%(now)s::timestamptz, clock_timestamp()) as now
), newest as materialized (
    select queue, extract(epoch from died_at)::bigint as at
    from docqueue_item
    where status = 'dead' and died_at >= (select date_trunc('hour', now, 'UTC') - interval '23 hours' from clock)
        and died_at <= (select now from clock)
    order by died_at desc, id desc limit %(limit)s
)
select 3600 as seconds, queue, at / 3600 * 3600 as start, count(*) from newest group by 2, 3
union all
select 60, n.queue, n.at / 60 * 60, count(*) from newest n cross join clock c
where n.at >= extract(epoch from date_trunc('minute', c.now))::bigint - 59 * 60
group by 2, 3
