-- Pause a schedule. Nothing is changed when it is paused already.
update docqueue_schedule set
    paused_at = (select coalesce(%(now)s::timestamptz, clock_timestamp())), paused_reason = %(reason)s
where name = %(name)s and paused_at is null
