-- Add a schedule, or change the one of this name and source. No row: it is as it should be, or has another source. One that was
-- only paused for having left the code (`left_code`) goes on; what a person has paused stays paused. What was wrong with it before
-- the change is forgotten.
insert into docqueue_schedule as s (
    name, operation, cron, interval_seconds, time_zone, options, missed, source, created_at, next_at, paused_reason)
values (
    %(name)s, %(operation)s, %(cron)s, %(interval_seconds)s, %(time_zone)s, %(options)s::jsonb, %(missed)s, %(source)s,
    coalesce(%(now)s::timestamptz, clock_timestamp()), %(next_at)s, '')
on conflict (name) do update set
    operation = excluded.operation, cron = excluded.cron, interval_seconds = excluded.interval_seconds,
    time_zone = excluded.time_zone, options = excluded.options, missed = excluded.missed,
    next_at = case
        when (s.cron, s.interval_seconds, s.time_zone) is distinct from (excluded.cron, excluded.interval_seconds, excluded.time_zone)
            or s.paused_reason = %(left_code)s then excluded.next_at
        else s.next_at end,
    paused_at = case when s.paused_reason <> %(left_code)s then s.paused_at end,
    paused_reason = case when s.paused_reason <> %(left_code)s then s.paused_reason else '' end,
    last_error = null, last_error_at = null
where s.source = excluded.source and (
    s.paused_reason = %(left_code)s
    or (s.operation, s.cron, s.interval_seconds, s.time_zone, s.options, s.missed) is distinct from (excluded.operation,
        excluded.cron, excluded.interval_seconds, excluded.time_zone, excluded.options, excluded.missed))
returning s.id
