-- Note of workers that ended a minute ago and hold nothing (a claim that was under way has come to its end) that they
-- need not be looked at any more.
update docqueue_worker w set swept_at = clock.now
from (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now) clock
where w.swept_at is null and coalesce(w.lost_at, w.stopped_at) < clock.now - interval '1 minute'
    and not exists (select from docqueue_item i where i.worker_id = w.id and i.status = 'in_progress')
