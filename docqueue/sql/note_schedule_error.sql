-- Note what keeps a schedule's tick from being enqueued, and since when. No row: it is noted already, as it is found every second; or
-- another worker is at the tick, or has brought the schedule past it.
with found as (
    select id from docqueue_schedule
    where id = %(schedule_id)s and next_at = %(next_at)s and last_error is distinct from %(error)s
    for update skip locked
)
update docqueue_schedule s set
    last_error = %(error)s, last_error_at = (select coalesce(%(now)s::timestamptz, clock_timestamp()))
from found where s.id = found.id
