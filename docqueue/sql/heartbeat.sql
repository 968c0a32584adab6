-- Renew a worker's lease; no row when it is lost or stopped: that is final.
update docqueue_worker set
    heartbeat_at = clock.now,
    lease_expires_at = clock.now + make_interval(secs => %(lease_seconds)s),
    info = coalesce(%(info)s::jsonb, info)
from (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now) clock
where id = %(worker_id)s and lost_at is null and stopped_at is null
returning id
