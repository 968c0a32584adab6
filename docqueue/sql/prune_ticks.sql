-- Remove a slice of old ticks, each schedule's from its oldest on. The newest of a schedule stays, however old it is.
with old as materialized (
    select found.id from docqueue_schedule s cross join lateral (
        select t.id, t.tick_at from docqueue_schedule_tick t
        where t.schedule_id = s.id and t.tick_at < least(
            (select coalesce(%(now)s::timestamptz, clock_timestamp()) - make_interval(days => %(days)s)),
            (select max(n.tick_at) from docqueue_schedule_tick n where n.schedule_id = s.id))
        order by t.tick_at limit %(limit)s
        for update skip locked
    ) found
    order by found.id limit %(limit)s
)
delete from docqueue_schedule_tick t using old o where t.id = o.id
