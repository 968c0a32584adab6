-- Live workers (not callers), the queues they serve (none: all) and those that they leave out.
select id, queues, excluded from docqueue_worker
where lost_at is null and stopped_at is null and kind = 'worker'
    and lease_expires_at >= (select coalesce(%(now)s::timestamptz, clock_timestamp()))
