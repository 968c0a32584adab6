-- Pause the schedules that are not in the code any more.
update docqueue_schedule set
    paused_at = (select coalesce(%(now)s::timestamptz, clock_timestamp())), paused_reason = %(left_code)s
where source = 'code' and paused_at is null and name <> all(%(names)s::varchar[])
returning name
