-- Mark a worker stopped. What it still holds will be reaped, uncharged.
update docqueue_worker set stopped_at = coalesce(%(now)s::timestamptz, clock_timestamp())
where id = %(worker_id)s and stopped_at is null and lost_at is null
