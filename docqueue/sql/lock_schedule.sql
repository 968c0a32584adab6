-- Lock a schedule that has come to its next tick. No row: it has not, or another worker is at it, or has just been.
select name, operation, cron, interval_seconds, time_zone, options, missed, created_at, next_at, now
from docqueue_schedule s, (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now) clock
where s.id = %(schedule_id)s and s.paused_at is null and s.next_at <= clock.now
for update of s skip locked
