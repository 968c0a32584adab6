-- A page of the schedules that have come to their next tick, behind the last of the page before (`after`, `after_id`).
select id, name, next_at from docqueue_schedule
where paused_at is null and next_at <= (select coalesce(%(now)s::timestamptz, clock_timestamp()))
    and (next_at, id) > ((select coalesce(%(after)s::timestamptz, '-infinity')), %(after_id)s)
order by next_at, id limit %(limit)s
